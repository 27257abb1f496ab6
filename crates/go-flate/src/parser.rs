//! From bytes to tokens: at each byte, whether to take a match, or to see whether the next byte
//! starts a longer one.
//!
//! Knows the window, the chains and tokens; knows nothing of Huffman codes or of output.

use crate::chains::{Chains, Found, TOO_SHORT};
use crate::token::{BLOCK_TOKENS, Token};
use crate::window::{HALF, LOOKAHEAD, ORIGIN, SHIFT_FROM, Window};

/// With a match of this length in hand, the next byte is not tried.
const GOOD_ENOUGH: usize = 16;
/// How many bytes a position needs to be entered into the chains.
const HASHED: usize = 4;

const NO_MATCH: Found = Found {
    length: TOO_SHORT,
    distance: 0,
};

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

/// The state of the parse between two bytes.
pub(crate) struct Parser {
    window: Window,
    chains: Chains,
    tokens: Vec<Token>,
    /// Where the bytes of `tokens` start, unless the window has dropped that place.
    block_start: Option<usize>,
    /// The next byte to look at.
    position: usize,
    /// The match that starts at the byte before `position`.
    held: Found,
    /// Whether the byte before `position` is not covered by a token yet.
    byte_held: bool,
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self {
            window: Window::new(),
            chains: Chains::new(),
            tokens: Vec::with_capacity(BLOCK_TOKENS),
            block_start: Some(ORIGIN),
            position: ORIGIN,
            held: NO_MATCH,
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

    /// Drops the older half of the window, if it is not looked at any more.
    ///
    /// When that happens decides what the bytes around it can be matched with.
    pub(crate) fn make_room(&mut self) {
        if self.position < SHIFT_FROM {
            return;
        }
        self.window.shift();
        self.chains.shift();
        self.position -= HALF;
        self.block_start = self
            .block_start
            .and_then(|start| start.checked_sub(HALF))
            .filter(|&start| start >= ORIGIN);
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
    pub(crate) fn advance(&mut self, input: Input) -> Pause {
        let end = self.window.end();
        loop {
            let known = end - self.position;
            match input {
                Input::Open if known < LOOKAHEAD => return Pause::InputUsed,
                Input::Ended if known == 0 => return self.end_input(),
                Input::Open | Input::Ended => {}
            }
            let held = std::mem::replace(&mut self.held, NO_MATCH);
            let candidate = self.enter(self.position, end);
            if held.length < GOOD_ENOUGH && known > held.length {
                let found = self.chains.longest_match(
                    self.window.bytes(),
                    in_16_bits(self.position),
                    candidate,
                    held.length,
                    known,
                );
                self.held = found.unwrap_or(NO_MATCH);
            }
            if held.distance > 0 && self.held.distance == 0 {
                self.take(held, end);
            } else {
                if self.byte_held {
                    self.take_byte();
                }
                self.position += 1;
                self.byte_held = true;
            }
            if self.tokens.len() == BLOCK_TOKENS {
                return Pause::BlockFull;
            }
        }
    }

    /// Takes the match that starts at the byte before the position.
    fn take(&mut self, found: Found, end: usize) {
        self.tokens
            .push(Token::repeat(found.length, found.distance));
        let next = self.position + found.length - 1;
        for position in self.position + 1..next {
            self.enter(position, end);
        }
        self.position = next;
        self.byte_held = false;
    }

    /// Takes the byte before the position as a literal.
    fn take_byte(&mut self) {
        let bytes = self.window.bytes();
        self.tokens.push(Token::literal(bytes[self.position - 1]));
    }

    /// Enters a position into the chains, if enough bytes follow it.
    #[inline]
    fn enter(&mut self, position: usize, end: usize) -> u16 {
        if position + HASHED > end {
            return 0;
        }
        self.chains.enter(self.window.bytes(), in_16_bits(position))
    }

    fn end_input(&mut self) -> Pause {
        if std::mem::take(&mut self.byte_held) {
            self.take_byte();
        }
        Pause::InputUsed
    }
}

/// Returns a position that is entered or looked at, as chains keep it.
#[inline]
fn in_16_bits(position: usize) -> u16 {
    u16::try_from(position).expect("four bytes follow within the window")
}
