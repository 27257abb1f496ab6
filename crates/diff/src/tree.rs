//! The file systems that the layers of two images make, side by side. How they came to be does not matter: layers,
//! the order and the format of entries, and the names of users.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use documents::{DiffClass, DiffPart};
use images::{Image, Layer};
use rayon::prelude::*;

use crate::entries::{Where, properties};
use crate::error::Error;
use crate::findings::Findings;
use crate::layer::{Pair, look_into};
use crate::limits::{Limits, Options};
use crate::record::{self, Budget, Kind, Record, Records};

/// What the names of whiteouts begin with, and the one that says that nothing below is seen.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Which entry made a file: the layer, and the number of the entry in it.
type Maker = (usize, usize);
/// The paths at which files are seen that differ, by what made the two.
type Seen<'a> = BTreeMap<(Maker, Maker), Vec<&'a [u8]>>;

/// What has a path: what made the file, of which there may be several paths.
#[derive(Debug, Clone, Copy)]
struct Node {
    file: Maker,
}

/// The file system that layers make.
struct Tree {
    layers: Vec<Records>,
    nodes: BTreeMap<Vec<u8>, Node>,
    /// The first of the names of each file.
    names: BTreeMap<Maker, Vec<u8>>,
}

const PLACE: Where = Where {
    part: DiffPart::Tree,
    layer: None,
};

/// Compares the file systems of two images.
pub(crate) fn compare(
    left: &Image,
    right: &Image,
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    let limits = &options.limits;
    let (first, second) = rayon::join(
        || Tree::read(&left.layers, limits),
        || Tree::read(&right.layers, limits),
    );
    let (first, second) = (first?, second?);
    let mut groups: BTreeMap<(usize, usize), Seen> = BTreeMap::new();
    let mut looked = 0;
    let mut count = 0;
    let more = second.nodes.keys();
    let more = more.filter(|path| !first.nodes.contains_key(*path));
    let mut paths: Vec<&Vec<u8>> = first.nodes.keys().chain(more).collect();
    paths.sort_unstable();
    for path in paths {
        let (here, there) = (first.nodes.get(path), second.nodes.get(path));
        let (Some(here), Some(there)) = (here, there) else {
            let (tree, node, class) = match (here, there) {
                (Some(node), _) => (&first, node, DiffClass::Removed),
                (None, Some(node)) => (&second, node, DiffClass::Added),
                (None, None) => continue,
            };
            let what = Some(tree.record(node.file).kind.word());
            let (left, right) = match class {
                DiffClass::Removed => (what, None),
                _ => (None, what),
            };
            findings.add(PLACE.difference(Some(path), class, "entry", left, right));
            continue;
        };
        let (a, b) = (first.meaning(path, *here), second.meaning(path, *there));
        if properties(PLACE, &a, &b, findings) {
            count += 1;
            if looked < limits.files {
                looked += 1;
                let group = groups.entry((here.file.0, there.file.0)).or_default();
                let paths = group.entry((here.file, there.file)).or_default();
                paths.push(path);
            }
        }
        let (a, b) = (first.other_name(path, here), second.other_name(path, there));
        if a != b {
            let name = |name: Option<&[u8]>| {
                name.map_or_else(
                    || "none".to_owned(),
                    |name| format!("`{}`", record::shown(name)),
                )
            };
            let (a, b) = (Some(name(a)), Some(name(b)));
            findings.add(PLACE.difference(Some(path), DiffClass::Links, "hard link", a, b));
        }
    }
    for ((here, there), makers) in groups {
        let pairs: Vec<Pair> = makers
            .into_iter()
            .map(|((a, b), paths)| Pair {
                places: (a.1, b.1),
                files: (first.record(a), second.record(b)),
                paths,
            })
            .collect();
        let layers = (&left.layers[here], &right.layers[there]);
        look_into(layers, &pairs, PLACE, options, findings)?;
    }
    if count > looked {
        findings.note(format!(
            "{count} files differ, and {looked} were looked into"
        ));
    }
    Ok(())
}

impl Tree {
    fn read(layers: &[Layer], limits: &Limits) -> Result<Self, Error> {
        let budget = Budget::of_image(limits);
        let read: Vec<Result<Records, Error>> = layers
            .par_iter()
            .map(|layer| record::read(layer, &budget))
            .collect();
        let mut tree = Self {
            layers: read.into_iter().collect::<Result<_, _>>()?,
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for layer in 0..tree.layers.len() {
            tree.apply(layer);
        }
        for (path, node) in &tree.nodes {
            tree.names.entry(node.file).or_insert_with(|| path.clone());
        }
        Ok(tree)
    }

    fn apply(&mut self, layer: usize) {
        let records = std::mem::take(&mut self.layers[layer].entries);
        let mut files = Vec::new();
        // What a layer removes is of the layers below it, wherever in the layer that stands.
        for (number, record) in records.iter().enumerate() {
            let slash = record.path.iter().rposition(|byte| *byte == b'/');
            let (parent, name) = record.path.split_at(slash.map_or(0, |slash| slash + 1));
            if name == OPAQUE {
                self.remove_below(parent);
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                let path = [parent, hidden].concat();
                self.remove(&path);
            } else {
                files.push(number);
            }
        }
        for number in files {
            let record = &records[number];
            let mut file = (layer, number);
            if record.kind == Kind::HardLink
                && let Some(target) = self.nodes.get(&record.link)
            {
                file = target.file;
            }
            if record.kind != Kind::Directory {
                self.remove(&record.path);
            }
            self.nodes.insert(record.path.clone(), Node { file });
        }
        self.layers[layer].entries = records;
    }

    /// Removes a path, and all that is below it.
    fn remove(&mut self, path: &[u8]) {
        self.nodes.remove(path);
        let below = [path, b"/"].concat();
        self.remove_below(&below);
    }

    /// Removes all paths that begin with `start`, which ends with a slash, or is all of them.
    fn remove_below(&mut self, start: &[u8]) {
        loop {
            let mut range = self
                .nodes
                .range::<[u8], _>((Bound::Excluded(start), Bound::Unbounded));
            let next = range.next().map(|(path, _)| path.clone());
            match next.filter(|path| path.starts_with(start)) {
                Some(path) => _ = self.nodes.remove(&path),
                None => return,
            }
        }
    }

    fn record(&self, (layer, number): Maker) -> &Record {
        &self.layers[layer].entries[number]
    }

    /// Returns what a path is, without how that is written.
    fn meaning(&self, path: &[u8], node: Node) -> Record {
        let nothing: Arc<str> = Arc::from("");
        let mut record = self.record(node.file).clone();
        record.path = path.to_vec();
        record.names = Arc::clone(&nothing);
        record.style = Arc::clone(&nothing);
        record.keys = nothing;
        record.header = [0; 16];
        record
    }

    /// Returns another name of a file, if it has several.
    fn other_name(&self, path: &[u8], node: &Node) -> Option<&[u8]> {
        let name = self.names.get(&node.file)?;
        Some(name.as_slice()).filter(|name| *name != path)
    }
}
