//! Says what happens: one message to a line on standard output.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use backend_api::StepId;

use crate::job::{Failure, Message};

/// Says what happens.
#[derive(Debug)]
pub(crate) struct Report {
    output: Mutex<std::io::Stdout>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            output: Mutex::new(std::io::stdout()),
        }
    }

    pub(crate) fn say(&self, mut message: Message) {
        if let Message::Notice { message } | Message::Failed(Failure { message, .. }) = &mut message
        {
            shorten(message);
        }
        self.write(encode(&message));
    }

    fn write(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever does not listen any more is about to end this process.
        let _ = output.write_all(&line).and_then(|()| output.flush());
    }

    /// Says a line of output: in pieces, where it is longer than what reads this takes for a line.
    pub(crate) fn line(&self, step: Option<StepId>, line: impl Into<String>) {
        let line = line.into();
        for piece in pieces(&line) {
            let line = piece.to_owned();
            self.write(encode(&Message::Output { step, line }));
        }
    }
}

fn encode(message: &Message) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// How much of a line there may be beside its text.
const FRAME: usize = 128;

/// Cuts a text into pieces that are short enough as JSON.
fn pieces(text: &str) -> Vec<&str> {
    let encoded = serde_json::to_vec(text).unwrap_or_default().len();
    if encoded + FRAME < process::LONGEST_LINE {
        return vec![text];
    }
    let (one, other) = text.split_at(boundary(text, text.len() / 2));
    [pieces(one), pieces(other)].concat()
}

/// Returns where a text can be cut, at most so far.
fn boundary(text: &str, at: usize) -> usize {
    let mut places = (0..=at).rev();
    places.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Leaves out the middle of a message that would be longer than what reads this takes for a line: in JSON
/// a byte may take six.
fn shorten(message: &mut String) {
    const MOST: usize = 2000;
    if message.len() <= MOST {
        return;
    }
    let begins = boundary(message, MOST / 2);
    let ends = boundary(message, message.len() - MOST / 2);
    message.replace_range(begins..ends, "...");
}

/// Shortens a text that a message only mentions.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    if text.len() <= MOST {
        return text.to_owned();
    }
    format!("{}...", &text[..boundary(text, MOST)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_comes_in_pieces_that_are_read_whole() {
        for text in [
            "a".repeat(100_000),
            "\u{1}".repeat(20_000),
            "\u{fffd}".repeat(9_999),
        ] {
            let pieces = pieces(&text);
            assert_eq!(pieces.concat(), text);
            for line in pieces {
                let (step, line) = (None, line.to_owned());
                let encoded = encode(&Message::Output { step, line });
                assert!(encoded.len() < process::LONGEST_LINE);
            }
        }
    }

    #[test]
    fn a_long_message_is_one_line_with_its_beginning_and_its_end() {
        for text in ["\u{1}".repeat(100_000), "\u{fffd}".repeat(50_000)] {
            let mut message = format!("begins{text}ends");
            shorten(&mut message);
            assert!(message.starts_with("begins") && message.ends_with("ends"));
            let encoded = encode(&Message::Notice { message });
            assert!(encoded.len() < process::LONGEST_LINE);
        }
    }

    #[test]
    fn what_is_mentioned_is_short() {
        assert_eq!(shortened("make"), "make");
        assert_eq!(shortened(&"\u{fffd}".repeat(1_000)).len(), 498 + 3);
    }
}
