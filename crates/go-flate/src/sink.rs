//! Bits on their way out: packed low bit first into bytes, handed on block by block.
//!
//! Knows nothing of what the bits mean.

use std::io::{self, Write};

/// More than one block can need: 16385 tokens of at most 48 bits, and a header.
const CAPACITY: usize = 112 * 1024;

/// The most bits that can be put at a time.
const MOST_BITS: u32 = 56;

/// A buffer that takes bits and gives bytes.
pub(crate) struct BitSink {
    bytes: Box<[u8]>,
    filled: usize,
    /// Bits that do not make a byte yet, from the lowest up.
    held: u64,
    /// How many those are: fewer than 8 between calls.
    held_bits: u32,
}

impl BitSink {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; CAPACITY].into_boxed_slice(),
            filled: 0,
            held: 0,
            held_bits: 0,
        }
    }

    /// Appends the low `count` bits of `bits`, of which the others must be zero.
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.extend(std::iter::once((bits, count)));
    }

    /// Appends bits and their count, as [`BitSink::put`] takes them, again and again.
    #[inline]
    pub(crate) fn extend(&mut self, mut items: impl Iterator<Item = (u64, u32)>) {
        // Locals stay in registers; this is a hot loop.
        let (mut filled, mut held, mut held_bits) = (self.filled, self.held, self.held_bits);
        let mut put = |bits: u64, count: u32| {
            debug_assert!(count <= MOST_BITS && bits >> count == 0);
            held |= bits << held_bits;
            held_bits += count;
            self.bytes[filled..filled + 8].copy_from_slice(&held.to_le_bytes());
            filled += (held_bits / 8) as usize;
            // Fewer than 64 bits are held, so that at most 56 are whole bytes.
            held >>= held_bits & !7;
            held_bits &= 7;
        };
        while let Some((bits, count)) = items.next() {
            let Some((next_bits, next_count)) = items.next() else {
                put(bits, count);
                break;
            };
            // Two at a time are faster, and nearly always fit.
            if count + next_count <= MOST_BITS {
                put(bits | next_bits << count, count + next_count);
            } else {
                put(bits, count);
                put(next_bits, next_count);
            }
        }
        self.filled = filled;
        self.held = held;
        self.held_bits = held_bits;
    }

    /// Appends whole bytes; the last byte must be full.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.held_bits, 0);
        self.bytes[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Fills up the last byte with zero bits.
    pub(crate) fn align(&mut self) {
        if self.held_bits > 0 {
            self.put(0, 8 - self.held_bits);
        }
    }

    /// Hands on all whole bytes.
    pub(crate) fn drain(&mut self, output: &mut impl Write) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        output.write_all(&self.bytes[..filled])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_packed_from_the_lowest_up() {
        let mut sink = BitSink::new();
        sink.put(0b101, 3);
        sink.put(0b1_1111_0000, 9);
        sink.put(0, 0);
        sink.put(0x00ff_ffff_ffff_ffff, 56);
        sink.align();
        sink.align();
        sink.put_bytes(&[1, 2]);
        let mut bytes = Vec::new();
        sink.drain(&mut bytes).unwrap();
        assert_eq!(
            bytes,
            [0x85, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2]
        );
    }
}
