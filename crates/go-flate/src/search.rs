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

use std::num::NonZeroU16;

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
    /// Never zero, so that a match and none fit one register.
    pub(crate) distance: NonZeroU16,
}

/// Looks for matches.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) chains: &'a Chains,
    pub(crate) bytes: &'a Bytes,
    pub(crate) effort: Effort,
}

impl Search<'_> {
    /// Returns the longest match for a position that is worth its distance, the nearest of those.
    ///
    /// `most` is how long it may be, from 4 bytes to 258: as far as bytes are known. `first` is
    /// the position before this one in its chain, and one that a match may start at.
    #[inline(never)]
    pub(crate) fn longest_match(&self, position: u16, most: u16, first: u16) -> Option<Match> {
        let oldest = oldest(position);
        let wanted = four(self.bytes, position);
        let mut candidate = first;
        let mut left = self.effort.candidates;
        while four(self.bytes, candidate) != wanted {
            left -= 1;
            candidate = self.chains.before(candidate);
            if candidate < oldest || left == 0 {
                return None;
            }
        }
        let length = self.measure(position, candidate, most);
        if length == CHAINED && position - candidate > FARTHEST_FOR_FOUR {
            // Only a longer one is worth as much.
            return self.improve(position, most, length, candidate);
        }
        let found = found(position, candidate, length);
        if length >= self.effort.nice.min(most) {
            return found;
        }
        self.improve(position, most, length, candidate).or(found)
    }

    /// Returns the longest match for a position, the nearest of those, that is longer than `length`
    /// bytes.
    #[inline]
    pub(crate) fn longer_match(&self, position: u16, most: u16, length: u16) -> Option<Match> {
        self.improve(position, most, length, position)
    }

    /// Returns the length of the match that starts at a candidate.
    #[inline]
    fn measure(&self, position: u16, candidate: u16, most: u16) -> u16 {
        let target = reach(self.bytes, position);
        common_length(reach(self.bytes, candidate), target, most)
    }

    /// Returns the longest match that is longer than `length` and starts at a candidate that comes
    /// after `last`, which is one itself or is the position.
    ///
    /// A better match starts at a candidate of the position's own chain, and it ends with a position
    /// of the chain of its end. Both are followed, a step of either at a time: the processor waits for
    /// both at once, and the search is over as soon as the shorter one is.
    #[inline(never)]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "branches whose outcome the processor cannot foresee take longer"
    )]
    fn improve(&self, position: u16, most: u16, length: u16, last: u16) -> Option<Match> {
        let Self {
            chains,
            bytes,
            effort,
        } = *self;
        let (mut length, mut last) = (length, last);
        let oldest = oldest(position);
        let nice = effort.nice.min(most);
        let start = four(bytes, position);
        let mut best = None;
        let mut left = effort
            .candidates
            .saturating_sub(chains.steps(position, last).into());
        'better: loop {
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
                        if !hits {
                            continue;
                        }
                        let better = self.measure(position, candidate, most);
                        if better > length {
                            // Is it among the first of the position's own chain?
                            let steps = u32::from(chains.steps(position, candidate));
                            if steps > effort.candidates {
                                return best;
                            }
                            best = found(position, candidate, better);
                            if better >= nice {
                                return best;
                            }
                            left = effort.candidates - steps;
                            (length, last) = (better, candidate);
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

/// Returns the match of a position with an earlier one.
#[inline]
fn found(position: u16, candidate: u16, length: u16) -> Option<Match> {
    let distance = NonZeroU16::new(position - candidate)?;
    Some(Match { length, distance })
}
