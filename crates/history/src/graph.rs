//! Commits and their parents: what leads to what, which commits a line of first parents has, and where two histories
//! parted.
//!
//! Every commit is read, and its bytes are compared with its name. Git is asked which ones there are, and what it leaves
//! out is asked for by name.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use camino::Utf8Path;
use trust::Repository;

use crate::commit::Commit;
use crate::error::Error;

/// How many commits are read at a time.
const AT_ONCE: usize = 50_000;

/// Flags of commits while it is looked for where two histories parted.
const ONE: u8 = 1;
const OTHER: u8 = 2;
const BELOW: u8 = 4;

/// All commits that lead to some, each behind its parents.
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    places: BTreeMap<String, usize>,
}

/// A commit and where its parents are.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) commit: Commit,
    /// The places of its parents; nothing for one that is not there.
    pub(crate) parents: Vec<Option<usize>>,
}

/// Where two histories parted.
pub(crate) struct Bases {
    /// The commits.
    pub(crate) commits: Vec<usize>,
    /// Whether all of history was there that could have others.
    pub(crate) are_all: bool,
}

impl Graph {
    /// Reads all commits that lead to these.
    pub(crate) async fn read(root: &Utf8Path, tips: &BTreeSet<String>) -> Result<Self, Error> {
        let mut commits: BTreeMap<String, Commit> = BTreeMap::new();
        let mut asked: BTreeSet<String> = BTreeSet::new();
        let mut wanted = tips.clone();
        while !wanted.is_empty() {
            let mut names = git::ancestors(root, &wanted).await?;
            names.append(&mut wanted);
            let names: Vec<String> = names.difference(&asked).cloned().collect();
            asked.extend(names.iter().cloned());
            let mut new = Vec::new();
            for names in names.chunks(AT_ONCE) {
                let names: BTreeSet<String> = names.iter().cloned().collect();
                let read = Repository::new(root).read("commit", names).await?;
                for (name, bytes) in read {
                    if let Some(commit) = Commit::read(bytes, name.len()) {
                        new.extend(commit.parents.iter().cloned());
                        commits.insert(name, commit);
                    }
                }
            }
            wanted.extend(new.into_iter().filter(|name| !asked.contains(name)));
        }
        Ok(Self::of(commits))
    }

    /// Puts commits into an order in which each stands behind its parents.
    fn of(mut commits: BTreeMap<String, Commit>) -> Self {
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ready = Vec::new();
        for (name, commit) in &commits {
            let parents: BTreeSet<&str> = commit.parents.iter().map(String::as_str).collect();
            let known = parents
                .into_iter()
                .filter(|name| commits.contains_key(*name));
            let known: Vec<&str> = known.collect();
            if known.is_empty() {
                ready.push(name.as_str());
            }
            waiting.insert(name, known.len());
            for parent in known {
                children.entry(parent).or_default().push(name);
            }
        }
        let mut order = Vec::new();
        while let Some(name) = ready.pop() {
            order.push(name.to_owned());
            for child in children.get(name).into_iter().flatten() {
                let left = waiting.get_mut(child).expect("each commit is there");
                *left -= 1;
                if *left == 0 {
                    ready.push(child);
                }
            }
        }
        let places: BTreeMap<String, usize> = order.iter().cloned().zip(0..).collect();
        let nodes = order.into_iter().map(|name| {
            let commit = commits.remove(&name).expect("each commit is there");
            let parents = commit.parents.iter();
            let parents = parents.map(|name| places.get(name).copied()).collect();
            Node {
                name,
                commit,
                parents,
            }
        });
        Self {
            nodes: nodes.collect(),
            places,
        }
    }

    /// Returns the place of a commit.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Adds to `seen` a commit and everything that leads to it. Returns what was added. What is there already is not
    /// followed.
    pub(crate) fn follow(&self, tip: usize, seen: &mut BTreeSet<usize>) -> Vec<usize> {
        let (mut added, mut open) = (Vec::new(), vec![tip]);
        while let Some(place) = open.pop() {
            if seen.insert(place) {
                added.push(place);
                open.extend(self.nodes[place].parents.iter().flatten());
            }
        }
        added
    }

    /// Returns a commit, its first parent, the first parent of that, and so on, as long as they are in the range.
    pub(crate) fn line(&self, tip: usize, range: &BTreeSet<usize>) -> Vec<usize> {
        let parent = |place: &usize| self.nodes[*place].parents.first().copied().flatten();
        let line = std::iter::successors(Some(tip), parent);
        line.take_while(|place| range.contains(place)).collect()
    }

