//! Huffman codes of limited length, from how often each symbol occurs.
//!
//! Many codes are equally short, so the choice among them is part of the format here: symbols are
//! ordered by (frequency, symbol), the lengths are those of package-merge which takes a package
//! before a symbol of the same weight, and codes are canonical. Knows nothing of what the symbols
//! stand for.

/// The longest code that any alphabet of deflate may have, in bits.
const LONGEST: usize = 15;
/// The size of the largest alphabet.
const MOST_SYMBOLS: usize = 286;
/// A row of package-merge never needs more items than this.
const MOST_ITEMS: usize = 2 * MOST_SYMBOLS;

/// One code word, its first bit lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    /// The bits as they go into the stream, low bit first.
    pub(crate) bits: u16,
    /// How many bits there are; 0 for a symbol that does not occur.
    pub(crate) length: u8,
}

/// The codes of an alphabet of `SYMBOLS` symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeTable<const SYMBOLS: usize> {
    codes: [Code; SYMBOLS],
}

impl<const SYMBOLS: usize> CodeTable<SYMBOLS> {
    /// Returns the shortest codes for these frequencies, of at most `longest` (up to 15) bits.
    pub(crate) fn for_frequencies(frequencies: &[u32; SYMBOLS], longest: usize) -> Self {
        let mut order = [0_u64; SYMBOLS];
        let mut count = 0;
        for (symbol, &frequency) in (0_u64..).zip(frequencies) {
            if frequency > 0 {
                order[count] = u64::from(frequency) << 16 | symbol;
                count += 1;
            }
        }
        let order = &mut order[..count];
        let mut lengths = [0_u8; SYMBOLS];
        if count <= 2 {
            // Too few to merge: each gets one bit, be it needed or not.
            for &mut item in order {
                lengths[symbol_of(item)] = 1;
            }
        } else {
            order.sort_unstable();
            assign_lengths(order, longest, &mut lengths);
        }
        Self::from_lengths(&lengths)
    }

    /// Returns the canonical code with these lengths.
    pub(crate) fn from_lengths(lengths: &[u8; SYMBOLS]) -> Self {
        let mut counts = [0_u16; LONGEST + 1];
        for &length in lengths {
            counts[usize::from(length)] += u16::from(length > 0);
        }
        let mut next = [0_u16; LONGEST + 1];
        for length in 1..=LONGEST {
            next[length] = (next[length - 1] + counts[length - 1]) << 1;
        }
        let mut codes = [Code::default(); SYMBOLS];
        for (code, &length) in codes.iter_mut().zip(lengths) {
            if length > 0 {
                let value = &mut next[usize::from(length)];
                *code = Code {
                    bits: value.reverse_bits() >> (16 - length),
                    length,
                };
                *value = value.wrapping_add(1);
            }
        }
        Self { codes }
    }

    /// Returns the codes of the first symbols only.
    pub(crate) fn first<const KEPT: usize>(&self) -> CodeTable<KEPT> {
        CodeTable {
            codes: std::array::from_fn(|symbol| self.codes[symbol]),
        }
    }

    /// Returns the code of each symbol.
    pub(crate) fn codes(&self) -> &[Code; SYMBOLS] {
        &self.codes
    }

    /// Returns how many bits symbols of these frequencies take.
    pub(crate) fn cost(&self, frequencies: &[u32; SYMBOLS]) -> usize {
        let cost =
            |(code, &frequency): (&Code, &u32)| frequency as usize * usize::from(code.length);
        self.codes.iter().zip(frequencies).map(cost).sum()
    }
}

fn symbol_of(item: u64) -> usize {
    (item & 0xffff) as usize
}

