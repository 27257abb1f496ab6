//! What a block is made of: literals and matches, and the symbols RFC 1951 gives them.
//!
//! Knows the alphabets of deflate and their extra bits; knows nothing of Huffman codes or of how
//! matches are found.

/// The shortest match that deflate can express, in bytes.
const SHORTEST_EXPRESSIBLE: u16 = 3;

/// How many tokens one block holds at most, the end-of-block symbol not counted.
pub(crate) const BLOCK_TOKENS: usize = 1 << 14;

/// The size of the alphabet of literals, end of block and lengths.
pub(crate) const LITERAL_SYMBOLS: usize = 286;
/// The size of the alphabet of distances.
pub(crate) const DISTANCE_SYMBOLS: usize = 30;
/// The symbol that ends a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// The symbol of the shortest length.
pub(crate) const FIRST_LENGTH_SYMBOL: usize = 257;

const MATCH: u32 = 1 << 31;

/// One literal byte, or one match of 3 to 258 bytes at a distance of 1 to 32768.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u32);

impl Token {
    /// Returns the token for one byte that is written as itself.
    #[inline]
    pub(crate) fn literal(byte: u8) -> Self {
        Self(u32::from(byte))
    }

    /// Returns the token for `length` bytes that were already seen `distance` bytes ago.
    #[inline]
    pub(crate) fn repeat(length: u16, distance: u16) -> Self {
        let length = u32::from(length - SHORTEST_EXPRESSIBLE);
        Self(MATCH | length << 16 | u32::from(distance - 1))
    }

    /// Tells whether the token is a match.
    #[inline]
    pub(crate) fn is_repeat(self) -> bool {
        self.0 & MATCH != 0
    }

    /// Returns how many bytes it stands for.
    #[inline]
    pub(crate) fn length(self) -> u64 {
        if self.is_repeat() {
            self.extra_length() as u64 + u64::from(SHORTEST_EXPRESSIBLE)
        } else {
            1
        }
    }

    /// Returns the byte of a literal.
    #[inline]
    pub(crate) fn byte(self) -> usize {
        usize::from(self.0.to_le_bytes()[0])
    }

    /// Returns the length of a match less 3, which is from 0 to 255.
    #[inline]
    pub(crate) fn extra_length(self) -> usize {
        usize::from(self.0.to_le_bytes()[2])
    }

    /// Returns the distance of a match less 1, which is from 0 to 32767.
    #[inline]
    pub(crate) fn extra_distance(self) -> u32 {
        self.0 & 0x7fff
    }
}

/// The symbol of a value and how many of the value's low bits follow it.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    /// The index in the alphabet; for a length, counted from 257.
    pub(crate) index: u8,
    /// The number of bits that follow the symbol's code.
    pub(crate) extra_bits: u8,
    /// The value of those bits.
    pub(crate) extra: u16,
}

/// The symbols of all lengths, by the length less 3.
pub(crate) static LENGTHS: [Symbol; 256] = length_symbols();

/// Returns the symbol of a distance, given less 1.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the symbol is under 30, the extra under 2^13"
)]
pub(crate) fn distance_symbol(extra_distance: u32) -> Symbol {
    if extra_distance < 4 {
        return Symbol {
            index: extra_distance as u8,
            extra_bits: 0,
            extra: 0,
        };
    }
    let magnitude = extra_distance.ilog2();
    let extra_bits = magnitude - 1;
    Symbol {
        index: (2 * magnitude + (extra_distance >> extra_bits & 1)) as u8,
        extra_bits: extra_bits as u8,
        extra: (extra_distance & ((1 << extra_bits) - 1)) as u16,
    }
}

/// Returns how many extra bits the length symbol with this index (counted from 257) has.
pub(crate) fn length_extra_bits(index: usize) -> usize {
    if index < 8 || index == 28 {
        0
    } else {
        index / 4 - 1
    }
}

/// Returns how many extra bits the distance symbol with this index has.
pub(crate) fn distance_extra_bits(index: usize) -> usize {
    if index < 4 { 0 } else { index / 2 - 1 }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the symbol is under 29, the extra under 2^5"
)]
const fn length_symbols() -> [Symbol; 256] {
    let mut symbols = [Symbol {
        index: 28,
        extra_bits: 0,
        extra: 0,
    }; 256];
    let mut length = 0;
    // The longest length, 258, keeps the symbol of its own that it starts with.
    while length < 255 {
        symbols[length] = if length < 8 {
            Symbol {
                index: length as u8,
                extra_bits: 0,
                extra: 0,
            }
        } else {
            let magnitude = length.ilog2();
            let extra_bits = magnitude - 2;
            Symbol {
                index: (4 * (magnitude - 1) + (length >> extra_bits & 3) as u32) as u8,
                extra_bits: extra_bits as u8,
                extra: (length & ((1 << extra_bits) - 1)) as u16,
            }
        };
        length += 1;
    }
    symbols
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(3, 257, 0, 0)]
    #[case(10, 264, 0, 0)]
    #[case(11, 265, 1, 0)]
    #[case(12, 265, 1, 1)]
    #[case(13, 266, 1, 0)]
    #[case(130, 280, 4, 15)]
    #[case(131, 281, 5, 0)]
    #[case(257, 284, 5, 30)]
    #[case(258, 285, 0, 0)]
    fn lengths_have_the_symbols_of_the_standard(
        #[case] length: u16,
        #[case] symbol: usize,
        #[case] extra_bits: u8,
        #[case] extra: u16,
    ) {
        let found = LENGTHS[usize::from(length - SHORTEST_EXPRESSIBLE)];
        assert_eq!(FIRST_LENGTH_SYMBOL + usize::from(found.index), symbol);
        assert_eq!((found.extra_bits, found.extra), (extra_bits, extra));
        assert_eq!(
            length_extra_bits(usize::from(found.index)),
            usize::from(extra_bits)
        );
    }

    #[rstest]
    #[case(1, 0, 0, 0)]
    #[case(4, 3, 0, 0)]
    #[case(5, 4, 1, 0)]
    #[case(8, 5, 1, 1)]
    #[case(9, 6, 2, 0)]
    #[case(24577, 29, 13, 0)]
    #[case(32768, 29, 13, 8191)]
    fn distances_have_the_symbols_of_the_standard(
        #[case] distance: u32,
        #[case] symbol: u8,
        #[case] extra_bits: u8,
        #[case] extra: u16,
    ) {
        let found = distance_symbol(distance - 1);
        assert_eq!(
            (found.index, found.extra_bits, found.extra),
            (symbol, extra_bits, extra)
        );
        assert_eq!(
            distance_extra_bits(usize::from(symbol)),
            usize::from(extra_bits)
        );
    }

    #[rstest]
    #[case(3, 1)]
    #[case(258, 32768)]
    #[case(100, 12345)]
    fn a_match_keeps_its_length_and_distance(#[case] length: u16, #[case] distance: u16) {
        let token = Token::repeat(length, distance);
        assert!(token.is_repeat());
        assert_eq!(
            token.extra_length(),
            usize::from(length - SHORTEST_EXPRESSIBLE)
        );
        assert_eq!(token.extra_distance(), u32::from(distance - 1));
    }
}
