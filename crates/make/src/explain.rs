//! Why a package is built: what differs between what it was made from and what it would be made
//! from now. The same inputs are compared that are hashed.

use std::collections::{BTreeMap, BTreeSet};

use build::{Error, inputs_of_files};
use documents::{DEPENDENCY, Explanation, Reason};
use oci_image::{Digest, Profile};
use package_tree::{Hermetic, Plan};
use state::{Directories, Hashes, Inputs, Outputs, Record, StoredRecord, Trust};

use crate::inputs::Rules;

/// Says of each package of a plan why it would be built, without building or changing anything.
/// With `no_cache` what was asked for would be built in any case.
///
/// # Errors
///
/// What cannot be read.
pub fn explain(
    profile: &Profile,
    directories: &Directories,
    plan: &Plan,
    no_cache: bool,
    hermetic: Option<&Hermetic>,
) -> Result<Vec<Explanation>, Error> {
    let root = directories.root();
    let rules = Rules::new(hermetic, plan.has_triggers());
    let hashes = Hashes::of_tree(directories);
    let outputs = Outputs::of_tree(directories, Trust::FileSystem);
    let mut fresh: BTreeMap<&str, Digest> = BTreeMap::new();
    let mut explanations = Vec::new();
    for package in &plan.packages {
        let (mut files, _) = rules.list(root, &package.context)?;
        let files = inputs_of_files(&package.context, &mut files, &hashes)?;
        let record = Record::read(directories, &package.name)?;
        let output = outputs.look(&package.name)?;

        // What is built again is taken for what it was: that it may change is a reason by itself.
        let mut needed = BTreeMap::new();
        let mut again = Vec::new();
        for name in package.dependencies() {
            match fresh.get(name) {
                Some(digest) => {
                    needed.insert(name.to_owned(), *digest);
                }
                None => again.push(name.to_owned()),
            }
        }
        let inputs = rules.inputs(package, &files, &needed);
        let now = inputs.beside(&record);
        let situation = Situation {
            profile,
            record: &record,
            whole: output.as_ref().is_some_and(|output| output.whole),
            asked: no_cache && package.requested,
            pending: &again.iter().map(String::as_str).collect(),
        };
        let mut reasons = situation.reasons(now);
        let needs = |package| Reason::Needs { package };
        reasons.extend(again.iter().cloned().map(needs));
        if let (true, Some(output)) = (reasons.is_empty(), output) {
            fresh.insert(&package.name, output.digest);
        }
        explanations.push(Explanation {
            name: package.name.clone(),
            reasons,
        });
    }
    Ok(explanations)
}

/// Says the same of a plan that is made after everything in `out/` was removed: there is no record
/// of anything.
pub fn explain_cleaned(plan: &Plan) -> Vec<Explanation> {
    let explained = plan.packages.iter().map(|package| {
        let mut reasons = Vec::new();
        if package.requested {
            reasons.push(Reason::Asked);
        }
        reasons.push(Reason::NeverBuilt);
        let needs = |package| Reason::Needs { package };
        reasons.extend(package.dependencies().map(str::to_owned).map(needs));
        Explanation {
            name: package.name.clone(),
            reasons,
        }
    });
    explained.collect()
}

/// What there is of a package before it is built.
pub(crate) struct Situation<'a> {
    /// The encoding.
    pub profile: &'a Profile,
    pub record: &'a StoredRecord,
    /// Whether its image in `out/` is whole.
    pub whole: bool,
    /// Whether it is to be built in any case.
    pub asked: bool,
    /// What it needs that is not there yet.
    pub pending: &'a BTreeSet<&'a str>,
}

