//! Whether a merge changes something itself, at one path: it has there what no parent has, or what one parent has
//! although another one has changed it since the two parted.
//!
//! It knows what is at a path, and not where that is.

use std::collections::BTreeSet;

/// What a commit has at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Nothing,
    Object {
        mode: Vec<u8>,
        object: String,
        is_tree: bool,
    },
    /// It cannot be read.
    Unknown,
}

impl Value {
    /// Tells whether two are known to be the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self == other && *self != Self::Unknown
    }

    /// Returns the tree, if it is one.
    pub(crate) fn tree(&self) -> Option<&String> {
        match self {
            Self::Object {
                object,
                is_tree: true,
                ..
            } => Some(object),
            _ => None,
        }
    }
}

/// A path of a merge.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) own: Value,
    pub(crate) parents: Vec<Value>,
    /// For two of the parents, by their numbers, what there was where they parted.
    pub(crate) bases: Vec<(usize, usize, Vec<Value>)>,
}

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The merge changes nothing.
    Clean,
    /// It changes something.
    Changed,
    /// That is decided by what is below it.
    Below,
}

impl Path {
    /// Judges a path.
    pub(crate) fn verdict(&self) -> Verdict {
        if self.is_clean() {
            return Verdict::Clean;
        }
        let of_bases = self.bases.iter().flat_map(|(_, _, values)| values);
        let mut all = self.parents.iter().chain([&self.own]).chain(of_bases);
        let here = self.map(|value| match value.tree() {
            Some(_) => Value::Nothing,
            None => value.clone(),
        });
        if all.any(|value| value.tree().is_some()) && here.is_clean() {
            return Verdict::Below;
        }
        Verdict::Changed
    }

    /// Returns the trees that have what is below it.
    pub(crate) fn trees(&self) -> BTreeSet<String> {
        let of_bases = self.bases.iter().flat_map(|(_, _, values)| values);
        let all = self.parents.iter().chain([&self.own]).chain(of_bases);
        all.filter_map(Value::tree).cloned().collect()
    }

    /// Returns the same of other values.
    pub(crate) fn map(&self, value: impl Fn(&Value) -> Value) -> Self {
        let bases = self.bases.iter().map(|(one, other, values)| {
            let values = values.iter().map(&value).collect();
            (*one, *other, values)
        });
        Self {
            own: value(&self.own),
            parents: self.parents.iter().map(&value).collect(),
            bases: bases.collect(),
        }
    }

    /// Tells whether each parent that has something else has not changed it since it parted from one that has the same.
    fn is_clean(&self) -> bool {
        let has_same = |parent: usize| self.parents[parent].is(&self.own);
        (0..self.parents.len()).all(|parent| {
            let unchanged_since = |(one, other, values): &(usize, usize, Vec<Value>)| {
                let is_pair =
                    (*one == parent && has_same(*other)) || (*other == parent && has_same(*one));
                is_pair && values.iter().all(|base| base.is(&self.parents[parent]))
            };
            has_same(parent) || self.bases.iter().any(unchanged_since)
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A letter is a file, a capital one a directory, a dot nothing, and a question mark what is not known.
    fn value(letter: char) -> Value {
        match letter {
            '.' => Value::Nothing,
            '?' => Value::Unknown,
            letter => Value::Object {
                mode: Vec::new(),
                object: letter.to_string(),
                is_tree: letter.is_uppercase(),
            },
        }
    }

    #[rstest]
    #[case::all_have_it("a", "aa", "a", Verdict::Clean)]
    #[case::one_has_changed_it("b", "ab", "a", Verdict::Clean)]
    #[case::both_have_changed_it_to_the_same("b", "bb", "a", Verdict::Clean)]
    #[case::one_has_added_it("a", ".a", ".", Verdict::Clean)]
    #[case::one_has_removed_it(".", "a.", "a", Verdict::Clean)]
    #[case::nobody_has_it("c", "ab", "a", Verdict::Changed)]
    #[case::nobody_has_it_and_all_have_the_same("b", "aa", "a", Verdict::Changed)]
    #[case::what_one_has_changed_is_undone("a", "ab", "a", Verdict::Changed)]
    #[case::what_one_has_added_is_left_out(".", ".a", ".", Verdict::Changed)]
    #[case::both_have_changed_it("b", "bc", "a", Verdict::Changed)]
    #[case::they_parted_twice("b", "ab", "ab", Verdict::Changed)]
    #[case::it_is_not_known_where_they_parted("b", "ab", "?", Verdict::Changed)]
    #[case::it_is_not_known("?", "??", "?", Verdict::Changed)]
    #[case::a_directory_that_one_has_changed("B", "AB", "A", Verdict::Clean)]
    #[case::a_directory_that_both_have_changed("D", "BC", "A", Verdict::Below)]
    #[case::a_file_that_has_become_a_directory("B", "aB", "a", Verdict::Clean)]
    #[case::a_file_instead_of_a_directory("b", "AA", "A", Verdict::Changed)]
    fn a_merge_changes_what_no_parent_alone_has_changed(
        #[case] own: &str,
        #[case] parents: &str,
        #[case] bases: &str,
        #[case] expected: Verdict,
    ) {
        let path = Path {
            own: value(own.chars().next().unwrap()),
            parents: parents.chars().map(value).collect(),
            bases: vec![(0, 1, bases.chars().map(value).collect())],
        };
        assert_eq!(path.verdict(), expected);
    }
}
