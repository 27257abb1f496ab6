//! A stretch of the input, parsed by a parser of its own: whether that came to the same as the
//! parser of the stretch before would have, is found out where both have moved their windows on.
//!
//! Knows windows and tokens; knows nothing of blocks or of threads.

use crate::level::Effort;
use crate::parser::{Input, Parser, Pause, State};
use crate::token::Token;
use crate::window::HALF;

/// A part of the input.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// Where in the input it starts.
    pub(crate) start: u64,
    pub(crate) bytes: &'a [u8],
    /// Where in the input Go's writes ended, in order.
    pub(crate) ends: &'a [u64],
    /// Whether the input ends with it.
    pub(crate) is_last: bool,
}

impl View<'_> {
    /// Returns where in the input it ends.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Returns the bytes between two places in the input.
    pub(crate) fn range(&self, from: u64, to: u64) -> &[u8] {
        &self.bytes[self.offset(from)..self.offset(to)]
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is less than the length of a slice"
    )]
    fn offset(&self, place: u64) -> usize {
        (place - self.start) as usize
    }
}

/// The moment at which a window had just moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// Where in the input the window starts now.
    pub(crate) origin: u64,
    /// All that decides, with the input, about the tokens to come.
    pub(crate) state: State,
    /// How many tokens there were before.
    pub(crate) tokens: usize,
}

/// A parser on its way through the input.
pub(crate) struct Runner {
    parser: Parser,
    /// Where in the input its window starts.
    origin: u64,
    /// Where in the input the next byte comes from that it has not been given.
    fed: u64,
    /// The last end of a write that it has seen.
    seen_end: Option<u64>,
    is_finished: bool,
    tokens: Vec<Token>,
    moves: Vec<Move>,
}

impl Runner {
    pub(crate) fn new(effort: Effort, start: u64) -> Self {
        let mut runner = Self {
            parser: Parser::new(effort),
            origin: start,
            fed: start,
            seen_end: None,
            is_finished: false,
            tokens: Vec::new(),
            moves: Vec::new(),
        };
        runner.note_move();
        runner
    }

    /// Makes it as good as new; only its memory is kept.
    pub(crate) fn restart(&mut self, start: u64) {
        self.parser.restart();
        (self.origin, self.fed) = (start, start);
        (self.seen_end, self.is_finished) = (None, false);
        self.tokens.clear();
        self.moves.clear();
        self.note_move();
    }

    /// Returns where in the input its window starts.
    pub(crate) fn origin(&self) -> u64 {
        self.origin
    }

    /// Tells whether it has come to the end of the input.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Parses until the window has just moved to `until`, or to the end of what is given.
    pub(crate) fn run(&mut self, view: &View<'_>, until: u64) {
        let mut ends = view.ends;
        while self.origin < until && self.fed < view.end() {
            ends = &ends[ends.partition_point(|&end| end < self.fed)..];
            if ends.first() == Some(&self.fed) && self.seen_end != Some(self.fed) {
                self.seen_end = Some(self.fed);
                self.parse_and_move();
            } else if self.parser.is_full() {
                self.parse_and_move();
            } else {
                let next = ends.iter().copied().find(|&end| end > self.fed);
                let stop = next.unwrap_or(u64::MAX).min(view.end());
                self.fed += self.parser.fill(view.range(self.fed, stop)) as u64;
            }
        }
        if view.is_last && self.fed == view.end() && self.origin < until && !self.is_finished {
            self.parse(Input::Ended);
            self.is_finished = true;
        }
    }

    /// Finds the move after which this parser goes on as `other` does, which has just moved too.
    pub(crate) fn meeting(&self, other: &Self) -> Option<usize> {
        let state = other.parser.state();
        let same = |met: &Move| met.origin == other.origin && met.state == state;
        self.moves.iter().position(same)
    }

    /// Returns the tokens after one of its moves, parted at the moves: each part with where in the
    /// input the window starts.
    pub(crate) fn tokens_from(&self, first: usize) -> impl Iterator<Item = (u64, &[Token])> {
        let moves = &self.moves[first..];
        let ends = moves.iter().skip(1).map(|next| next.tokens);
        let ends = ends.chain(std::iter::once(self.tokens.len()));
        moves
            .iter()
            .zip(ends)
            .map(|(from, to)| (from.origin, &self.tokens[from.tokens..to]))
    }

    /// Forgets all tokens and moves but the last move.
    pub(crate) fn forget(&mut self) {
        self.tokens.clear();
        if let Some(last) = self.moves.pop() {
            self.moves.clear();
            self.moves.push(Move { tokens: 0, ..last });
        }
    }

    fn parse(&mut self, input: Input) {
        loop {
            let pause = self.parser.advance(input);
            self.tokens.extend_from_slice(self.parser.tokens());
            self.parser.start_block();
            if pause == Pause::InputUsed {
                return;
            }
        }
    }

    fn parse_and_move(&mut self) {
        self.parse(Input::Open);
        if self.parser.make_room() {
            self.origin += HALF as u64;
            self.note_move();
        }
    }

    fn note_move(&mut self) {
        self.moves.push(Move {
            origin: self.origin,
            state: self.parser.state(),
            tokens: self.tokens.len(),
        });
    }
}
