//! What was found: every difference is counted, and the first ones of each class are kept. It does not know how
//! they were found.

use std::collections::BTreeMap;

use documents::{
    DiffCause, DiffClass, DiffContent, DiffCount, DiffEvidence, Difference, LikelyCause,
};

/// How many places are kept at which a cause shows.
const EVIDENCE: usize = 5;

/// In how many pairs of values of documents causes are looked for.
const SEARCHED: usize = 2_000;

/// What was found in a part of two images.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    searched: usize,
    /// How many differences of each class are kept.
    shown: usize,
    first: Option<Difference>,
    counts: BTreeMap<DiffClass, u64>,
    kept: Vec<Difference>,
    kept_of: BTreeMap<DiffClass, usize>,
    causes: BTreeMap<DiffCause, (u64, Vec<DiffEvidence>)>,
    notes: Vec<String>,
}

impl Findings {
    pub(crate) fn new(shown: usize) -> Self {
        Self {
            shown,
            ..Self::default()
        }
    }

    /// Returns the same without anything found, for a part that is compared by itself.
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.shown)
    }

    /// Takes a difference, which comes behind all that were taken before.
    pub(crate) fn add(&mut self, difference: Difference) {
        let class = difference.class;
        *self.counts.entry(class).or_default() += 1;
        if self.first.is_none() {
            self.first = Some(difference.clone());
        }
        self.keep(difference);
    }

    fn keep(&mut self, difference: Difference) {
        let kept = self.kept_of.entry(difference.class).or_default();
        if *kept < self.shown {
            *kept += 1;
            self.kept.push(difference);
        }
    }

    /// Takes what shows a cause.
    pub(crate) fn cause(&mut self, cause: DiffCause, evidence: DiffEvidence) {
        let (count, places) = self.causes.entry(cause).or_default();
        *count += 1;
        if places.len() < EVIDENCE {
            places.push(evidence);
        }
    }

    /// Tells whether causes may be looked for in one more pair of values, and counts it.
    pub(crate) fn may_search(&mut self) -> bool {
        self.searched += 1;
        let may = self.searched <= SEARCHED;
        if !may {
            let what = "causes were looked for in the first";
            self.note(format!("{what} {SEARCHED} values of documents that differ"));
        }
        may
    }

    /// Takes what is to be said besides.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Says how the contents of an entry differ.
    pub(crate) fn look_into(&mut self, path: &str, content: &DiffContent) {
        let all = self.kept.iter_mut().chain(&mut self.first);
        for difference in all {
            let is_it = difference.class == DiffClass::Contents
                && difference.path.as_deref() == Some(path)
                && difference.content.is_none();
            if is_it {
                difference.content = Some(content.clone());
            }
        }
    }

    /// Says of which platform all of it is.
    pub(crate) fn of_platform(&mut self, platform: &str) {
        for difference in self.kept.iter_mut().chain(&mut self.first) {
            difference.platform = Some(platform.to_owned());
        }
    }

    /// Takes what was found in a later part.
    pub(crate) fn extend(&mut self, other: Self) {
        if self.first.is_none() {
            self.first = other.first;
        }
        for (class, count) in other.counts {
            *self.counts.entry(class).or_default() += count;
        }
        for difference in other.kept {
            self.keep(difference);
        }
        for (cause, (count, places)) in other.causes {
            let (all, kept) = self.causes.entry(cause).or_default();
            *all += count;
            let room = EVIDENCE.saturating_sub(kept.len());
            kept.extend(places.into_iter().take(room));
        }
        for note in other.notes {
            self.note(note);
        }
    }

    /// Tells whether nothing differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns all of it as documents have it.
    pub(crate) fn finish(self) -> DifferencesFound {
        let counts = self.counts.into_iter();
        let causes = self.causes.into_iter();
        DifferencesFound {
            first: self.first,
            classes: counts
                .map(|(class, count)| DiffCount { class, count })
                .collect(),
            causes: causes
                .map(|(cause, (count, evidence))| LikelyCause {
                    cause,
                    count,
                    evidence,
                })
                .collect(),
            differences: self.kept,
            notes: self.notes,
        }
    }
}

/// What was found, as documents have it.
pub(crate) struct DifferencesFound {
    pub(crate) first: Option<Difference>,
    pub(crate) classes: Vec<DiffCount>,
    pub(crate) causes: Vec<LikelyCause>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) notes: Vec<String>,
}
