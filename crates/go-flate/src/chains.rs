//! Where the same four bytes were seen before, newest first.
//!
//! Knows positions of the window; knows nothing of matches.

use crate::window::{Bytes, HALF, ORIGIN, four};

const HASH_BITS: u32 = 17;
const HASH_FACTOR: u32 = 0x1e35_a7bd;

/// How many bytes a position needs to be entered.
const HASHED: usize = 4;

/// All positions that are followed by enough bytes have fewer than this.
const POSITIONS: usize = 2 * HALF;

/// Chains of positions whose next four bytes have the same hash. Zero stands for no position.
///
/// Every position is entered, and which those are depends on the input alone. So all that are
/// known are entered at once, ahead of the search, which is much faster than one by one.
pub(crate) struct Chains {
    /// The newest position of each hash.
    newest: Box<[u16; 1 << HASH_BITS]>,
    /// The position before each, of the same hash.
    before: Box<[u16; POSITIONS]>,
    /// The number of each in its chain. It starts anywhere, and zero follows the greatest number.
    number: Box<[u16; POSITIONS]>,
    /// The first position that is not entered yet.
    next: usize,
}

impl Chains {
    pub(crate) fn new() -> Self {
        let zeros = |count: usize| vec![0_u16; count].into_boxed_slice();
        let whole = "the length is that of the array";
        Self {
            newest: zeros(1 << HASH_BITS).try_into().expect(whole),
            before: zeros(POSITIONS).try_into().expect(whole),
            number: zeros(POSITIONS).try_into().expect(whole),
            next: ORIGIN,
        }
    }

    /// Enters all positions whose four bytes are before `end`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions that four bytes follow fit"
    )]
    #[inline(never)]
    pub(crate) fn enter(&mut self, bytes: &Bytes, end: usize) {
        // In a run of one byte all have the same hash. There, what was just stored is not waited for.
        let mut last_hash = usize::MAX;
        let mut number = 0_u16;
        for position in self.next..(end + 1).saturating_sub(HASHED) {
            let position = position as u16;
            let hash = hash(four(bytes, position));
            let before = if hash == last_hash {
                self.newest[hash] = position;
                number = number.wrapping_add(1);
                position - 1
            } else {
                last_hash = hash;
                let before = std::mem::replace(&mut self.newest[hash], position);
                number = self.number[usize::from(before)].wrapping_add(1);
                before
            };
            self.before[usize::from(position)] = before;
            self.number[usize::from(position)] = number;
        }
        self.next = self.next.max((end + 1).saturating_sub(HASHED));
    }

    /// Returns the first position that is not entered yet.
    pub(crate) fn entered(&self) -> usize {
        self.next
    }

    /// Returns the position before this one in its chain.
    #[inline]
    pub(crate) fn before(&self, position: u16) -> u16 {
        self.before[usize::from(position)]
    }

    /// Tells which of the 64 positions from this one on may have a match, a bit for each from the
    /// lowest up. It can be wrong about that there is one, but not about that there is none.
    #[inline]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch whose outcome the processor cannot foresee takes longer"
    )]
    pub(crate) fn may_match(&self, bytes: &Bytes, position: u16) -> u64 {
        let oldest = oldest(position);
        (0..64).fold(0, |found, ahead| {
            let first = self.before(position + ahead);
            let second = self.before(first);
            let is_same = four(bytes, first) == four(bytes, position + ahead);
            found | u64::from(is_same | (second >= oldest)) << ahead
        })
    }

    /// Returns how many steps back in its chain lead from a position to an earlier one.
    #[inline]
    pub(crate) fn steps(&self, position: u16, earlier: u16) -> u16 {
        let number = self.number[usize::from(position)];
        number.wrapping_sub(self.number[usize::from(earlier)])
    }

    /// Forgets all positions.
    pub(crate) fn clear(&mut self) {
        self.newest.fill(0);
        self.next = ORIGIN;
    }

    /// Follows a shift of the window: positions of the older half are forgotten.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half a window fits 16 bits"
    )]
    pub(crate) fn shift(&mut self) {
        // Loops as simple as these are turned into vector instructions.
        for position in self.newest.iter_mut() {
            *position = position.saturating_sub(HALF as u16);
        }
        let (older, newer) = self.before.split_at_mut(HALF);
        for (older, newer) in older.iter_mut().zip(newer) {
            *older = newer.saturating_sub(HALF as u16);
        }
        // What was before the last position that is dropped is no matter of anyone's.
        self.before[0] = 0;
        self.number.copy_within(HALF.., 0);
        self.next -= HALF;
    }
}

/// Returns the oldest position that a match for this one may start at.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both fit 16 bits")]
pub(crate) fn oldest(position: u16) -> u16 {
    position.saturating_sub(HALF as u16).max(ORIGIN as u16)
}

/// Returns the hash of four bytes, the first of which is the lowest here.
#[inline]
fn hash(four: u32) -> usize {
    (four.swap_bytes().wrapping_mul(HASH_FACTOR) >> (u32::BITS - HASH_BITS)) as usize
}
