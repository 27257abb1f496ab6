//! The stream: input into the parser, full blocks out of it, the end.
//!
//! Knows when each part has its turn; the parts know the format.

use std::io::{self, Write};

use crate::block;
use crate::level::Level;
use crate::parser::{Input, Parser, Pause};
use crate::sink::BitSink;

/// Input in, deflate out.
pub(crate) struct Compressor {
    parser: Parser,
    sink: BitSink,
    /// Whether a write of Go's ended where the input now ends.
    write_ended: bool,
}

impl Compressor {
    pub(crate) fn new(level: Level) -> Self {
        Self {
            parser: Parser::new(level.effort()),
            sink: BitSink::new(),
            write_ended: false,
        }
    }

    /// Compresses `data`, and hands on the blocks that it fills.
    pub(crate) fn write(&mut self, mut data: &[u8], output: &mut impl Write) -> io::Result<()> {
        if self.write_ended && !data.is_empty() {
            self.write_ended = false;
            self.parse(Input::Open, output)?;
            self.parser.make_room();
        }
        while !data.is_empty() {
            if self.parser.is_full() {
                self.parse(Input::Open, output)?;
                self.parser.make_room();
            }
            let taken = self.parser.fill(data);
            data = &data[taken..];
        }
        Ok(())
    }

    /// Notes that a write ends here; see [`crate::DeflateEncoder::end_write`].
    pub(crate) fn end_write(&mut self) {
        self.write_ended = true;
    }

    /// Compresses what is left, and hands on the end of the stream.
    pub(crate) fn finish(&mut self, output: &mut impl Write) -> io::Result<()> {
        self.parse(Input::Ended, output)?;
        if !self.parser.tokens().is_empty() {
            self.write_block(output)?;
        }
        block::write_end(&mut self.sink);
        self.sink.drain(output)
    }

    fn parse(&mut self, input: Input, output: &mut impl Write) -> io::Result<()> {
        while self.parser.advance(input) == Pause::BlockFull {
            self.write_block(output)?;
        }
        Ok(())
    }

    fn write_block(&mut self, output: &mut impl Write) -> io::Result<()> {
        block::write_block(
            self.parser.tokens(),
            self.parser.block_bytes(),
            &mut self.sink,
        );
        self.parser.start_block();
        self.sink.drain(output)
    }
}
