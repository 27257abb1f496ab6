//! The tokens of parsers that began at different places, put in a row: where it is certain that one parser
//! would have found the same.
//!
//! It does not know who runs the parsers, nor when.

use std::io::{self, Write};

use crate::block;
use crate::level::Effort;
use crate::sink::BitSink;
use crate::stretch::{Runner, View};
use crate::token::{BLOCK_TOKENS, Token};
use crate::window::HALF;

/// Puts tokens in a row, and writes them as blocks.
pub(crate) struct Joiner {
    /// The parser whose tokens are those of the stream.
    current: Runner,
    /// Parsers that are not needed any more.
    spare: Vec<Runner>,
    /// The tokens of the block so far.
    tokens: Vec<Token>,
    /// Where in the input the block starts.
    block_start: u64,
    /// Up to where in the input there are tokens.
    covered: u64,
    sink: BitSink,
}

impl Joiner {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            current: Runner::new(effort, 0),
            spare: Vec::new(),
            tokens: Vec::with_capacity(BLOCK_TOKENS),
            block_start: 0,
            covered: 0,
            sink: BitSink::new(),
        }
    }

    /// Returns a parser that is not needed any more.
    pub(crate) fn take_spare(&mut self) -> Option<Runner> {
        self.spare.pop()
    }

    /// Takes the tokens that `runners` have found, and those up to `until` behind them.
    pub(crate) fn join(
        &mut self,
        runners: impl Iterator<Item = Runner>,
        view: &View<'_>,
        until: u64,
        output: &mut impl Write,
    ) -> io::Result<()> {
        for runner in runners {
            self.meet(runner, view, output)?;
        }
        self.current.run(view, until);
        self.take_tokens(0, view, output)
    }

    /// Goes on with `runner` from where it meets the current parser, if it does.
    fn meet(&mut self, runner: Runner, view: &View<'_>, output: &mut impl Write) -> io::Result<()> {
        loop {
            if let Some(place) = runner.meeting(&self.current) {
                self.take_tokens(0, view, output)?;
                let before = std::mem::replace(&mut self.current, runner);
                self.spare.push(before);
                return self.take_tokens(place, view, output);
            }
            if self.current.is_finished() || self.current.origin() >= runner.origin() {
                self.spare.push(runner);
                return Ok(());
            }
            let next = self.current.origin() + HALF as u64;
            self.current.run(view, next);
        }
    }

    /// Takes the current parser's tokens after one of its moves.
    fn take_tokens(
        &mut self,
        first: usize,
        view: &View<'_>,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let Self {
            current,
            tokens: block,
            block_start,
            covered,
            sink,
            ..
        } = self;
        for (origin, mut tokens) in current.tokens_from(first) {
            while !tokens.is_empty() {
                let count = tokens.len().min(BLOCK_TOKENS - block.len());
                let (now, later) = tokens.split_at(count);
                block.extend_from_slice(now);
                *covered += now.iter().map(|token| token.length()).sum::<u64>();
                tokens = later;
                if block.len() == BLOCK_TOKENS {
                    let bytes =
                        (*block_start >= origin).then(|| view.range(*block_start, *covered));
                    block::write_block(block, bytes, sink);
                    sink.drain(output)?;
                    block.clear();
                    *block_start = *covered;
                }
            }
        }
        current.forget();
        if current.is_finished() && !block.is_empty() {
            let origin = current.origin();
            let bytes = (*block_start >= origin).then(|| view.range(*block_start, *covered));
            block::write_block(block, bytes, sink);
            block.clear();
        }
        Ok(())
    }

    /// Writes the end of the stream.
    pub(crate) fn finish(&mut self, output: &mut impl Write) -> io::Result<()> {
        block::write_end(&mut self.sink);
        self.sink.drain(output)
    }
}
