//! The blocks of a deflate stream: of which kind each is, how many symbols it has, and how many bytes it
//! stands for. Nothing is decompressed, so it needs no window and little memory.
//!
//! It knows RFC 1951. What a sequence of blocks says of its writer is known elsewhere.

/// A block that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Literals and matches, without the end of the block; 0 of a stored block.
    pub(crate) symbols: u32,
    /// How many bytes it stands for.
    pub(crate) bytes: u64,
}

/// How a block is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// What the beginning of a stream consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Blocks {
    /// The blocks that are there to their end.
    pub(crate) blocks: Vec<Block>,
    /// Whether the last of them is the stream's last.
    pub(crate) is_whole: bool,
}

impl Blocks {
    /// Reads the blocks of the first bytes of a stream, as far as these go. What is no block ends it as well.
    pub(crate) fn read(stream: &[u8]) -> Self {
        let mut bits = Bits {
            bytes: stream,
            position: 0,
        };
        let mut read = Self::default();
        while let Some((block, is_last)) = bits.block() {
            read.blocks.push(block);
            if is_last {
                read.is_whole = true;
                break;
            }
        }
        read
    }
}

/// The symbol that ends a block; those after it are lengths of matches.
const END: usize = 256;
/// The extra bits of the lengths' symbols.
const LENGTHS: [(u64, u32); 29] = {
    let mut lengths = [(0, 0); 29];
    let (mut at, mut next, mut extra) = (0, 3, 0);
    while at < 28 {
        // From the ninth on, there is one bit more with each four.
        if at >= 8 && at % 4 == 0 {
            extra += 1;
        }
        lengths[at] = (next, extra);
        next += 1 << extra;
        at += 1;
    }
    lengths[28] = (258, 0);
    lengths
};
/// The order in which the lengths of the code of lengths are written.
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
/// The longest code, in bits.
const LONGEST: usize = 15;

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for at in 0..count {
            let byte = *self.bytes.get(self.position / 8)?;
            value |= u32::from(byte >> (self.position % 8) & 1) << at;
            self.position += 1;
        }
        Some(value)
    }

    fn block(&mut self) -> Option<(Block, bool)> {
        let is_last = self.take(1)? == 1;
        let kind = match self.take(2)? {
            0 => Kind::Stored,
            1 => Kind::Fixed,
            2 => Kind::Dynamic,
            _ => return None,
        };
        let (symbols, bytes) = match kind {
            Kind::Stored => (0, self.stored()?),
            Kind::Fixed => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                self.symbols(&Code::new(&lengths), &Code::new(&[5; 30]))?
            }
            Kind::Dynamic => {
                let (literals, distances) = self.codes()?;
                self.symbols(&literals, &distances)?
            }
        };
        let block = Block {
            kind,
            symbols,
            bytes,
        };
        Some((block, is_last))
    }

    fn stored(&mut self) -> Option<u64> {
        self.position = self.position.next_multiple_of(8);
        let (length, inverse) = (self.take(16)?, self.take(16)?);
        if length != !inverse & 0xffff {
            return None;
        }
        self.position += 8 * length as usize;
        (self.position <= 8 * self.bytes.len()).then_some(u64::from(length))
    }

    fn codes(&mut self) -> Option<(Code, Code)> {
        let literals = self.take(5)? as usize + 257;
        let distances = self.take(5)? as usize + 1;
        let count = self.take(4)? as usize + 4;
        let mut lengths = [0; 19];
        for at in &ORDER[..count] {
            lengths[*at] = u8::try_from(self.take(3)?).ok()?;
        }
        let code = Code::new(&lengths);
        let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let (length, count) = match self.symbol(&code)? {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.extend(std::iter::repeat_n(length, count as usize));
        }
        let (literals, distances) = lengths.split_at(literals);
        Some((Code::new(literals), Code::new(distances)))
    }

    fn symbols(&mut self, literals: &Code, distances: &Code) -> Option<(u32, u64)> {
        let (mut symbols, mut bytes) = (0, 0);
        loop {
            let symbol = self.symbol(literals)?;
            if symbol == END {
                return Some((symbols, bytes));
            }
            symbols += 1;
            if symbol < END {
                bytes += 1;
                continue;
            }
            let (length, extra) = *LENGTHS.get(symbol - END - 1)?;
            bytes += length + u64::from(self.take(extra)?);
            let distance = u32::try_from(self.symbol(distances)?).ok()?;
            if distance >= 30 {
                return None;
            }
            self.take((distance / 2).saturating_sub(1))?;
        }
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut first, mut index, mut value) = (0, 0, 0);
        for count in &code.counts[1..] {
            value |= self.take(1)?;
            let count = u32::from(*count);
            if value < first + count {
                return code.symbols.get((index + value - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }
}

/// A Huffman code: how many codes there are of each length, and the symbols in the order of the codes.
struct Code {
    counts: [u16; LONGEST + 1],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; LONGEST + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[usize::from(*length).min(LONGEST)] += 1;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] > 0).collect();
        symbols.sort_by_key(|at| lengths[*at]);
        Self { counts, symbols }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflated(content: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes of which some repeat and some do not.
    fn content(size: u32) -> Vec<u8> {
        let byte = |at: u32| (at.wrapping_mul(at / 7 + 3) >> 5).to_le_bytes()[0] % 40;
        (0..size).map(byte).collect()
    }

    #[test]
    fn blocks_stand_for_what_was_compressed() {
        for level in [0, 1, 6, 9] {
            for size in [0, 1, 1000, 100_000] {
                let stream = deflated(&content(size), level);
                let read = Blocks::read(&stream);
                assert!(read.is_whole, "level {level}, {size} bytes");
                let bytes: u64 = read.blocks.iter().map(|block| block.bytes).sum();
                assert_eq!(bytes, u64::from(size), "level {level}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_not_whole() {
        let stream = deflated(&content(100_000), 6);
        let whole = Blocks::read(&stream);
        for cut in [0, 1, 100, stream.len() / 2, stream.len() - 1] {
            let read = Blocks::read(&stream[..cut]);
            assert!(!read.is_whole, "{cut}");
            assert_eq!(read.blocks, whole.blocks[..read.blocks.len()]);
        }
    }

    #[test]
    fn damaged_streams_end_somewhere() {
        let stream = deflated(&content(20_000), 6);
        for at in (0..stream.len()).step_by(97) {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x55;
            let read = Blocks::read(&damaged);
            assert!(read.blocks.len() <= 8 * stream.len());
        }
    }
}
