//! Which commits touch packages: those that have something else below `packages/` than their parents.
//!
//! Trees are read a level at a time, of all commits together. What cannot be read is said, and counts as touched.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use trust::{Repository, TreeEntry, entries};

use crate::error::Error;
use crate::graph::Graph;
use crate::merge::{Path, Value, Verdict};

/// The directory of a tree that has its packages.
const PACKAGES: &str = "packages";

/// A merge of more commits counts as touching packages, unless all of them have the same.
const MOST_PARENTS: usize = 16;

/// Trees of git whose bytes are compared with their names.
pub(crate) struct Trees<'a> {
    repository: Repository<'a>,
    path: Utf8PathBuf,
    /// What a commit has at the path, by the commit's tree.
    values: BTreeMap<String, Value>,
    /// What could not be read.
    missing: BTreeSet<String>,
}

/// What is in a tree, by name.
type Contents = BTreeMap<Vec<u8>, TreeEntry>;

impl<'a> Trees<'a> {
    pub(crate) async fn new(root: &'a Utf8Path) -> Result<Self, Error> {
        let mut repository = Repository::new(root);
        let path = repository.prefix().await?.join(PACKAGES);
        Ok(Self {
            repository,
            path,
            values: BTreeMap::new(),
            missing: BTreeSet::new(),
        })
    }

    /// Returns the names of trees that are needed and are not there.
    pub(crate) fn missing(self) -> BTreeSet<String> {
        self.missing
    }

    /// Tells whether there is a directory of packages in the tree of a commit.
    pub(crate) async fn has_packages(&mut self, tree: &str) -> Result<bool, Error> {
        self.find([tree.to_owned()].into()).await?;
        let value = &self.values[tree];
        Ok(value.tree().is_some() || *value == Value::Unknown)
    }

