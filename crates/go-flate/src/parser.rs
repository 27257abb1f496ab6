//! From bytes to tokens: at each byte, whether to take a match, or to see whether the next byte
//! starts a longer one.
//!
//! Knows the window, the chains and tokens; knows nothing of Huffman codes or of output.

use crate::chains::{Chains, oldest};
use crate::level::Effort;
use crate::search::{Match, Search};
use crate::token::{BLOCK_TOKENS, Token};
use crate::window::{Bytes, HALF, LONGEST_MATCH, LOOKAHEAD, ORIGIN, SHIFT_FROM, Window};

/// Why the parser returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The block has all its tokens and must be written.
    BlockFull,
    /// All input that may be looked at has been.
    InputUsed,
}

/// Whether more input may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// More may come, so a byte waits until enough of what follows is known.
    Open,
    /// Nothing more comes, so that everything is to be used.
    Ended,
}

/// Where a parse is, beside the window and its chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    position: usize,
    end: usize,
    held: Option<Match>,
    byte_held: bool,
}

/// The state of the parse between two bytes.
pub(crate) struct Parser {
    window: Window,
    chains: Chains,
    effort: Effort,
    tokens: Vec<Token>,
    /// Where the bytes of `tokens` start, unless the window has dropped that place.
    block_start: Option<usize>,
    /// The next byte to look at.
    position: usize,
    /// The match that starts at the byte before `position`.
    held: Option<Match>,
    /// Whether the byte before `position` is not covered by a token yet.
    byte_held: bool,
}

impl Parser {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            window: Window::new(),
            chains: Chains::new(),
            effort,
            tokens: Vec::with_capacity(BLOCK_TOKENS),
            block_start: Some(ORIGIN),
            position: ORIGIN,
            held: None,
            byte_held: false,
        }
    }

    /// Takes as many bytes as the window has room for and returns how many those were.
    pub(crate) fn fill(&mut self, data: &[u8]) -> usize {
        self.window.fill(data)
    }

    /// Tells whether the window has no room; parsing and [`Parser::make_room`] give it some.
    pub(crate) fn is_full(&self) -> bool {
        self.window.is_full()
    }

    /// Drops the older half of the window, if it is not looked at any more. Tells whether it did.
    ///
    /// When that happens decides what the bytes around it can be matched with.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.position < SHIFT_FROM {
            return false;
        }
        self.window.shift();
        self.chains.shift();
        self.position -= HALF;
        self.block_start = self
            .block_start
            .and_then(|start| start.checked_sub(HALF))
            .filter(|&start| start >= ORIGIN);
        true
    }

    /// Returns all that decides about the tokens to come, beside the window and its chains.
    ///
    /// Every position is entered into the chains, whether or not a match covers it. So where two
    /// windows start at the same place of the same input, and either has just moved there or all
    /// that it was given starts there, the chains of what is looked at are equal too.
    pub(crate) fn state(&self) -> State {
        State {
            position: self.position,
            end: self.window.end(),
            held: self.held,
            byte_held: self.byte_held,
        }
    }

    /// Makes it as good as new.
    pub(crate) fn restart(&mut self) {
        self.window.clear();
        self.chains.clear();
        self.tokens.clear();
        self.block_start = Some(ORIGIN);
        self.position = ORIGIN;
        (self.held, self.byte_held) = (None, false);
    }

    /// Returns the tokens of the block so far.
    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Returns the bytes that the block's tokens stand for, unless they were dropped.
    pub(crate) fn block_bytes(&self) -> Option<&[u8]> {
        let end = self.position - usize::from(self.byte_held);
        self.block_start.map(|start| self.window.range(start, end))
    }

    /// Starts the next block.
    pub(crate) fn start_block(&mut self) {
        self.tokens.clear();
        self.block_start = Some(self.position - usize::from(self.byte_held));
    }

    /// Turns bytes into tokens until the block is full or there is nothing to look at.
    ///
    /// The tokens of a full block must be taken, and [`Parser::start_block`] called, before the
    /// next call.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions that four bytes follow fit"
    )]
    pub(crate) fn advance(&mut self, input: Input) -> Pause {
        self.chains.enter(self.window.bytes(), self.window.end());
        let Self {
            window,
            chains,
            tokens,
            effort,
            ..
        } = self;
        let effort = *effort;
        let (bytes, end) = (window.bytes(), window.end());
        let stop = match input {
            Input::Open => (end + 1).saturating_sub(LOOKAHEAD),
            Input::Ended => end,
        };
        let search = Search {
            chains,
            bytes,
            effort,
        };
        let entered = chains.entered();
        // Locals stay in registers; this is a hot loop.
        let (mut position, mut held) = (self.position, self.held);
        let mut byte_held = self.byte_held;
        let mut quiet = Quiet::default();
        while position < stop && tokens.len() < BLOCK_TOKENS {
            if quiet.is_long() && position + Quiet::AHEAD <= entered {
                let room = (BLOCK_TOKENS - tokens.len()).min(stop - position);
                let count = quiet.count(chains, bytes, position).min(room);
                if count > 0 {
                    debug_assert!(byte_held && held.is_none(), "it was quiet for a while");
                    let literals = &bytes[position - 1..position - 1 + count];
                    tokens.extend(literals.iter().map(|&byte| Token::literal(byte)));
                    position += count;
                    continue;
                }
            }
            let mut found = None;
            if position < entered {
                let most = (end - position).min(LONGEST_MATCH) as u16;
                let position = position as u16;
                match held {
                    None => {
                        let first = chains.before(position);
                        if first >= oldest(position) {
                            found = search.longest_match(position, most, first);
                        }
                    }
                    Some(Match { length, .. }) if length < effort.good_enough.min(most) => {
                        found = search.longer_match(position, most, length);
                    }
                    Some(_) => {}
                }
            }
            if let (Some(Match { length, distance }), None) = (held, found) {
                tokens.push(Token::repeat(length, distance.get()));
                position += usize::from(length) - 1;
                byte_held = false;
            } else {
                if byte_held {
                    tokens.push(Token::literal(bytes[position - 1]));
                }
                position += 1;
                byte_held = true;
            }
            quiet.note(found.is_some());
            held = found;
        }
        (self.position, self.held, self.byte_held) = (position, held, byte_held);
        if self.tokens.len() == BLOCK_TOKENS {
            return Pause::BlockFull;
        }
        if input == Input::Ended && self.byte_held {
            self.byte_held = false;
            self.tokens
                .push(Token::literal(self.window.bytes()[self.position - 1]));
        }
        Pause::InputUsed
    }
}

