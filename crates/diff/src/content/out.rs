//! What is said of two contents that differ, and how much of it. It does not know what they are.

use documents::{DiffCause, DiffContent, DiffContentKind, DiffContentPart, DiffEvidence};

use crate::cause;
use crate::findings::Findings;

/// How many parts and lines are kept.
const PARTS: usize = 40;
const LINES: usize = 40;
/// How many causes are kept.
const CAUSES: usize = 100;
/// How many lists of lines or texts are compared, and in how many pairs of texts causes are looked for: what takes
/// long has an end, whatever is in a file.
const LISTS: usize = 64;
const PAIRS: usize = 2_000;
/// How much is unpacked of archives in archives, for each byte that a file may have.
const UNPACKED: u64 = 4;
/// How long a text is that is kept, in characters.
const LONGEST: usize = 240;

/// What is known so far, and what may still be done.
pub(crate) struct Out {
    lists: usize,
    pairs: usize,
    room: u64,
    parts: Vec<DiffContentPart>,
    /// How many parts more there are.
    further: usize,
    lines: Vec<String>,
    causes: Vec<(DiffCause, String, String, String)>,
    /// Whether a limit kept something from being looked into.
    is_cut: bool,
    /// The archives that it is in.
    within: Vec<String>,
}

/// What is known of two contents.
pub(crate) struct Looked {
    content: DiffContent,
    causes: Vec<(DiffCause, String, String, String)>,
    is_cut: bool,
}

impl Looked {
    /// Takes what another program says of it.
    pub(crate) fn said(&mut self, text: String) {
        self.content.diffoscope = Some(text);
    }

    /// Gives what shows a cause to the findings of the file in `place`, says there if not all of it was looked into, and
    /// returns the rest.
    pub(crate) fn finish(self, place: &str, findings: &mut Findings) -> DiffContent {
        if self.is_cut {
            findings.note(format!("{place}: not all of it was looked into"));
        }
        for (cause, part, left, right) in self.causes {
            let place = match part.as_str() {
                "" => place.to_owned(),
                part => format!("{place}: {part}"),
            };
            findings.cause(cause, DiffEvidence { place, left, right });
        }
        self.content
    }
}

impl Out {
    /// Begins with nothing; a file may have `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            lists: LISTS,
            pairs: PAIRS,
            room: limit.saturating_mul(UNPACKED),
            parts: Vec::new(),
            further: 0,
            lines: Vec::new(),
            causes: Vec::new(),
            is_cut: false,
            within: Vec::new(),
        }
    }

    /// Returns how much more may be unpacked, in bytes.
    pub(super) fn room(&self) -> u64 {
        self.room
    }

    /// Takes note of what was unpacked.
    pub(super) fn unpacked(&mut self, bytes: u64) {
        self.room = self.room.saturating_sub(bytes);
    }

    /// Takes note that something is not looked into.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Tells whether two more lists may be compared, and counts them.
    pub(super) fn may_compare(&mut self) -> bool {
        let may = self.lists > 0;
        self.lists = self.lists.saturating_sub(1);
        self.is_cut |= !may;
        may
    }

    /// Begins to say something of what is in an archive.
    pub(super) fn enter(&mut self, name: &str) {
        self.within.push(shortened(name));
    }

    pub(super) fn leave(&mut self) {
        self.within.pop();
    }

    fn place(&self, part: &str) -> String {
        let mut place = self.within.join(": ");
        if !(place.is_empty() || part.is_empty()) {
            place.push_str(": ");
        }
        place + &shortened(part)
    }

    /// Says that a part differs.
    pub(super) fn part(&mut self, part: &str, left: Option<String>, right: Option<String>) {
        if self.parts.len() >= PARTS {
            self.further += 1;
            return;
        }
        let place = self.place(part);
        self.parts.push(DiffContentPart {
            place,
            left: left.map(|text| shortened(&text)),
            right: right.map(|text| shortened(&text)),
        });
    }

    /// Tells whether there is room for more lines.
    pub(super) fn has_room(&self) -> bool {
        self.lines.len() < LINES
    }

    /// Shows a line.
    pub(super) fn line(&mut self, text: &str) {
        if self.has_room() {
            self.lines.push(shortened(text));
        }
    }

    /// Says that something shows a cause.
    pub(super) fn cause(&mut self, cause: DiffCause, part: &str, left: &str, right: &str) {
        if self.causes.len() < CAUSES {
            let place = self.place(part);
            self.causes
                .push((cause, place, shortened(left), shortened(right)));
        } else {
            self.cut();
        }
    }

    /// Looks for causes in two texts that stand in each other's place.
    pub(super) fn texts(&mut self, part: &str, left: &str, right: &str) {
        if self.pairs == 0 {
            self.cut();
            return;
        }
        self.pairs -= 1;
        cause::find(left, right, &mut |cause, left, right| {
            self.cause(cause, part, left, right);
        });
    }

    pub(super) fn finish(
        self,
        kind: DiffContentKind,
        first_byte: u64,
        differing_bytes: u64,
    ) -> Looked {
        let mut parts = self.parts;
        if self.further > 0 {
            parts.push(DiffContentPart {
                place: format!("and {} more", self.further),
                left: None,
                right: None,
            });
        }
        Looked {
            content: DiffContent {
                kind,
                first_byte,
                differing_bytes,
                parts,
                lines: self.lines,
                diffoscope: None,
            },
            causes: self.causes,
            is_cut: self.is_cut,
        }
    }
}

/// Returns a text as far as it is kept, on one line.
fn shortened(text: &str) -> String {
    let text = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    };
    printable::line(&text).into_owned()
}
