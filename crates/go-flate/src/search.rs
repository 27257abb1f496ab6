//! The longest match for a position among those that its chain leads to.
//!
//! What counts is the definition: of the chain's first candidates (128 by default), the nearest
//! one with the longest match. How it is found is free, and a walk along the whole chain is the slow way
//! (measured: it halves the speed on programs). Once there is a match to beat, a better one must
//! also have the four bytes at the end of it, and the chain of those four bytes is mostly much
//! shorter. So that one is walked, and the first only to count which of its candidates it is.
//!
//! Knows the chains and the window; knows nothing of when a match is worth taking.

use crate::chains::Chains;
use crate::level::Effort;
use crate::window::{Bytes, HALF, ORIGIN, Reach, common_length, four, reach};

/// A match of only four bytes is not worth a greater distance than this.
const FARTHEST_FOR_FOUR: u16 = 4096;
/// How many bytes a chain knows to be the same.
const CHAINED: u16 = 4;

/// A match to beat is at least this long, if the chain of its end is to be walked.
const JUMP_FROM: u16 = 5;
/// A chain of an end that is longer than this is left again.
const MOST_JUMPS: u32 = 64;

/// A match of `length` bytes, `distance` bytes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: u16,
    pub(crate) distance: u16,
}

/// What a match is wanted for.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) position: u16,
    /// What [`Chains::enter`] returned for the position.
    pub(crate) candidate: u16,
    /// How long a match may be, from 4 bytes to 258: as far as bytes are known.
    pub(crate) most: u16,
}

/// Returns the longest match that is worth its distance, the nearest of those.
#[inline]
pub(crate) fn longest_match(
    chains: &Chains,
    bytes: &Bytes,
    place: Place,
    effort: Effort,
) -> Option<Match> {
    let mut search = Search::new(chains, bytes, place, effort, None);
    // Most searches end in this loop, which is why it is not one of the methods.
    let wanted = four(bytes, place.position);
    while let Some(candidate) = search.take_next() {
        if four(bytes, candidate) != wanted {
            continue;
        }
        let found = search.measure(candidate);
        if found.length > CHAINED || found.length == CHAINED && found.distance <= FARTHEST_FOR_FOUR
        {
            search.best = found;
            return Some(if found.length < search.nice {
                search.improve()
            } else {
                found
            });
        }
    }
    None
}

/// Returns the longest match, the nearest of those, that is longer than `length` bytes.
pub(crate) fn longer_match(
    chains: &Chains,
    bytes: &Bytes,
    place: Place,
    effort: Effort,
    length: u16,
) -> Option<Match> {
    let found = Search::new(chains, bytes, place, effort, Some(length)).improve();
    (found.distance > 0).then_some(found)
}

/// How a part of a search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is nothing better, or no need for it.
    Over,
    /// There is a new match to beat.
    Improved,
    /// Neither was found out.
    Open,
}

struct Search<'a> {
    chains: &'a Chains,
    bytes: &'a Bytes,
    /// The bytes from the position on.
    target: &'a Reach,
    position: u16,
    /// The oldest position that a match may start at.
    oldest: u16,
    most: u16,
    nice: u16,
    /// The next candidate of the position's chain.
    next: u16,
    /// How many candidates may still be looked at.
    left: u32,
    /// The match to beat. Without a distance it is only a length.
    best: Match,
}

impl<'a> Search<'a> {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both fit 16 bits")]
    fn new(
        chains: &'a Chains,
        bytes: &'a Bytes,
        place: Place,
        effort: Effort,
        length: Option<u16>,
    ) -> Self {
        Self {
            chains,
            bytes,
            target: reach(bytes, place.position),
            position: place.position,
            oldest: place
                .position
                .saturating_sub(HALF as u16)
                .max(ORIGIN as u16),
            most: place.most,
            nice: place.most.min(effort.nice),
            next: place.candidate,
            left: effort.candidates,
            best: Match {
                length: length.unwrap_or(CHAINED - 1),
                distance: 0,
            },
        }
    }

    /// Takes the next candidate off the chain, if there is one that may be looked at.
    #[inline]
    fn take_next(&mut self) -> Option<u16> {
        let candidate = self.next;
        if candidate < self.oldest || self.left == 0 {
            return None;
        }
        self.next = self.chains.before(candidate);
        self.left -= 1;
        Some(candidate)
    }

    /// Returns the match that starts at a candidate.
    #[inline]
    fn measure(&self, candidate: u16) -> Match {
        let length = common_length(reach(self.bytes, candidate), self.target, self.most);
        Match {
            length,
            distance: self.position - candidate,
        }
    }

    /// Returns the best match, which may be the one to beat that the search starts with.
    #[inline(never)]
    fn improve(mut self) -> Match {
        loop {
            let step = if self.best.length < JUMP_FROM {
                self.walk(0)
            } else {
                self.jump()
            };
            match step {
                Step::Over => break,
                Step::Improved => {}
                Step::Open => {
                    while self.walk(0) == Step::Improved {}
                    break;
                }
            }
        }
        self.best
    }

    /// Makes a match the one to beat.
    #[inline]
    fn accept(&mut self, found: Match) -> Step {
        self.best = found;
        if found.length < self.nice {
            Step::Improved
        } else {
            Step::Over
        }
    }

    /// Walks the position's chain to the next better match; it is open before `until`.
    #[inline]
    fn walk(&mut self, until: u16) -> Step {
        let skip = self.best.length + 1 - CHAINED;
        let wanted = self.end_of_target(skip);
        // The array from there on, so that only the candidate is to be added in the loop.
        let ends = &self.bytes[usize::from(skip)..];
        while self.next >= until {
            let Some(candidate) = self.take_next() else {
                return Step::Over;
            };
            let end = ends[usize::from(candidate)..].first_chunk();
            if end.map(|four| u32::from_le_bytes(*four)) == Some(wanted) {
                let found = self.measure(candidate);
                if found.length > self.best.length {
                    return self.accept(found);
                }
            }
        }
        Step::Open
    }

    /// Walks the chain of the four bytes that a better match has at its end.
    #[inline]
    fn jump(&mut self) -> Step {
        let skip = self.best.length + 1 - CHAINED;
        // The end of a match that starts this near is not entered into the chains yet.
        let step = self.walk((self.position + 1).saturating_sub(skip));
        if step != Step::Open {
            return step;
        }
        let start = self.end_of_target(0);
        let mut end = self.chains.newest(self.end_of_target(skip));
        for _ in 0..MOST_JUMPS {
            if end < self.oldest + skip {
                return Step::Over;
            }
            let candidate = end - skip;
            end = self.chains.before(end);
            if four(self.bytes, candidate) != start || candidate > self.next {
                continue;
            }
            let found = self.measure(candidate);
            if found.length > self.best.length {
                // It is on the position's chain too; is it among the first of that?
                while let Some(counted) = self.take_next() {
                    if counted == candidate {
                        return self.accept(found);
                    }
                }
                return Step::Over;
            }
        }
        Step::Open
    }

    /// Returns four bytes from the position on, after as many as are skipped.
    #[inline]
    fn end_of_target(&self, skip: u16) -> u32 {
        let end = self.target[usize::from(skip)..].first_chunk();
        u32::from_le_bytes(*end.expect("a match is shorter than its reach"))
    }
}
