//! A graph for programs that draw: Graphviz's DOT, and Mermaid. The arrows lead from what needs to what is needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Edge, Graph, Node};

/// The colour of what is highlighted.
const HIGHLIGHT: &str = "#ffd54f";

/// Returns the nodes of each stage; those that are stages themselves stand alone.
fn by_stage(graph: &Graph) -> BTreeMap<&str, Vec<usize>> {
    let mut stages: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, node) in graph.nodes.iter().enumerate() {
        let stage = node.level.map_or("", |_| node.stage.as_str());
        stages.entry(stage).or_default().push(place);
    }
    stages
}

/// Returns what stands in the box of a node, without an end of a line.
fn words(node: &Node) -> Vec<String> {
    let mut words = vec![node.name.clone()];
    if node.level.is_none() {
        words.push(format!("packages: {}", node.packages));
    }
    if node.hidden > 0 {
        words.push(format!("+{}", node.hidden));
    }
    words
}

/// Returns what stands beside an arrow.
fn beside(graph: &Graph, from: usize, edge: &Edge) -> Option<String> {
    let is_of_stages = graph.nodes[from].level.is_none();
    is_of_stages.then(|| edge.packages.to_string())
}

/// Returns a graph in the language of Graphviz, with a frame around each stage.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph stagex {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", \
         fillcolor=white, fontname=\"sans-serif\"];\n",
    );
    for (stage, places) in by_stage(graph) {
        let indent = if stage.is_empty() { "  " } else { "    " };
        if !stage.is_empty() {
            let _ = writeln!(
                text,
                "  subgraph \"cluster_{stage}\" {{\n    label=\"{stage}\";"
            );
        }
        for place in places {
            let node = &graph.nodes[place];
            let label = words(node).join("\\n");
            let _ = write!(text, "{indent}\"{}\" [label=\"{label}\"", node.name);
            if node.is_highlighted {
                let _ = write!(text, ", fillcolor=\"{HIGHLIGHT}\"");
            }
            if node.is_requested {
                text.push_str(", penwidth=2");
            }
            text.push_str("];\n");
        }
        if !stage.is_empty() {
            text.push_str("  }\n");
        }
    }
    for (from, to, edge) in graph.needs() {
        let name = |place: usize| &graph.nodes[place].name;
        let _ = write!(text, "  \"{}\" -> \"{}\"", name(from), name(to));
        let label = beside(graph, from, edge).map(|label| format!("label=\"{label}\""));
        let style = (!edge.is_direct).then(|| "style=dashed".to_owned());
        let attributes: Vec<String> = label.into_iter().chain(style).collect();
        if !attributes.is_empty() {
            let _ = write!(text, " [{}]", attributes.join(", "));
        }
        text.push_str(";\n");
    }
    text.push_str("}\n");
    text
}

/// Returns a graph in the language of Mermaid.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (stage, places) in by_stage(graph) {
        let indent = if stage.is_empty() { "  " } else { "    " };
        if !stage.is_empty() {
            let _ = writeln!(text, "  subgraph stage-{stage} [\"{stage}\"]");
        }
        for place in places {
            let node = &graph.nodes[place];
            let label = words(node).join("<br>");
            let class = if node.is_highlighted {
                ":::highlight"
            } else {
                ""
            };
            let _ = writeln!(text, "{indent}n{place}[\"{label}\"]{class}");
        }
        if !stage.is_empty() {
            text.push_str("  end\n");
        }
    }
    for (from, to, edge) in graph.needs() {
        let arrow = if edge.is_direct { "-->" } else { "-.->" };
        let label = beside(graph, from, edge);
        let label = label.map_or_else(String::new, |label| format!("|{label}|"));
        let _ = writeln!(text, "  n{from} {arrow}{label} n{to}");
    }
    if graph.nodes.iter().any(|node| node.is_highlighted) {
        let _ = writeln!(text, "  classDef highlight fill:{HIGHLIGHT}");
    }
    text
}
