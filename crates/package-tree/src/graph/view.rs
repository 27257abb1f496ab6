//! What is shown of a graph: the part between packages, what needs some of them, only what a pattern matches, only
//! what is near, stages instead of packages.
//!
//! Each view is a graph again. None knows how it is drawn.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Graph, Node};

/// Whether a node is shown, by its place.
pub type Kept = Vec<bool>;

/// A text that is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPattern;

/// Tells whether a full name matches a pattern, which has `*`, `?` and `[a-z]`.
///
/// # Errors
///
/// A text that is no pattern.
pub fn matches(pattern: &str, name: &str) -> Result<bool, NoPattern> {
    patterns::matches(pattern.as_bytes(), name.as_bytes()).map_err(|_| NoPattern)
}

impl Graph {
    /// Returns the graph with all edges the other way.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut nodes: Vec<Node> = self.nodes.clone();
        for node in &mut nodes {
            node.edges.clear();
        }
        for (place, node) in self.nodes.iter().enumerate() {
            for edge in &node.edges {
                let back = Edge { to: place, ..*edge };
                nodes[edge.to].edges.push(back);
            }
        }
        Self {
            nodes,
            is_reversed: !self.is_reversed,
        }
    }

    /// Returns what needs one of `places`, directly or not, and those themselves, which then count as what was
    /// asked for. The edges lead from what is needed to what needs it.
    #[must_use]
    pub fn needing(&self, places: &BTreeSet<usize>) -> Self {
        let reversed = self.reversed();
        let kept = reversed.reached(places.iter().copied());
        let mut needing = reversed;
        for (place, node) in needing.nodes.iter_mut().enumerate() {
            node.is_requested = places.contains(&place);
        }
        needing.without_others(&kept)
    }

    /// Returns all that is on a way from one node to another.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> Self {
        let (below, above) = (self.reached([from]), self.reversed().reached([to]));
        let kept: Kept = below.iter().zip(&above).map(|(a, b)| *a && *b).collect();
        self.without_others(&kept)
    }

    /// Returns the part with these nodes, and the edges between them.
    #[must_use]
    pub fn without_others(&self, kept: &Kept) -> Self {
        let places = places(kept);
        self.part(kept, |_, node| {
            let edges = node.edges.iter().filter(|edge| kept[edge.to]);
            let to = |edge: &Edge| Edge {
                to: places[edge.to],
                ..*edge
            };
            (edges.map(to).collect(), node.hidden)
        })
    }

    /// Returns the part with these nodes. Where one of them leads to another by way of nodes that are left out, and
    /// by no other way, there is an edge that is not direct.
    #[must_use]
    pub fn across(&self, kept: &Kept) -> Self {
        let places = places(kept);
        let found: Vec<Vec<Edge>> = (0..self.nodes.len())
            .map(|place| {
                if kept[place] {
                    self.edges_across(place, kept)
                } else {
                    Vec::new()
                }
            })
            .collect();
        self.part(kept, |place, node| {
            let mut further = vec![false; found.len()];
            let mut pending: Vec<usize> = found[place]
                .iter()
                .flat_map(|edge| &found[edge.to])
                .map(|edge| edge.to)
                .collect();
            let is_all_direct = found[place].iter().all(|edge| edge.is_direct);
            while !is_all_direct && let Some(next) = pending.pop() {
                if !std::mem::replace(&mut further[next], true) {
                    pending.extend(found[next].iter().map(|edge| edge.to));
                }
            }
            let edges = found[place]
                .iter()
                .filter(|edge| edge.is_direct || !further[edge.to]);
            let to = |edge: &Edge| Edge {
                to: places[edge.to],
                ..*edge
            };
            (edges.map(to).collect(), node.hidden)
        })
    }

    /// Returns the edges from a node to those that are kept, through those that are not.
    fn edges_across(&self, place: usize, kept: &Kept) -> Vec<Edge> {
        let direct = self.nodes[place].edges.iter();
        let (mut edges, left_out): (Vec<Edge>, Vec<Edge>) = direct.partition(|edge| kept[edge.to]);
        let mut pending: Vec<usize> = left_out.iter().map(|edge| edge.to).collect();
        let mut seen = BTreeSet::new();
        let mut known: BTreeSet<usize> = edges.iter().map(|edge| edge.to).collect();
        let mut indirect = BTreeSet::new();
        while let Some(next) = pending.pop() {
            for edge in &self.nodes[next].edges {
                if !kept[edge.to] {
                    if seen.insert(edge.to) {
                        pending.push(edge.to);
                    }
                } else if known.insert(edge.to) {
                    indirect.insert(edge.to);
                }
            }
        }
        edges.extend(indirect.into_iter().map(|to| Edge {
            to,
            packages: 1,
            is_direct: false,
        }));
        edges
    }

    /// Returns the part that is at most so many edges away from where one begins to read, and notes how many edges
    /// of each node lead out of it.
    #[must_use]
    pub fn to_depth(&self, depth: usize) -> Self {
        let mut kept = vec![false; self.nodes.len()];
        let mut next: Vec<usize> = self.roots();
        for left in (0..=depth).rev() {
            let mut below = Vec::new();
            for place in next {
                if !std::mem::replace(&mut kept[place], true) && left > 0 {
                    below.extend(self.nodes[place].edges.iter().map(|edge| edge.to));
                }
            }
            next = below;
        }
        let places = places(&kept);
        self.part(&kept, |_, node| {
            let (near, far): (Vec<_>, Vec<_>) = node.edges.iter().partition(|edge| kept[edge.to]);
            let to = |edge: &Edge| Edge {
                to: places[edge.to],
                ..*edge
            };
            (near.into_iter().map(to).collect(), node.hidden + far.len())
        })
    }

    /// Returns the stages instead of their packages, in the order in which they first occur. Stages may need one
    /// another.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        for node in &self.nodes {
            let place = *places.entry(&node.stage).or_insert(nodes.len());
            if place == nodes.len() {
                nodes.push(Node {
                    name: node.stage.clone(),
                    packages: 0,
                    is_requested: false,
                    is_highlighted: false,
                    level: None,
                    edges: Vec::new(),
                    ..node.clone()
                });
            }
            let stage = &mut nodes[place];
            stage.packages += node.packages;
            stage.is_requested |= node.is_requested;
            stage.is_highlighted |= node.is_highlighted;
        }
        for node in &self.nodes {
            let stage = &mut nodes[places[node.stage.as_str()]];
            for edge in &node.edges {
                let to = places[self.nodes[edge.to].stage.as_str()];
                if self.nodes[edge.to].stage == node.stage {
                    continue;
                }
                match stage.edges.iter_mut().find(|known| known.to == to) {
                    Some(known) => {
                        known.packages += edge.packages;
                        known.is_direct |= edge.is_direct;
                    }
                    None => stage.edges.push(Edge { to, ..*edge }),
                }
            }
        }
        Self {
            nodes,
            is_reversed: self.is_reversed,
        }
    }

    /// Returns the part with these nodes, each with the edges and the number of hidden ones that `change` gives it.
    fn part(&self, kept: &Kept, change: impl Fn(usize, &Node) -> (Vec<Edge>, usize)) -> Self {
        let nodes = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(place, _)| kept[*place]);
        let nodes = nodes.map(|(place, node)| {
            let (edges, hidden) = change(place, node);
            Node {
                edges,
                hidden,
                ..node.clone()
            }
        });
        Self {
            nodes: nodes.collect(),
            is_reversed: self.is_reversed,
        }
    }
}

/// Returns where each node that is kept stands among those.
fn places(kept: &Kept) -> Vec<usize> {
    let mut next = 0;
    let place = |kept: &bool| {
        let place = next;
        next += usize::from(*kept);
        place
    };
    kept.iter().map(place).collect()
}
