//! The pages that say what differs, one for all attempts that differ in the same. It does not know what stands on them.

use std::collections::BTreeMap;

use documents::{Attempt, Digest};

use crate::pages::file_of;

/// Returns the page that says what differs in an attempt, if there is one.
pub type DiffPage<'a> = &'a dyn Fn(&Attempt) -> Option<String>;

/// What decides about what differs: of which package, what built it, for which platform, who says so, and the two
/// digests.
type Key<'a> = (
    &'a str,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a Digest>,
    Option<&'a Digest>,
);

/// The pages so far.
pub(crate) struct Diffs<'a> {
    page: DiffPage<'a>,
    /// Where the page is of what was asked for, if there is one.
    known: BTreeMap<Key<'a>, Option<String>>,
    pages: BTreeMap<String, String>,
}

impl<'a> Diffs<'a> {
    pub(crate) fn new(page: DiffPage<'a>) -> Self {
        Self {
            page,
            known: BTreeMap::new(),
            pages: BTreeMap::new(),
        }
    }

    /// Returns the path of the page that says what differs in an attempt, if there is one.
    pub(crate) fn of(&mut self, attempt: &'a Attempt) -> Option<String> {
        let platform = attempt.platform.as_deref();
        let key = (
            attempt.package.as_str(),
            attempt.runtime.name.as_str(),
            platform,
            attempt.machine.whose.as_deref(),
            attempt.digest.as_ref(),
            attempt.recorded.as_ref(),
        );
        if let Some(path) = self.known.get(&key) {
            return path.clone();
        }
        let path = (self.page)(attempt).map(|page| {
            let mut name = format!("{}@{}", attempt.package, attempt.runtime.name);
            if let Some(platform) = platform {
                name = format!("{name}@{platform}");
            }
            let path = self.free(&name);
            self.pages.insert(path.clone(), page);
            path
        });
        self.known.insert(key, path.clone());
        path
    }

    /// Returns a path for a page that no other has.
    fn free(&self, name: &str) -> String {
        let mut path = format!("diff/{}", file_of(name));
        let mut number = 1;
        while self.pages.contains_key(&path) {
            number += 1;
            path = format!("diff/{}", file_of(&format!("{name}@{number}")));
        }
        path
    }

    /// Returns all pages, by their paths.
    pub(crate) fn into_pages(self) -> BTreeMap<String, String> {
        self.pages
    }
}