/// Writes the length of each symbol's code, by package-merge over at least 3 symbols.
///
/// `order` holds `frequency << 16 | symbol`, ascending.
#[expect(
    clippy::cast_possible_truncation,
    reason = "weights sum to under 2^32, lengths to 15"
)]
fn assign_lengths(order: &[u64], longest: usize, lengths: &mut [u8]) {
    let count = order.len();
    // No tree over so few symbols is deeper.
    let longest = longest.min(count - 1);
    let items = 2 * count - 2;

    let mut leaves = [u32::MAX; MOST_SYMBOLS + 1];
    for (leaf, &item) in leaves.iter_mut().zip(order) {
        *leaf = (item >> 16) as u32;
    }

    // Row by row, packages of two items of the row before are merged with the symbols. Which
    // items are symbols is all that is kept of a row in the end.
    let mut rows = [ItemSet::default(); LONGEST];
    let mut weights = [0_u32; MOST_ITEMS];
    let mut below = [0_u32; MOST_ITEMS];
    let mut below_count = 0;
    for row in &mut rows[..longest] {
        let (mut leaf, mut package) = (0, 0);
        let mut filled = 0;
        while filled < items {
            let package_weight = match below[..below_count].get(package..package + 2) {
                Some(pair) => pair[0] + pair[1],
                None if leaf == count => break,
                None => u32::MAX,
            };
            if leaves[leaf] < package_weight {
                weights[filled] = leaves[leaf];
                row.insert(filled);
                leaf += 1;
            } else {
                weights[filled] = package_weight;
                package += 2;
            }
            filled += 1;
        }
        std::mem::swap(&mut weights, &mut below);
        below_count = filled;
    }

    // From the last row down: a symbol is one bit longer for each row that needs it.
    let mut needed = items;
    for row in rows[..longest].iter().rev() {
        let symbols = row.count_below(needed);
        for &item in &order[..symbols] {
            lengths[symbol_of(item)] += 1;
        }
        needed = 2 * (needed - symbols);
    }
}

/// A set of the indices of a row's items.
#[derive(Clone, Copy, Default)]
struct ItemSet([u64; MOST_ITEMS.div_ceil(64)]);

impl ItemSet {
    fn insert(&mut self, item: usize) {
        self.0[item / 64] |= 1 << (item % 64);
    }

    /// Returns how many items under `limit` are in the set.
    fn count_below(&self, limit: usize) -> usize {
        let whole: u32 = self.0[..limit / 64]
            .iter()
            .map(|word| word.count_ones())
            .sum();
        let part = self
            .0
            .get(limit / 64)
            .map_or(0, |word| (word & !(u64::MAX << (limit % 64))).count_ones());
        (whole + part) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths<const SYMBOLS: usize>(frequencies: [u32; SYMBOLS], longest: usize) -> Vec<u8> {
        let table = CodeTable::for_frequencies(&frequencies, longest);
        table.codes().iter().map(|code| code.length).collect()
    }

    #[test]
    fn one_or_two_symbols_take_one_bit_each() {
        assert_eq!(lengths([0, 7, 0], 15), [0, 1, 0]);
        assert_eq!(lengths([9, 0, 1], 15), [1, 0, 1]);
        assert_eq!(lengths([0, 0, 0], 15), [0, 0, 0]);
    }

    #[test]
    fn codes_are_canonical_and_reversed() {
        let table = CodeTable::for_frequencies(&[1, 1, 2, 4], 15);
        let codes: Vec<_> = table
            .codes()
            .iter()
            .map(|code| (code.bits, code.length))
            .collect();
        assert_eq!(codes, [(0b011, 3), (0b111, 3), (0b01, 2), (0b0, 1)]);
    }

    #[test]
    fn a_package_comes_before_a_symbol_of_the_same_weight() {
        // Lengths of 3 3 2 1 and of 2 2 2 2 cost the same here; the deeper tree is the right one.
        assert_eq!(lengths([1, 1, 2, 2], 15), [3, 3, 2, 1]);
    }

    #[test]
    fn the_limit_holds_where_the_frequencies_ask_for_more() {
        let mut frequencies = [0_u32; 30];
        let (mut one, mut two) = (1, 1);
        for frequency in &mut frequencies {
            *frequency = one;
            (one, two) = (two, one + two);
        }
        let lengths = lengths(frequencies, 15);
        assert_eq!(lengths.iter().max(), Some(&15));
        assert_eq!(kraft_sum(&lengths), 1 << 15);
    }

    fn kraft_sum(lengths: &[u8]) -> u32 {
        lengths
            .iter()
            .filter(|&&length| length > 0)
            .map(|&length| 1 << (15 - length))
            .sum()
    }

    proptest! {
        #[test]
        fn every_code_is_complete(
            frequencies in prop::collection::vec(0_u32..5000, 286),
            shifts in prop::collection::vec(0_u32..13, 286),
        ) {
            let mut frequencies: [u32; 286] = frequencies.try_into().unwrap();
            for (frequency, shift) in frequencies.iter_mut().zip(shifts) {
                *frequency >>= shift;
            }
            prop_assume!(frequencies.iter().filter(|&&frequency| frequency > 0).count() >= 3);
            prop_assert_eq!(kraft_sum(&lengths(frequencies, 15)), 1 << 15);
        }
    }
}