    /// Returns the last commits that lead to both of two.
    pub(crate) fn bases(&self, one: usize, other: usize) -> Bases {
        let mut bases = Bases {
            commits: Vec::new(),
            are_all: true,
        };
        let mut flags: BTreeMap<usize, u8> = BTreeMap::new();
        // The children of each come before it, so that nothing is added to its flags later.
        let mut open = BinaryHeap::new();
        // How many in there can still lead to a base.
        let mut alive = 0;
        for (place, flag) in [(one, ONE), (other, OTHER)] {
            let flags = flags.entry(place).or_insert_with(|| {
                open.push(place);
                alive += 1;
                0
            });
            *flags |= flag;
        }
        while alive > 0
            && let Some(place) = open.pop()
        {
            let found = flags[&place];
            let is_below = found & BELOW != 0;
            if !is_below {
                alive -= 1;
            }
            let is_base = !is_below && found == ONE | OTHER;
            if is_base {
                bases.commits.push(place);
            }
            let passed_on = if is_base { found | BELOW } else { found };
            for parent in &self.nodes[place].parents {
                let Some(parent) = *parent else {
                    bases.are_all &= passed_on & BELOW != 0;
                    continue;
                };
                let is_new = !flags.contains_key(&parent);
                let flags = flags.entry(parent).or_default();
                let was_alive = !is_new && *flags & BELOW == 0;
                *flags |= passed_on;
                let is_alive = *flags & BELOW == 0;
                if is_new {
                    open.push(parent);
                }
                match (was_alive, is_alive) {
                    (false, true) => alive += 1,
                    (true, false) => alive -= 1,
                    _ => {}
                }
            }
        }
        bases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(letter: char) -> String {
        format!("{:02x}", u32::from(letter)).repeat(20)
    }

    /// Makes commits of lines `child parents`, each of which is a letter.
    fn graph(lines: &[&str]) -> Graph {
        let commits = lines.iter().map(|line| {
            let mut letters = line.chars();
            let commit = name(letters.next().unwrap());
            let parents = letters.map(|letter| format!("parent {}\n", name(letter)));
            let text = format!("tree {}\n{}", name('t'), parents.collect::<String>());
            (commit, Commit::read(text.into_bytes(), 40).unwrap())
        });
        Graph::of(commits.collect())
    }

    fn bases(graph: &Graph, one: char, other: char) -> (String, bool) {
        let [one, other] = [one, other].map(|letter| graph.place(&name(letter)).unwrap());
        let found = graph.bases(one, other);
        let letters = ('a'..='z').filter(|letter| {
            let place = graph.place(&name(*letter));
            place.is_some_and(|place| found.commits.contains(&place))
        });
        (letters.collect(), found.are_all)
    }

    #[test]
    fn where_two_histories_parted() {
        let plain = graph(&["a", "ba", "cb", "db", "ed", "fa"]);
        assert_eq!(bases(&plain, 'c', 'e'), ("b".to_owned(), true));
        assert_eq!(bases(&plain, 'e', 'f'), ("a".to_owned(), true));
        // One leads to the other.
        assert_eq!(bases(&plain, 'e', 'b'), ("b".to_owned(), true));
        assert_eq!(bases(&plain, 'c', 'c'), ("c".to_owned(), true));
        // Each has merged the other.
        let crossed = graph(&["a", "ba", "ca", "dbc", "ecb"]);
        assert_eq!(bases(&crossed, 'd', 'e'), ("bc".to_owned(), true));
        // They have nothing in common.
        let apart = graph(&["a", "ba", "c", "dc"]);
        assert_eq!(bases(&apart, 'b', 'd'), (String::new(), true));
        // What is not there could have others, and could not.
        let cut = graph(&["bx", "cb", "db", "ecy"]);
        assert_eq!(bases(&cut, 'c', 'd'), ("b".to_owned(), true));
        assert_eq!(bases(&cut, 'd', 'e'), ("b".to_owned(), false));
    }

    #[test]
    fn a_line_is_of_first_parents() {
        let graph = graph(&["a", "ba", "ca", "dbc", "edc"]);
        let place = |letter: char| graph.place(&name(letter)).unwrap();
        let mut range = BTreeSet::new();
        graph.follow(place('e'), &mut range);
        range.remove(&place('a'));
        assert_eq!(graph.line(place('e'), &range), ['e', 'd', 'b'].map(place));
    }
}
