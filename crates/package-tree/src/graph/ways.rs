//! By which ways one package needs another: the shortest are listed, and all of them counted.
//!
//! Listing takes time for what is listed only, and counting for each edge once, however many ways there are.

use super::Graph;
use super::count::Count;

/// The ways from one package to another that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// The first of the shortest ways, each with the places of both ends, in the order of the Containerfiles.
    pub shortest: Vec<Vec<usize>>,
    /// How many are as short, with those that are listed.
    pub as_short: Count,
    /// How many there are in all.
    pub all: Count,
}

impl Graph {
    /// Finds the ways from the node at `from` to that at `to`, and lists at most `most` of the shortest. The graph
    /// is that of a plan, where nothing needs what stands behind it.
    pub fn ways(&self, from: usize, to: usize, most: usize) -> Ways {
        let mut all = vec![Count::default(); self.nodes.len()];
        let mut as_short = all.clone();
        let mut lengths: Vec<Option<usize>> = vec![None; self.nodes.len()];
        (all[to], as_short[to], lengths[to]) = (Count::one(), Count::one(), Some(0));
        for place in to + 1..=from.max(to) {
            let edges = &self.nodes[place].edges;
            let nearest = edges.iter().filter_map(|edge| lengths[edge.to]).min();
            let mut counted = (Count::default(), Count::default());
            for edge in edges.iter().filter(|edge| lengths[edge.to].is_some()) {
                counted.0 += &all[edge.to];
                if lengths[edge.to] == nearest {
                    counted.1 += &as_short[edge.to];
                }
            }
            (all[place], as_short[place]) = counted;
            lengths[place] = nearest.map(|length| length + 1);
        }
        Ways {
            shortest: self.listed(from, to, most, &lengths),
            as_short: std::mem::take(&mut as_short[from]),
            all: std::mem::take(&mut all[from]),
        }
    }

    fn listed(
        &self,
        from: usize,
        to: usize,
        most: usize,
        lengths: &[Option<usize>],
    ) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        if lengths[from].is_none() {
            return found;
        }
        // Each step of it leads nearer, so none is in vain.
        let mut pending = vec![vec![from]];
        while found.len() < most
            && let Some(way) = pending.pop()
        {
            let last = way[way.len() - 1];
            if last == to {
                found.push(way);
                continue;
            }
            let left = lengths[last].map(|length| length - 1);
            let nearer = self.nodes[last].edges.iter().rev();
            for edge in nearer.filter(|edge| lengths[edge.to] == left) {
                pending.push([&way[..], &[edge.to]].concat());
            }
        }
        found
    }
}
