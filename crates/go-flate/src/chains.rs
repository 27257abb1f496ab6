//! Where the same four bytes were seen before, newest first.
//!
//! Knows positions of the window; knows nothing of matches.

use crate::window::{Bytes, HALF, four};

const HASH_BITS: u32 = 17;
const HASH_FACTOR: u32 = 0x1e35_a7bd;

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
        let newest = &mut self.newest[hash(four(bytes, position))];
        let before = std::mem::replace(newest, position);
        self.before[usize::from(position) % HALF] = before;
        before
    }

    /// Returns the newest position whose four bytes have the hash of these.
    #[inline]
    pub(crate) fn newest(&self, four: u32) -> u16 {
        self.newest[hash(four)]
    }

    /// Returns the position before this one in its chain.
    #[inline]
    pub(crate) fn before(&self, position: u16) -> u16 {
        self.before[usize::from(position) % HALF]
    }

    /// Forgets all positions.
    pub(crate) fn clear(&mut self) {
        self.newest.fill(0);
        self.before.fill(0);
    }

    /// Follows a shift of the window: positions of the older half are forgotten.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half a window fits 16 bits"
    )]
    pub(crate) fn shift(&mut self) {
        // Two loops, because one over both is not turned into vector instructions.
        for position in self.newest.iter_mut() {
            *position = position.saturating_sub(HALF as u16);
        }
        for position in self.before.iter_mut() {
            *position = position.saturating_sub(HALF as u16);
        }
    }
}

/// Returns the hash of four bytes, the first of which is the lowest here.
#[inline]
fn hash(four: u32) -> usize {
    (four.swap_bytes().wrapping_mul(HASH_FACTOR) >> (u32::BITS - HASH_BITS)) as usize
}
