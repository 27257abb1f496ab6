//! The last bytes of the input: what matches are found in and stored blocks are copied from.
//!
//! Two halves of 32 KiB. When they are full and all but the end is used, the older half is
//! dropped. That also bounds how far back a match may reach, so it is part of the format here.
//! Knows nothing of hashes or tokens.

/// How far back a match may reach at most, and how much is dropped at a time, in bytes.
pub(crate) const HALF: usize = 1 << 15;
/// The longest match, in bytes.
pub(crate) const LONGEST_MATCH: usize = 258;
/// Away from the end of the input, a byte is looked at only with this many bytes known from it on.
pub(crate) const LOOKAHEAD: usize = LONGEST_MATCH + 4;

/// The position of the window's first byte. Zero is left free, to mean "none" where positions are
/// kept in 16 bits.
pub(crate) const ORIGIN: usize = 1;
/// One past the position of the last byte that fits.
const LIMIT: usize = ORIGIN + 2 * HALF;
/// A position from which on the older half is not looked at any more.
pub(crate) const SHIFT_FROM: usize = LIMIT - LOOKAHEAD;

/// How many bytes may be read from any position on, those past the end being of no meaning.
pub(crate) const READABLE: usize = 264;

/// The bytes that can be reached from a position; enough for the longest match.
pub(crate) type Reach = [u8; READABLE];
/// All bytes that are addressed by a 16-bit position and a fixed number of bytes after it.
pub(crate) type Bytes = [u8; LIMIT + READABLE];

/// A window over the input. Positions change by [`HALF`] at each [`Window::shift`].
pub(crate) struct Window {
    bytes: Box<Bytes>,
    end: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; LIMIT + READABLE].into_boxed_slice();
        Self {
            bytes: bytes.try_into().expect("the length is that of the array"),
            end: ORIGIN,
        }
    }

    /// Forgets all bytes.
    pub(crate) fn clear(&mut self) {
        self.end = ORIGIN;
    }

    /// Returns one past the position of the last byte.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Tells whether no byte fits any more.
    pub(crate) fn is_full(&self) -> bool {
        self.end == LIMIT
    }

    /// Takes as many bytes as fit and returns how many those were.
    pub(crate) fn fill(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(LIMIT - self.end);
        self.bytes[self.end..self.end + taken].copy_from_slice(&data[..taken]);
        self.end += taken;
        taken
    }

    /// Drops the older half; every position becomes less by [`HALF`].
    pub(crate) fn shift(&mut self) {
        self.bytes.copy_within(ORIGIN + HALF..LIMIT, ORIGIN);
        self.end -= HALF;
    }

    /// Returns the bytes of a range of positions.
    pub(crate) fn range(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[from..to]
    }

    /// Returns all bytes, by position.
    #[inline]
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Returns what can be read from a position on.
#[inline]
pub(crate) fn reach(bytes: &Bytes, position: u16) -> &Reach {
    bytes[usize::from(position)..]
        .first_chunk()
        .expect("the array is longer by as much")
}

/// Returns the first four bytes from a position on, the first one lowest.
#[inline]
pub(crate) fn four(bytes: &Bytes, position: u16) -> u32 {
    let four = bytes[usize::from(position)..]
        .first_chunk()
        .expect("the array is longer by more");
    u32::from_le_bytes(*four)
}

/// Returns how many bytes are the same in both, at most `most`.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "64 bits have under 64 zeros"
)]
pub(crate) fn common_length(one: &Reach, other: &Reach, most: u16) -> u16 {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    for (before, (one, other)) in (0..).step_by(8).zip(one.iter().zip(other)) {
        let difference = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            let same_bits = difference.trailing_zeros() as u16;
            return most.min(before + same_bits / 8);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 258, 0)]
    #[case(7, 258, 7)]
    #[case(8, 258, 8)]
    #[case(257, 258, 257)]
    #[case(264, 258, 258)]
    #[case(100, 20, 20)]
    fn the_common_length_stops_at_the_first_difference_and_at_the_limit(
        #[case] difference: usize,
        #[case] most: u16,
        #[case] length: u16,
    ) {
        let one = [7; READABLE];
        let mut other = one;
        if let Some(byte) = other.get_mut(difference) {
            *byte = 8;
        }
        assert_eq!(common_length(&one, &other, most), length);
    }

    #[test]
    fn a_shift_keeps_the_newer_half() {
        let mut window = Window::new();
        let data: Vec<u8> = (0..=250).cycle().take(3 * HALF).collect();
        assert_eq!(window.fill(&data), 2 * HALF);
        assert!(window.is_full());
        window.shift();
        assert!(!window.is_full());
        assert_eq!(window.fill(&data[2 * HALF..]), HALF);
        assert_eq!(window.range(ORIGIN, window.end()), &data[HALF..]);
    }
}
