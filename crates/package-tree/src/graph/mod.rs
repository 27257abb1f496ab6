//! The graph of a plan: which package needs which, and the parts of that which a person asks for.
//!
//! All of it is pure. It knows the plan, and no files, no images, and nothing of how long builds take.

mod count;
mod draw;
mod text;
mod touched;
mod view;
mod ways;

use std::collections::BTreeMap;

pub use count::Count;
pub use draw::{dot, mermaid};
pub use text::text;
pub use view::{Kept, NoPattern, matches};
pub use ways::Ways;

use crate::plan::Plan;

/// Packages, or stages of the tree, and which of them needs which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// What there is. In the graph of a plan each stands behind all that it needs.
    pub nodes: Vec<Node>,
    /// Whether the edges lead the other way: from what is needed to what needs it.
    pub is_reversed: bool,
}

/// A package, or all packages of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The full name of the package, or the name of the stage.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// How many packages it stands for.
    pub packages: usize,
    /// Whether it was asked for.
    pub is_requested: bool,
    /// Whether it is to be found at once.
    pub is_highlighted: bool,
    /// How many packages have to be built one after another until it is there, with itself. Stages have none.
    pub level: Option<usize>,
    /// What it needs; in a graph that is reversed, what needs it.
    pub edges: Vec<Edge>,
    /// How many more edges it has in the whole graph.
    pub hidden: usize,
}

/// What a node leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The place of the other node.
    pub to: usize,
    /// How many edges between packages it stands for.
    pub packages: usize,
    /// Whether the one names the other, and does not only need it by way of packages that are left out.
    pub is_direct: bool,
}

impl Graph {
    /// Returns the graph of a plan.
    pub fn of_plan(plan: &Plan) -> Self {
        let mut places = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::with_capacity(plan.packages.len());
        for package in &plan.packages {
            let edges = package.dependencies().map(|name| Edge {
                to: places[name],
                packages: 1,
                is_direct: true,
            });
            let edges: Vec<Edge> = edges.collect();
            let below = edges.iter().map(|edge| nodes[edge.to].level);
            let level = below.max().flatten().unwrap_or_default() + 1;
            places.insert(package.name.as_str(), nodes.len());
            nodes.push(Node {
                name: package.name.clone(),
                stage: package.stage.clone(),
                packages: 1,
                is_requested: package.requested,
                is_highlighted: false,
                level: Some(level),
                edges,
                hidden: 0,
            });
        }
        Self {
            nodes,
            is_reversed: false,
        }
    }

    /// Returns where one begins to read: at what was asked for, and at what nothing leads to. Where everything
    /// was asked for, that says nothing.
    pub fn roots(&self) -> Vec<usize> {
        let everything = self.nodes.iter().all(|node| node.is_requested);
        let mut is_led_to = vec![false; self.nodes.len()];
        for edge in self.nodes.iter().flat_map(|node| &node.edges) {
            is_led_to[edge.to] = true;
        }
        let is_root =
            |&place: &usize| !is_led_to[place] || (!everything && self.nodes[place].is_requested);
        let mut roots: Vec<usize> = (0..self.nodes.len()).filter(is_root).collect();
        roots.sort_by(|&one, &other| self.nodes[one].name.cmp(&self.nodes[other].name));
        // What is in a circle, which only stages can be, is read from what comes last, as everything else is.
        let mut seen = self.reached(roots.iter().copied());
        let mut rest: Vec<usize> = (0..self.nodes.len()).collect();
        if !self.is_reversed {
            rest.reverse();
        }
        for place in rest {
            if !seen[place] {
                roots.push(place);
                for (seen, now) in seen.iter_mut().zip(self.reached([place])) {
                    *seen |= now;
                }
            }
        }
        roots
    }

    /// Tells of each node whether the edges lead to it from one of `places`; to itself they do.
    pub fn reached(&self, places: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        let mut pending: Vec<usize> = places.into_iter().collect();
        while let Some(place) = pending.pop() {
            if !std::mem::replace(&mut reached[place], true) {
                pending.extend(self.nodes[place].edges.iter().map(|edge| edge.to));
            }
        }
        reached
    }

    /// Returns each edge, as who needs whom: the places of the two, and the edge.
    pub fn needs(&self) -> impl Iterator<Item = (usize, usize, &Edge)> {
        let of_node = |(place, node): (usize, &'_ Node)| (place, node.edges.len());
        let nodes = self.nodes.iter().enumerate().map(of_node);
        let edges = nodes.flat_map(|(place, count)| (0..count).map(move |edge| (place, edge)));
        edges.map(|(place, edge)| {
            let edge = &self.nodes[place].edges[edge];
            if self.is_reversed {
                (edge.to, place, edge)
            } else {
                (place, edge.to, edge)
            }
        })
    }
}

impl From<&Graph> for documents::Graph {
    fn from(graph: &Graph) -> Self {
        let node = |node: &Node| documents::GraphNode {
            name: node.name.clone(),
            stage: node.stage.clone(),
            packages: node.packages,
            level: node.level,
            requested: node.is_requested,
            highlighted: node.is_highlighted,
            hidden: node.hidden,
        };
        let edge = |(from, to, edge): (usize, usize, &Edge)| documents::GraphEdge {
            from: graph.nodes[from].name.clone(),
            to: graph.nodes[to].name.clone(),
            packages: edge.packages,
            direct: edge.is_direct,
        };
        Self {
            version: documents::Version,
            nodes: graph.nodes.iter().map(node).collect(),
            edges: graph.needs().map(edge).collect(),
            files: None,
        }
    }
}

#[cfg(test)]
mod tests;
