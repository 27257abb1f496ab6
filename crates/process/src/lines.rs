//! Cuts a stream of bytes into lines, with a limit to the length of each. Knows nothing of
//! where the bytes come from.

/// The longest line that is handed on whole; a longer one is handed on in pieces.
pub const LONGEST_LINE: usize = 16 * 1024;

/// Cuts bytes into lines. Both newline and carriage return (progress bars) end a line; empty
/// lines made by `\r\n` are not reported twice.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    after_return: bool,
}

impl Lines {
    /// Takes more bytes, and hands on each line that is complete. Bytes that are not UTF-8
    /// become U+FFFD.
    pub fn push(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.flush(line);
                    self.after_return = byte == b'\r';
                }
                _ => {
                    self.after_return = false;
                    self.pending.push(byte);
                    if self.pending.len() >= LONGEST_LINE {
                        self.flush(line);
                    }
                }
            }
        }
    }

    /// Hands on what came after the last newline, if anything did.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.pending.is_empty() {
            self.flush(line);
        }
    }

    fn flush(&mut self, line: &mut dyn FnMut(&str)) {
        line(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, &mut |line| found.push(line.to_owned()));
        }
        lines.finish(&mut |line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        assert_eq!(cut(&[b"one\ntwo\r\nthree"]), ["one", "two", "three"]);
        assert_eq!(
            cut(&[b"on", b"e\nt", b"wo\r", b"\nthr", b"ee"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn empty_lines_stay() {
        assert_eq!(cut(&[b"a\n\nb\n"]), ["a", "", "b"]);
    }

    #[test]
    fn endless_lines_come_in_pieces() {
        let found = cut(&[&vec![b'x'; LONGEST_LINE * 2 + 1]]);
        assert_eq!(
            found.iter().map(String::len).collect::<Vec<_>>(),
            [LONGEST_LINE, LONGEST_LINE, 1]
        );
    }
}
