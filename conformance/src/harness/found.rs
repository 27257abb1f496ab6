//! What a run of the harness came to, as data, and what differed as directories.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use generate::Input;

use super::bases::Base;
use super::laid::Laid;
use super::outcome::Difference;
use super::side::Side;
use crate::contrast::Contrast;
use crate::results::ColumnFacts;

/// What a finding's directory has beside its input.
const NOTE: &str = "finding.txt";
/// The input as it was before it was made small.
const ORIGINAL: &str = "original";
/// How long the name of a finding's directory may be, without its seed.
const NAME: usize = 40;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The first seed.
    pub seed: u64,
    /// The columns, also those that are not here.
    pub columns: Vec<ColumnFacts>,
    /// How many inputs were tried.
    pub tried: u64,
    /// What came of them, for each two sides that were compared.
    pub tallies: Vec<Tally>,
    /// Why inputs were refused, or could not be compared, or were not to be equal.
    pub reasons: Vec<Reason>,
    /// What differs.
    pub findings: Vec<Finding>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
}

/// How often two sides agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The column.
    pub column: String,
    /// What it is compared with: another column, or an oracle.
    pub against: String,
    /// The same image.
    pub equal: u64,
    /// No image on either side.
    pub refused_by_both: u64,
    /// One of them refused it while planning.
    pub refused_while_planning: u64,
    /// It differs, and that is known.
    pub known: u64,
    /// It differs.
    pub differs: u64,
    /// It differed, and when it was tried once more, it did not, or could not be tried.
    pub unsteady: u64,
}

/// Why inputs had no image to compare, or may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What happened to them.
    pub state: &'static str,
    /// The sides, or the one that is meant.
    pub who: String,
    /// Why: the whole message of the first.
    pub why: String,
    /// How many there were.
    pub count: u64,
    /// The seed of the first.
    pub seed: u64,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of which kind.
    pub kind: String,
    /// The column.
    pub column: String,
    /// What it is compared with.
    pub against: String,
    /// The seed of the input.
    pub seed: u64,
    /// The seeds of others that differ in the same kind, and were not made small.
    pub others: Vec<u64>,
    /// The first thing that differs: what the other side gives, and what the column gives.
    pub contrast: Contrast,
    /// The Containerfile, made small.
    pub containerfile: String,
    /// Where all of it is written, with a note that says how it is shown again.
    pub directory: Option<Utf8PathBuf>,
    /// Why it could not be written.
    pub unwritten: Option<String>,
}

impl Tally {
    pub(crate) fn of(column: &Side, against: &Side) -> Self {
        Self {
            column: column.name(),
            against: against.name(),
            equal: 0,
            refused_by_both: 0,
            refused_while_planning: 0,
            known: 0,
            differs: 0,
            unsteady: 0,
        }
    }
}

impl Found {
    /// Tells whether anything was compared.
    pub fn compared(&self) -> bool {
        let count = |tally: &Tally| tally.equal + tally.differs + tally.known;
        self.tallies.iter().any(|tally| count(tally) > 0)
    }
}

/// An input that differs, and on which sides.
pub(crate) struct Case<'a> {
    pub(crate) input: &'a Input,
    pub(crate) original: &'a Input,
    pub(crate) column: &'a Side,
    pub(crate) against: &'a Side,
    pub(crate) difference: &'a Difference,
    pub(crate) bases: &'a [Base],
}

impl Case<'_> {
    /// Writes it into a directory of its own below `parent`, where it is whole or not at all.
    pub(crate) fn write(&self, parent: &Utf8Path) -> io::Result<Utf8PathBuf> {
        fs::create_dir_all(parent)?;
        let temporary = tempfile::Builder::new()
            .prefix(".unfinished-")
            .tempdir_in(parent)?;
        let unfinished = Utf8Path::from_path(temporary.path())
            .ok_or_else(|| io::Error::other("the path is not valid UTF-8"))?;
        self.input.write(unfinished)?;
        self.original.write(&unfinished.join(ORIGINAL))?;
        let directory = parent.join(self.name());
        fs::write(unfinished.join(NOTE), self.note(&directory, unfinished)?)?;
        fs::rename(unfinished, &directory)?;
        // What was renamed is kept.
        let _ = temporary.keep();
        Ok(directory)
    }

    fn name(&self) -> String {
        let mut name = String::new();
        for c in self.difference.kind.chars() {
            if c.is_ascii_alphanumeric() {
                name.push(c.to_ascii_lowercase());
            } else if !name.ends_with('-') && !name.is_empty() {
                name.push('-');
            }
        }
        name.truncate(NAME);
        let against = self.against.name().replace('@', "-");
        let name = name.trim_end_matches('-');
        format!("{name}-{against}-{}", self.original.seed)
    }

    /// Says what differs, and how it is shown again.
    fn note(&self, directory: &Utf8Path, unfinished: &Utf8Path) -> io::Result<String> {
        let mut laid = Laid::read(unfinished)?;
        directory.clone_into(&mut laid.directory);
        let contrast = &self.difference.contrast;
        let seed = self.original.seed;
        let sides = format!("{} {}", self.column.option(), self.against.option());
        let rules: Vec<&str> = self.original.tags.iter().map(String::as_str).collect();
        Ok(format!(
            "{kind}\n\n{place}\n  {against}: {expected}\n  {column}: {found}\n\n\
             seed {seed}; rules with names: {rules}\n\n\
             this input again:\n  stagex conformance --again {directory} {sides}\n\
             from the seed:\n  stagex conformance --generate 1 --seed {seed} {sides}\n\n\
             the builds themselves (the base images are kept with --keep):\n  {first}\n  {second}\n",
            kind = self.difference.kind,
            place = contrast.place,
            against = self.against.name(),
            expected = contrast.expected,
            column = self.column.name(),
            found = contrast.found,
            rules = rules.join(" "),
            first = self.column.command(&laid, self.bases),
            second = self.against.command(&laid, self.bases),
        ))
    }
}