    /// Returns the commits of a range that touch packages.
    pub(crate) async fn touched(
        &mut self,
        graph: &Graph,
        range: &BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, Error> {
        let tree = |place: usize| graph.nodes[place].commit.tree.clone();
        let parents = range
            .iter()
            .flat_map(|place| graph.nodes[*place].parents.iter().flatten());
        let roots = range.iter().chain(parents).map(|place| tree(*place));
        self.find(roots.collect()).await?;
        let (mut touched, mut merges) = (BTreeSet::new(), Vec::new());
        for place in range.iter().copied() {
            let (own, parents) = self.of_commit(graph, place);
            if parents.iter().all(|parent| parent.is(&own)) {
                // A root without packages touches none.
                if !parents.is_empty() || own == Value::Nothing {
                    continue;
                }
            }
            if (2..=MOST_PARENTS).contains(&parents.len()) {
                merges.push(place);
            } else {
                touched.insert(place);
            }
        }
        touched.append(&mut self.changed_by_merges(graph, &merges).await?);
        Ok(touched)
    }

    /// Returns what a commit and its parents have at the path. A parent that is not there may have anything.
    fn of_commit(&self, graph: &Graph, place: usize) -> (Value, Vec<Value>) {
        let value = |place: usize| self.values[&graph.nodes[place].commit.tree].clone();
        let parents = graph.nodes[place].parents.iter();
        let parents = parents.map(|parent| parent.map_or(Value::Unknown, value));
        (value(place), parents.collect())
    }

    /// Returns the merges that change something themselves.
    async fn changed_by_merges(
        &mut self,
        graph: &Graph,
        merges: &[usize],
    ) -> Result<BTreeSet<usize>, Error> {
        let mut parted = Vec::new();
        for place in merges {
            let parents = &graph.nodes[*place].parents;
            for (one, other) in pairs(parents.len()) {
                if let (Some(one_at), Some(other_at)) = (parents[one], parents[other]) {
                    parted.push((*place, one, other, graph.bases(one_at, other_at)));
                }
            }
        }
        let trees = parted
            .iter()
            .flat_map(|(_, _, _, bases)| &bases.commits)
            .map(|place| graph.nodes[*place].commit.tree.clone());
        self.find(trees.collect()).await?;
        let mut open: BTreeMap<usize, Vec<Path>> = BTreeMap::new();
        for place in merges {
            let (own, parents) = self.of_commit(graph, *place);
            let path = Path {
                own,
                parents,
                bases: Vec::new(),
            };
            open.insert(*place, vec![path]);
        }
        for (place, one, other, bases) in parted {
            let commits = bases.commits.iter();
            let mut values: Vec<Value> = commits
                .map(|base| self.values[&graph.nodes[*base].commit.tree].clone())
                .collect();
            if !bases.are_all {
                values.push(Value::Unknown);
            } else if values.is_empty() {
                values.push(Value::Nothing);
            }
            let paths = open.get_mut(&place).expect("each merge is there");
            paths[0].bases.push((one, other, values));
        }
        let mut changed = BTreeSet::new();
        while !open.is_empty() {
            // What is to be looked into, of each merge that is not known to change something.
            let mut below: BTreeMap<usize, Vec<Path>> = BTreeMap::new();
            for (place, paths) in open {
                let verdicts: Vec<Verdict> = paths.iter().map(Path::verdict).collect();
                if verdicts.contains(&Verdict::Changed) {
                    changed.insert(place);
                    continue;
                }
                let pairs = paths.into_iter().zip(verdicts);
                let deeper = pairs.filter(|(_, verdict)| *verdict == Verdict::Below);
                let deeper: Vec<Path> = deeper.map(|(path, _)| path).collect();
                if !deeper.is_empty() {
                    below.insert(place, deeper);
                }
            }
            let names = below.values().flatten().flat_map(Path::trees);
            let contents = self.contents(names.collect()).await?;
            open = BTreeMap::new();
            for (place, paths) in below {
                let children = paths.iter().flat_map(|path| children(path, &contents));
                open.insert(place, children.collect());
            }
        }
        Ok(changed)
    }

    /// Finds out what commits have at the path, by their trees.
    async fn find(&mut self, roots: BTreeSet<String>) -> Result<(), Error> {
        let new = roots
            .into_iter()
            .filter(|root| !self.values.contains_key(root));
        let mut at: BTreeMap<String, Value> = new
            .map(|root| {
                let value = Value::Object {
                    mode: Vec::new(),
                    object: root.clone(),
                    is_tree: true,
                };
                (root, value)
            })
            .collect();
        let names: Vec<String> = self.path.iter().map(str::to_owned).collect();
        for name in names {
            let trees = at.values().filter_map(Value::tree).cloned().collect();
            let contents = self.contents(trees).await?;
            for value in at.values_mut() {
                *value = child(value, name.as_bytes(), &contents);
            }
        }
        self.values.append(&mut at);
        Ok(())
    }

    /// Reads trees. One that has two things of one name is none.
    async fn contents(
        &mut self,
        names: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Contents>, Error> {
        let read = self.repository.read("tree", names.clone()).await?;
        let mut found = BTreeMap::new();
        for (name, bytes) in read {
            let Some(listed) = entries(&bytes, name.len()) else {
                continue;
            };
            let count = listed.len();
            let contents: Contents = listed
                .into_iter()
                .map(|entry| (entry.name.clone(), entry))
                .collect();
            if contents.len() == count {
                found.insert(name, contents);
            }
        }
        let missing = names.into_iter().filter(|name| !found.contains_key(name));
        self.missing.extend(missing);
        Ok(found)
    }
}

/// Returns the pairs of so many.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |one| (one + 1..count).map(move |other| (one, other)))
}

/// Returns what there is of a name in what is at a path.
fn child(value: &Value, name: &[u8], contents: &BTreeMap<String, Contents>) -> Value {
    let Some(tree) = value.tree() else {
        return match value {
            Value::Unknown => Value::Unknown,
            _ => Value::Nothing,
        };
    };
    let Some(contents) = contents.get(tree) else {
        return Value::Unknown;
    };
    contents
        .get(name)
        .map_or(Value::Nothing, |entry| Value::Object {
            mode: entry.mode.clone(),
            object: entry.object.clone(),
            is_tree: entry.is_tree(),
        })
}

/// Returns the paths right below one.
fn children(path: &Path, contents: &BTreeMap<String, Contents>) -> Vec<Path> {
    let trees = path.trees();
    let found = trees.iter().filter_map(|tree| contents.get(tree));
    let names: BTreeSet<&Vec<u8>> = found.flat_map(BTreeMap::keys).collect();
    let mut paths: Vec<Path> = names
        .into_iter()
        .map(|name| path.map(|value| child(value, name, contents)))
        .collect();
    if trees.iter().any(|tree| !contents.contains_key(tree)) {
        // What is in there is not known, and neither is whether it has names that the others do not have.
        paths.push(path.map(|_| Value::Unknown));
    }
    paths
}
