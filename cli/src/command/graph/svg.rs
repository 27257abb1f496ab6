//! A picture of a graph, drawn by Graphviz.

use std::time::Duration;

use process::{Invocation, find};

use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::wait;

/// How long Graphviz may draw: it takes seconds for a tree of 500 packages.
const LIMIT: Duration = Duration::from_secs(300);
/// How large a picture may be, in bytes.
const LARGEST: usize = 256 << 20;
const FEWER: &str =
    "--depth, --only, --without and --collapse show less; --as dot writes what Graphviz is given";

/// Returns the picture of a graph in Graphviz's language.
pub(super) fn draw(graph: &str) -> Result<String, Failure> {
    let program = find("dot".into()).map_err(|error| {
        let hint = "install Graphviz (the package graphviz), or use --as dot or --as mermaid";
        Failure::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
    })?;
    let invocation = Invocation::new(&program)
        .argument("-Tsvg")
        .input(graph)
        .time_limit(LIMIT)
        .output_limit(LARGEST);
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let ran = wait::unless(&mut interrupted, invocation.run()).await?;
        let ran = ran.map_err(|error| {
            Failure::new(ErrorKind::Environment, &error, Some(FEWER.to_owned()))
        })?;
        if !ran.succeeded() {
            let message = format!("Graphviz could not draw the graph: {}", ran.stderr.trim());
            return Err(Failure::of(ErrorKind::Environment, [(message, None)]));
        }
        Ok(ran.stdout_text().into_owned())
    })
}
