//! One block: which of the three kinds is the shortest, and its bits.
//!
//! Knows tokens, codes and the layout of RFC 1951; knows nothing of how the tokens came about.

use std::sync::LazyLock;

use crate::huffman::{Code, CodeTable};
use crate::sink::BitSink;
use crate::token::{
    DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH_SYMBOL, LENGTHS, LITERAL_SYMBOLS, Token,
    distance_extra_bits, distance_symbol, length_extra_bits,
};

/// The most bytes that a stored block can hold.
const MOST_STORED: usize = 65535;
/// The longest code of literals, lengths and distances, in bits.
const LONGEST_CODE: usize = 15;

/// The size of the alphabet that code lengths are written in.
const META_SYMBOLS: usize = 19;
/// The longest code of that alphabet, in bits.
const LONGEST_META_CODE: usize = 7;
/// The order in which the lengths of that alphabet's codes are written.
const META_ORDER: [usize; META_SYMBOLS] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
/// Repeats the last length 3 to 6 times.
const REPEAT: usize = 16;
/// Repeats length zero 3 to 10 times.
const FEW_ZEROS: usize = 17;
/// Repeats length zero 11 to 138 times.
const MANY_ZEROS: usize = 18;
/// How many bits follow each symbol of that alphabet.
const META_EXTRA_BITS: [u32; META_SYMBOLS] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];

const STORED: u64 = 0b00;
const FIXED: u64 = 0b01;
const DYNAMIC: u64 = 0b10;

/// Writes a block of these tokens, in the shortest of its kinds.
///
/// `bytes` is what the tokens stand for, if that is still known; only then can the block be
/// stored. It is never marked as the last one.
pub(crate) fn write_block(tokens: &[Token], bytes: Option<&[u8]>, sink: &mut BitSink) {
    let census = Census::of(tokens);
    let codes = Codes {
        literal: CodeTable::for_frequencies(&census.literal, LONGEST_CODE),
        distance: CodeTable::for_frequencies(&census.distance, LONGEST_CODE),
    };
    let header = Header::of(&codes, &census);

    let stored = bytes.filter(|bytes| bytes.len() <= MOST_STORED);
    let fixed_cost = 3 + FIXED_CODES.cost(&census);
    let dynamic_cost = 3 + header.cost() + codes.cost(&census);
    let cost = fixed_cost.min(dynamic_cost) + census.extra_bits();
    if let Some(bytes) = stored.filter(|bytes| 8 * (bytes.len() + 5) < cost) {
        write_stored(bytes, sink);
    } else if dynamic_cost < fixed_cost {
        sink.put(DYNAMIC << 1, 3);
        header.write(sink);
        write_tokens(tokens, &codes, sink);
    } else {
        sink.put(FIXED << 1, 3);
        write_tokens(tokens, &FIXED_CODES, sink);
    }
}

/// Writes the empty stored block that ends every stream.
pub(crate) fn write_end(sink: &mut BitSink) {
    sink.put(STORED << 1 | 1, 3);
    sink.align();
    sink.put(0xffff_0000, 32);
}

fn write_stored(bytes: &[u8], sink: &mut BitSink) {
    sink.put(STORED << 1, 3);
    sink.align();
    let length = bytes.len() as u64;
    sink.put(length | (!length & 0xffff) << 16, 32);
    sink.put_bytes(bytes);
}

/// How often each symbol occurs in a block.
struct Census {
    literal: [u32; LITERAL_SYMBOLS],
    distance: [u32; DISTANCE_SYMBOLS],
}

impl Census {
    fn of(tokens: &[Token]) -> Self {
        let mut census = Self {
            literal: [0; LITERAL_SYMBOLS],
            distance: [0; DISTANCE_SYMBOLS],
        };
        for token in tokens {
            if token.is_repeat() {
                let length = usize::from(LENGTHS[token.extra_length()].index);
                let distance = usize::from(distance_symbol(token.extra_distance()).index);
                census.literal[FIRST_LENGTH_SYMBOL + length] += 1;
                census.distance[distance] += 1;
            } else {
                census.literal[token.byte()] += 1;
            }
        }
        census.literal[END_OF_BLOCK] += 1;
        if census.distance == [0; DISTANCE_SYMBOLS] {
            // A block must define a distance. It counts as used wherever costs are compared.
            census.distance[0] = 1;
        }
        census
    }

    /// Returns how many bits follow the codes of lengths and distances.
    fn extra_bits(&self) -> usize {
        let lengths = self.literal[FIRST_LENGTH_SYMBOL..].iter().enumerate();
        let lengths = lengths.map(|(index, &count)| count as usize * length_extra_bits(index));
        let distances = self.distance.iter().enumerate();
        let distances =
            distances.map(|(index, &count)| count as usize * distance_extra_bits(index));
        lengths.sum::<usize>() + distances.sum::<usize>()
    }
}

/// The codes of a block.
struct Codes {
    literal: CodeTable<LITERAL_SYMBOLS>,
    distance: CodeTable<DISTANCE_SYMBOLS>,
}

impl Codes {
    fn cost(&self, census: &Census) -> usize {
        self.literal.cost(&census.literal) + self.distance.cost(&census.distance)
    }
}

