//! The longest match for a position among those that its chain leads to.
//!
//! What counts is the definition: of the chain's first candidates (128 by default), the nearest
//! one with the longest match. How it is found is free, and a walk along the whole chain is the slow way
//! (measured: it halves the speed on programs). Once there is a match to beat, a better one must
//! also have the four bytes at the end of it, and the chain of those four bytes is mostly much
//! shorter. So that one is walked, and the numbers of positions tell how many candidates are
//! between.
//!
//! Knows the chains and the window; knows nothing of when a match is worth taking.

use crate::chains::{Chains, oldest};
use crate::level::Effort;
use crate::window::{Bytes, common_length, four, reach};

/// A match of only four bytes is not worth a greater distance than this.
const FARTHEST_FOR_FOUR: u16 = 4096;
/// How many bytes a chain knows to be the same.
const CHAINED: u16 = 4;

/// A match of `length` bytes, `distance` bytes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: u16,
    pub(crate) distance: u16,
}

/// What a match is wanted for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) chains: &'a Chains,
    pub(crate) bytes: &'a Bytes,
    pub(crate) effort: Effort,
    pub(crate) position: u16,
    /// How long a match may be, from 4 bytes to 258: as far as bytes are known.
    pub(crate) most: u16,
}

impl Place<'_> {
    /// Returns the longest match that is worth its distance, the nearest of those.
    #[inline]
    pub(crate) fn longest_match(self) -> Option<Match> {
        let oldest = oldest(self.position);
        let mut candidate = self.chains.before(self.position);
        // Most searches end here.
        if candidate < oldest {
            return None;
        }
        let wanted = four(self.bytes, self.position);
        let mut left = self.effort.candidates;
        while four(self.bytes, candidate) != wanted {
            left -= 1;
            candidate = self.chains.before(candidate);
            if candidate < oldest || left == 0 {
                return None;
            }
        }
        let found = self.measure(candidate);
        if found.length == CHAINED && found.distance > FARTHEST_FOR_FOUR {
            // Only a longer one is worth as much.
            return self.improve(CHAINED, candidate);
        }
        if found.length >= self.nice() {
            return Some(found);
        }
        self.improve(found.length, candidate).or(Some(found))
    }

    /// Returns the longest match, the nearest of those, that is longer than `length` bytes.
    #[inline]
    pub(crate) fn longer_match(self, length: u16) -> Option<Match> {
        self.improve(length, self.position)
    }

    /// Returns the length of a match that ends the search.
    #[inline]
    fn nice(self) -> u16 {
        self.effort.nice.min(self.most)
    }

    /// Returns the match that starts at a candidate.
    #[inline]
    fn measure(self, candidate: u16) -> Match {
        let target = reach(self.bytes, self.position);
        Match {
            length: common_length(reach(self.bytes, candidate), target, self.most),
            distance: self.position - candidate,
        }
    }

    /// Returns the longest match that is longer than `length` and starts at a candidate that comes
    /// after `last`, which is one itself or is the position.
    #[inline(never)]
    fn improve(self, mut length: u16, mut last: u16) -> Option<Match> {
        let Self {
            chains,
            bytes,
            position,
            effort,
            ..
        } = self;
        let oldest = oldest(position);
        let start = four(bytes, position);
        let mut best = None;
        'better: loop {
            let steps = u32::from(chains.steps(position, last));
            let Some(mut left) = effort.candidates.checked_sub(steps) else {
                return best;
            };
            if let Some(found) = best
                && found.length >= self.nice()
            {
                return best;
            }
            let skip = length + 1 - CHAINED;
            let wanted = four(bytes, position + skip);
            let mut one = chains.before(last);
            let mut end = chains.before(position + skip);
            loop {
                if (one < oldest) | (end < oldest + skip) | (left == 0) {
                    return best;
                }
                let other = end - skip;
                let one_hits = four(bytes, one + skip) == wanted;
                let other_hits = (four(bytes, other) == start) & (other < last);
                if one_hits | other_hits {
                    for (hits, candidate) in [(one_hits, one), (other_hits, other)] {
                        let found = self.measure(candidate);
                        if hits && found.length > length {
                            if u32::from(chains.steps(position, candidate)) > effort.candidates {
                                return best;
                            }
                            best = Some(found);
                            (length, last) = (found.length, candidate);
                            continue 'better;
                        }
                    }
                }
                left -= 1;
                one = chains.before(one);
                end = chains.before(end);
            }
        }
    }
}
