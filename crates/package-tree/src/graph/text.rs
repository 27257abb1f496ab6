//! A graph as a tree of lines. What stands below a node is shown once.

use std::fmt::Write as _;

use super::{Edge, Graph, Node};

/// What stands behind a name whose edges are shown further up.
const ABOVE: &str = " (*)";

/// Where one is while the lines are written.
struct Open<'a> {
    edges: std::slice::Iter<'a, Edge>,
    /// How long what stands before its lines is, without what leads to them.
    indent: usize,
}

/// Returns what a line says of a node, to which `edge` leads.
fn label(node: &Node, edge: Option<&Edge>) -> String {
    let mut label = node.name.clone();
    if node.level.is_none() {
        let _ = match edge {
            None => write!(label, ", packages: {}", node.packages),
            Some(edge) => write!(label, ", edges: {}", edge.packages),
        };
    }
    if edge.is_some_and(|edge| !edge.is_direct) {
        label.push_str(" (through others)");
    }
    if node.is_highlighted {
        label.push_str(" <<<");
    }
    if node.hidden > 0 {
        let _ = write!(label, " (+{})", node.hidden);
    }
    label
}

/// Returns a graph as lines: a tree below each place where one begins to read. `(*)` says that what is below is
/// shown further up, `(+N)` that so many edges are not shown, `<<<` that a node is highlighted.
pub fn text(graph: &Graph) -> String {
    let mut lines = String::new();
    let mut shown = vec![false; graph.nodes.len()];
    let mut indent = String::new();
    for root in graph.roots() {
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some((root, None));
        loop {
            if let Some((place, edge)) = next.take() {
                let label = label(&graph.nodes[place], edge);
                let edges = graph.nodes[place].edges.as_slice();
                let is_above = std::mem::replace(&mut shown[place], true) && !edges.is_empty();
                let above = if is_above { ABOVE } else { "" };
                let _ = writeln!(lines, "{label}{above}");
                let edges = if is_above { &[] } else { edges };
                open.push(Open {
                    edges: edges.iter(),
                    indent: indent.len(),
                });
            }
            let Some(last) = open.last_mut() else {
                break;
            };
            indent.truncate(last.indent);
            let Some(edge) = last.edges.next() else {
                open.pop();
                continue;
            };
            let is_last = last.edges.len() == 0;
            let (branch, below) = if is_last {
                ("\u{2514}\u{2500}\u{2500} ", "    ")
            } else {
                ("\u{251c}\u{2500}\u{2500} ", "\u{2502}   ")
            };
            let _ = write!(lines, "{indent}{branch}");
            indent.push_str(below);
            next = Some((edge.to, Some(edge)));
        }
    }
    lines
}
