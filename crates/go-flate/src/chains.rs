//! Where the same four bytes were seen before, newest first, and the longest match among those.
//!
//! Knows positions of the window; knows nothing of when a match is worth taking.

use crate::window::{Bytes, HALF, LONGEST_MATCH, ORIGIN, common_length, four, reach};

const HASH_BITS: u32 = 17;
const HASH_FACTOR: u32 = 0x1e35_a7bd;

/// A match at least this long ends the search.
const NICE_LENGTH: usize = 128;
/// How many earlier positions a search looks at.
const MOST_CANDIDATES: u32 = 128;
/// A match of only four bytes is not worth a greater distance than this.
const FARTHEST_FOR_FOUR: usize = 4096;
/// A match has to be longer than this many bytes.
pub(crate) const TOO_SHORT: usize = 3;

/// A match of `length` bytes, `distance` bytes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) length: usize,
    pub(crate) distance: usize,
}

/// Chains of positions whose next four bytes have the same hash. Zero stands for no position.
pub(crate) struct Chains {
    /// The newest position of each hash.
    newest: Box<[u16; 1 << HASH_BITS]>,
    /// The position before each, of the same hash, by the position's place within a half.
    before: Box<[u16; HALF]>,
}

impl Chains {
    pub(crate) fn new() -> Self {
        let zeros = |count: usize| vec![0_u16; count].into_boxed_slice();
        let whole = "the length is that of the array";
        Self {
            newest: zeros(1 << HASH_BITS).try_into().expect(whole),
            before: zeros(HALF).try_into().expect(whole),
        }
    }

    /// Enters a position and returns the newest one before it with the same hash.
    #[inline]
    pub(crate) fn enter(&mut self, bytes: &Bytes, position: u16) -> u16 {
        let first_highest = four(bytes, position).swap_bytes();
        let hash = first_highest.wrapping_mul(HASH_FACTOR) >> (32 - HASH_BITS);
        let newest = &mut self.newest[hash as usize];
        let before = std::mem::replace(newest, position);
        self.before[usize::from(position) % HALF] = before;
        before
    }

    /// Follows a shift of the window: positions of the older half are forgotten.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half a window fits 16 bits"
    )]
    pub(crate) fn shift(&mut self) {
        for position in self.newest.iter_mut().chain(self.before.iter_mut()) {
            *position = position.saturating_sub(HALF as u16);
        }
    }

    /// Returns the longest match for `position` that is longer than `longer_than` bytes, the
    /// nearest of those.
    ///
    /// `candidate` is what [`Chains::enter`] returned for the position, `known` how many bytes are
    /// known from it on (more than `longer_than`).
    #[inline]
    pub(crate) fn longest_match(
        &self,
        bytes: &Bytes,
        position: u16,
        candidate: u16,
        longer_than: usize,
        known: usize,
    ) -> Option<Found> {
        let here = usize::from(position);
        let oldest = here.saturating_sub(HALF).max(ORIGIN);
        let most = known.min(LONGEST_MATCH);
        let nice = most.min(NICE_LENGTH);
        let target = reach(bytes, position);

        let mut candidate = candidate;
        let mut best = Found {
            length: longer_than,
            distance: 0,
        };
        let mut wanted = last_four(target, best.length);
        let mut shifted = &bytes[best.length - TOO_SHORT..];
        for _ in 0..MOST_CANDIDATES {
            let there = usize::from(candidate);
            if there < oldest {
                break;
            }
            let next = self.before[there % HALF];
            let seen = shifted[there..]
                .first_chunk()
                .map(|four| u32::from_le_bytes(*four));
            if seen == Some(wanted) {
                let length = common_length(reach(bytes, candidate), target, most);
                let distance = here - there;
                if length > best.length && (length > 4 || distance <= FARTHEST_FOR_FOUR) {
                    best = Found { length, distance };
                    if length >= nice {
                        break;
                    }
                    wanted = last_four(target, length);
                    shifted = &bytes[length - TOO_SHORT..];
                }
            }
            candidate = next;
        }
        (best.distance > 0).then_some(best)
    }
}

/// Returns the four bytes that a match longer than `length` has last of all.
#[inline]
fn last_four(target: &[u8], length: usize) -> u32 {
    let four = target[length - TOO_SHORT..]
        .first_chunk()
        .expect("a match is shorter than its reach");
    u32::from_le_bytes(*four)
}
