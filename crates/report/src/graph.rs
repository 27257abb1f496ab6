//! The graph of the packages by levels: who needs nothing stands left, and everybody right of all that they need.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use documents::{Plan, Report, ReportState};

use crate::pages::class_of;

const COLUMN: usize = 190;
const ROW: usize = 22;
const BOX: usize = 150;

/// The graph, drawn.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// All edges, as one path of SVG.
    pub(crate) edges: String,
    pub(crate) nodes: Vec<Node>,
    /// The names of each level, and the class of each.
    pub(crate) levels: Vec<Vec<(String, ReportState)>>,
}

/// A package of it.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) short: String,
    pub(crate) state: &'static str,
    pub(crate) class: &'static str,
    pub(crate) x: usize,
    pub(crate) y: usize,
}

/// Draws the graph of a plan, with the states that a report has.
pub(crate) fn picture(plan: &Plan, report: &Report) -> Picture {
    let states: BTreeMap<&str, ReportState> = report
        .packages
        .iter()
        .map(|each| (each.name.as_str(), each.state))
        .collect();
    // (level, place in it); packages stand behind all that they need.
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut levels: Vec<Vec<(String, ReportState)>> = Vec::new();
    let mut nodes = Vec::with_capacity(plan.packages.len());
    let mut edges = String::new();
    for package in &plan.packages {
        let needs = package
            .dependencies
            .iter()
            .filter_map(|name| places.get(name.as_str()));
        let level = needs
            .clone()
            .map(|(level, _)| level + 1)
            .max()
            .unwrap_or_default();
        if levels.len() <= level {
            levels.resize_with(level + 1, Vec::new);
        }
        let row = levels[level].len();
        let state = states
            .get(package.name.as_str())
            .copied()
            .unwrap_or(ReportState::Missing);
        levels[level].push((package.name.clone(), state));
        let (x, y) = (level * COLUMN, row * ROW);
        for &(from_level, from_row) in needs {
            let (from_x, from_y) = (from_level * COLUMN + BOX, from_row * ROW + 9);
            let half = (x - from_x) / 2;
            let (middle, end) = (from_x + half, y + 9);
            let _ = write!(
                edges,
                "M{from_x} {from_y}C{middle} {from_y} {middle} {end} {x} {end}"
            );
        }
        places.insert(&package.name, (level, row));
        let is_long = package.name.chars().count() > 22;
        let short: String = package.name.chars().take(21).collect();
        nodes.push(Node {
            name: package.name.clone(),
            short: if is_long {
                short + "…"
            } else {
                package.name.clone()
            },
            state: state.word(),
            class: class_of(state),
            x,
            y,
        });
    }
    let highest = levels.iter().map(Vec::len).max().unwrap_or_default();
    Picture {
        width: levels.len() * COLUMN,
        height: highest * ROW,
        edges,
        nodes,
        levels,
    }
}