/// Looks ahead where no match was found for a while: input that is compressed already.
///
/// There, searches are few, and short, but when there will be one cannot be foreseen by the
/// processor. So whether there will be is found out for many positions without a branch.
#[derive(Default)]
struct Quiet {
    /// At how many positions in a row there was no match.
    length: u32,
    /// A bit for each position before `until`, which is zero if it has no match.
    candidates: u64,
    until: usize,
}

impl Quiet {
    /// After how many positions it is worth a look ahead.
    const LONG: u32 = 16;
    /// How far it looks.
    const AHEAD: usize = u64::BITS as usize;

    #[inline]
    fn note(&mut self, is_match: bool) {
        self.length = if is_match { 0 } else { self.length + 1 };
    }

    #[inline]
    fn is_long(&self) -> bool {
        self.length >= Self::LONG
    }

    /// Returns how many positions have no match, of this one and those that follow.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions that four bytes follow fit"
    )]
    #[inline]
    fn count(&mut self, chains: &Chains, bytes: &Bytes, position: usize) -> usize {
        if position >= self.until {
            self.until = position + Self::AHEAD;
            self.candidates = chains.may_match(bytes, position as u16);
        }
        let left = self.until - position;
        let count = (self.candidates >> (Self::AHEAD - left)).trailing_zeros() as usize;
        count.min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU16;

    use crate::level::Level;

    const NINE: NonZeroU16 = NonZeroU16::new(9).unwrap();

    #[test]
    fn parses_that_differ_in_anything_are_not_at_the_same_place() {
        let parser = || {
            let mut parser = Parser::new(Level::DEFAULT.effort());
            parser.fill(&[7; 1000]);
            parser.advance(Input::Open);
            parser
        };
        let state = parser().state();
        assert_eq!(state, parser().state());
        let changed = |change: fn(&mut Parser)| {
            let mut parser = parser();
            change(&mut parser);
            parser.state()
        };
        let held = Match {
            length: 9,
            distance: NINE,
        };
        assert_ne!(parser().held, Some(held));
        for other in [
            changed(|parser| parser.position += 1),
            changed(|parser| parser.byte_held = !parser.byte_held),
            changed(|parser| {
                parser.held = Some(Match {
                    length: 9,
                    distance: NINE,
                });
            }),
            changed(|parser| {
                parser.fill(&[7]);
            }),
        ] {
            assert_ne!(state, other);
        }
    }
}
