//! One input: a Containerfile, its context, and what a command line says beside them.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use camino::Utf8Path;

use crate::files::{self, Entry};

/// The images that a Containerfile may begin with, by the names that they have there.
pub const BASES: [&str; 4] = ["busybox", "base", "configured", "triggers"];
/// The directory of an input with its context.
pub const CONTEXT: &str = "ctx";
/// The directory of an input with a context of its own, and the name of that context.
pub const OTHER: &str = "other";

/// The file of an input with what a command line says beside it, one word a line.
const ARGUMENTS: &str = "args";
/// The Containerfile, in the context.
const CONTAINERFILE: &str = "Containerfile";

/// An input for a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The seed that it is made from.
    pub seed: u64,
    /// The tags of the rules that it is made by.
    pub tags: BTreeSet<String>,
    /// The Containerfile: its instructions, and comments and directives between them. Each has one or more lines.
    pub instructions: Vec<String>,
    /// The files of the context, in an order in which they can be made.
    pub files: Vec<Entry>,
    /// The files of the context `other`.
    pub other: Vec<Entry>,
    /// The build arguments.
    pub arguments: Vec<(String, String)>,
    /// The stage to build, unless it is the last.
    pub target: Option<String>,
}

impl Input {
    /// Returns the text of its Containerfile.
    pub fn containerfile(&self) -> String {
        let mut text = self.instructions.join("\n");
        text.push('\n');
        text
    }

    /// Tells whether it has a stage. A `BuildKit` before 0.14 ends where there is none, and its daemon with it.
    pub fn has_stage(&self) -> bool {
        let text = self.containerfile();
        let mut lines = text.lines();
        lines.any(|line| {
            line.get(..5)
                .is_some_and(|word| word.eq_ignore_ascii_case("from "))
        })
    }

    /// Returns the words of a command line that belong to it.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (name, value) in &self.arguments {
            words.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
        }
        if let Some(target) = &self.target {
            words.extend(["--target".to_owned(), target.clone()]);
        }
        words
    }

    /// Writes it into a directory: `ctx/` with its Containerfile, `other/` if it has one, and `args`.
    pub fn write(&self, directory: &Utf8Path) -> io::Result<()> {
        let context = directory.join(CONTEXT);
        files::write_all(&self.files, &context)?;
        fs::write(context.join(CONTAINERFILE), self.containerfile())?;
        if !self.other.is_empty() {
            files::write_all(&self.other, &directory.join(OTHER))?;
        }
        let words = self.words();
        if !words.is_empty() {
            fs::write(directory.join(ARGUMENTS), words.join("\n") + "\n")?;
        }
        Ok(())
    }
}