/// The codes that a block of fixed codes has.
static FIXED_CODES: LazyLock<Codes> = LazyLock::new(|| {
    // Two symbols that never occur have codes too.
    let mut literal = [8; LITERAL_SYMBOLS + 2];
    literal[144..256].fill(9);
    literal[256..280].fill(7);
    Codes {
        literal: CodeTable::<288>::from_lengths(&literal).first(),
        distance: CodeTable::from_lengths(&[5; DISTANCE_SYMBOLS]),
    }
});

/// A symbol of the alphabet that code lengths are written in, and what follows it.
#[derive(Clone, Copy, Default)]
struct MetaSymbol {
    symbol: u8,
    extra: u8,
}

/// The code lengths of a block, as they are written.
struct Header {
    literals: usize,
    distances: usize,
    symbols: Vec<MetaSymbol>,
    frequencies: [u32; META_SYMBOLS],
    table: CodeTable<META_SYMBOLS>,
    /// How many of the lengths of `table`'s codes are written.
    written: usize,
}

impl Header {
    fn of(codes: &Codes, census: &Census) -> Self {
        let literals = used(&census.literal);
        let distances = used(&census.distance);
        let literal_codes = &codes.literal.codes()[..literals];
        let distance_codes = &codes.distance.codes()[..distances];
        let lengths: Vec<u8> = literal_codes
            .iter()
            .chain(distance_codes)
            .map(|code| code.length)
            .collect();

        let mut symbols = Vec::with_capacity(lengths.len());
        for run in lengths.chunk_by(|one, other| one == other) {
            push_run(run[0], run.len(), &mut symbols);
        }
        let mut frequencies = [0; META_SYMBOLS];
        for symbol in &symbols {
            frequencies[usize::from(symbol.symbol)] += 1;
        }
        let table = CodeTable::for_frequencies(&frequencies, LONGEST_META_CODE);
        let written = META_ORDER
            .iter()
            .rposition(|&symbol| frequencies[symbol] > 0);
        let written = written.map_or(4, |last| (last + 1).max(4));
        Self {
            literals,
            distances,
            symbols,
            frequencies,
            table,
            written,
        }
    }

    /// Returns how many bits the header has.
    fn cost(&self) -> usize {
        let extra = self.frequencies.iter().zip(META_EXTRA_BITS);
        let extra: usize = extra.map(|(&count, bits)| (count * bits) as usize).sum();
        5 + 5 + 4 + 3 * self.written + self.table.cost(&self.frequencies) + extra
    }

    fn write(&self, sink: &mut BitSink) {
        sink.put(self.literals as u64 - 257, 5);
        sink.put(self.distances as u64 - 1, 5);
        sink.put(self.written as u64 - 4, 4);
        let codes = self.table.codes();
        for &symbol in &META_ORDER[..self.written] {
            sink.put(u64::from(codes[symbol].length), 3);
        }
        for symbol in &self.symbols {
            let index = usize::from(symbol.symbol);
            let Code { bits, length } = codes[index];
            sink.put(u64::from(bits), u32::from(length));
            sink.put(u64::from(symbol.extra), META_EXTRA_BITS[index]);
        }
    }
}

/// Returns how many symbols there are up to the last one that occurs.
fn used(frequencies: &[u32]) -> usize {
    frequencies
        .iter()
        .rposition(|&frequency| frequency > 0)
        .map_or(0, |last| last + 1)
}

/// Writes `count` times the same length, as literally or as shortly as Go does.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 138 repeats go into one symbol"
)]
fn push_run(length: u8, count: usize, symbols: &mut Vec<MetaSymbol>) {
    let mut repeat = |symbol: usize, count: usize, least: usize| {
        symbols.push(MetaSymbol {
            symbol: symbol as u8,
            extra: (count - least) as u8,
        });
    };
    let mut left = count;
    if length == 0 {
        while left >= 11 {
            let now = left.min(138);
            repeat(MANY_ZEROS, now, 11);
            left -= now;
        }
        if left >= 3 {
            repeat(FEW_ZEROS, left, 3);
            left = 0;
        }
    } else {
        repeat(usize::from(length), 0, 0);
        left -= 1;
        while left >= 3 {
            let now = left.min(6);
            repeat(REPEAT, now, 3);
            left -= now;
        }
    }
    for _ in 0..left {
        repeat(usize::from(length), 0, 0);
    }
}

fn write_tokens(tokens: &[Token], codes: &Codes, sink: &mut BitSink) {
    let literal = codes.literal.codes();
    let distance = codes.distance.codes();
    // Lengths are few, so that their codes and what follows those are put together beforehand.
    let lengths = LENGTHS.map(|symbol| {
        let code = literal[FIRST_LENGTH_SYMBOL + usize::from(symbol.index)];
        let bits = u32::from(code.bits) | u32::from(symbol.extra) << code.length;
        (bits, u32::from(code.length + symbol.extra_bits))
    });
    sink.extend(tokens.iter().map(|token| {
        if !token.is_repeat() {
            let code = literal[token.byte()];
            return (u64::from(code.bits), u32::from(code.length));
        }
        let (length_bits, length_count) = lengths[token.extra_length()];
        let symbol = distance_symbol(token.extra_distance());
        let code = distance[usize::from(symbol.index)];
        let distance_bits = u64::from(code.bits) | u64::from(symbol.extra) << code.length;
        let distance_count = u32::from(code.length + symbol.extra_bits);
        (
            u64::from(length_bits) | distance_bits << length_count,
            length_count + distance_count,
        )
    }));
    let end = literal[END_OF_BLOCK];
    sink.put(u64::from(end.bits), u32::from(end.length));
}