impl Situation<'_> {
    /// Returns why the package has to be built from the inputs `now`.
    pub(crate) fn reasons(&self, now: &Inputs) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.asked {
            reasons.push(Reason::Asked);
        }
        let record = match self.record {
            StoredRecord::Record(record) => record,
            StoredRecord::Absent => {
                reasons.push(Reason::NeverBuilt);
                return reasons;
            }
            StoredRecord::Unproven => {
                reasons.push(Reason::Unproven);
                return reasons;
            }
        };
        if !self.whole {
            reasons.push(Reason::Gone);
        }
        if record.inputs.is_empty() {
            if record.key != now.key(self.profile) {
                reasons.push(Reason::Unrecorded);
            }
        } else {
            reasons.extend(self.changes(&record.inputs, now));
        }
        reasons
    }

    fn changes(&self, before: &Inputs, now: &Inputs) -> Vec<Reason> {
        let pending = |kind: &str, name: &str| kind == DEPENDENCY && self.pending.contains(name);
        let (old, new) = (before.by_name(), now.by_name());
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let differ = |at: &&(String, String)| old.get(*at) != new.get(*at);
        let mut changes: Vec<_> = names
            .into_iter()
            .filter(differ)
            .filter(|(kind, name)| !pending(kind, name))
            .map(|at| Reason::Changed {
                input: at.0.clone(),
                name: at.1.clone(),
                before: old.get(at).cloned(),
                now: new.get(at).cloned(),
            })
            .collect();
        if changes.is_empty()
            && self.pending.is_empty()
            && before.key(self.profile) != now.key(self.profile)
        {
            changes.push(Reason::Changed {
                input: "order".to_owned(),
                name: "arguments".to_owned(),
                before: None,
                now: None,
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(list: &[(&str, &str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        for (kind, name, value) in list {
            inputs.add(kind, name, value);
        }
        inputs
    }

    fn record(inputs: &Inputs) -> Record {
        Record {
            key: inputs.key(Profile::STAGEX_2026),
            digest: Digest::of(b"image"),
            runtime: "docker".to_owned(),
            milliseconds: 1,
            inputs: inputs.clone(),
            seeds: Vec::new(),
        }
    }

    fn found(record: &Record) -> StoredRecord {
        StoredRecord::Record(Box::new(record.clone()))
    }

    fn reasons(record: &StoredRecord, now: &Inputs) -> Vec<String> {
        let situation = Situation {
            profile: Profile::STAGEX_2026,
            record,
            whole: true,
            asked: false,
            pending: &BTreeSet::new(),
        };
        let reasons = situation.reasons(now);
        reasons.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_change_is_named_and_nothing_else() {
        let before = inputs(&[
            ("argument", "VERSION", "1"),
            ("file", "a \"quoted\" name", "0a"),
            ("file", "kept", "0b"),
            ("dependency", "core-musl", "sha256:0"),
        ]);
        let now = inputs(&[
            ("argument", "VERSION", "2"),
            ("file", "kept", "0b"),
            ("source", "x.tar", "0c"),
            ("dependency", "core-musl", "sha256:1"),
        ]);
        let record = record(&before);
        assert_eq!(reasons(&found(&record), &before), [""; 0]);
        assert_eq!(
            reasons(&found(&record), &now),
            [
                "build argument VERSION was `1`, is `2`",
                "core-musl is another image",
                "file a \"quoted\" name is gone",
                "source x.tar is new",
            ]
        );
        assert_eq!(
            reasons(&StoredRecord::Absent, &now),
            ["it was never built here"]
        );
        let unproven = reasons(&StoredRecord::Unproven, &now);
        assert_eq!(unproven.len(), 1, "{unproven:?}");
        assert!(unproven[0].contains("made elsewhere"), "{unproven:?}");
    }

    #[test]
    fn another_order_is_a_change() {
        let (a, b) = (("argument", "A", "1"), ("argument", "B", "2"));
        let record = record(&inputs(&[a, b]));
        let reasons = reasons(&found(&record), &inputs(&[b, a]));
        assert_eq!(reasons, ["the order of its build arguments changed"]);
    }

    #[test]
    fn a_record_of_an_older_version_still_says_that_something_changed() {
        let mut record = record(&inputs(&[("file", "a", "0")]));
        record.inputs = Inputs::default();
        let reasons = reasons(&found(&record), &inputs(&[("file", "a", "1")]));
        assert_eq!(reasons.len(), 1, "{reasons:?}");
    }
}
