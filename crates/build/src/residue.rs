//! Where a step's layer may hold what an engine left behind: mount points that it made for a RUN
//! and did not remove, in the RUN's own layer and wherever a COPY carried them on.
//!
//! Only names places. Whether something there is a leftover is decided by who sees the layer.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Base, Build, Instruction, Run, StageId, StepId};
use oci_image::{Leftover, LeftoverKind, TreePath, leftovers_of_run};

use crate::place;

/// Places relative to the root, each with the shape of what may lie there.
type Places = BTreeMap<Utf8PathBuf, LeftoverKind>;

/// Returns what the engine may have left in the layer of a step.
pub(crate) fn of_layer(build: &Build, id: StepId) -> Vec<Leftover> {
    let leftover = |(path, kind): (Utf8PathBuf, LeftoverKind)| {
        // A destination that is no path of a layer holds no leftovers of ours either.
        let path = TreePath::parse(path.as_str().as_bytes()).ok()?;
        Some(Leftover { path, kind })
    };
    of_step(build, id)
        .into_iter()
        .filter_map(leftover)
        .collect()
}

/// Returns the places that engines mount something on in a RUN: those that every RUN has, and
/// the targets of its own mounts with the directories that they lie in.
fn of_run(run: &Run, directory: &str) -> Places {
    let mut places = of_every_run();
    for mount in &run.mounts {
        let target = ["target", "dst", "destination"]
            .into_iter()
            .find_map(|key| mount.get(key));
        let Some(target) = target else { continue };
        let target = place::relative(&place::absolute(target, directory));
        let directories = target.ancestors().filter(|path| !path.as_str().is_empty());
        for place in directories {
            places
                .entry(place.to_owned())
                .or_insert(LeftoverKind::Directory);
        }
    }
    places
}

/// Returns the places that engines mount something on in every RUN.
fn of_every_run() -> Places {
    let known = leftovers_of_run("").expect("the known places are paths of a layer");
    known
        .into_iter()
        .map(|each| (Utf8PathBuf::from(each.path.to_string()), each.kind))
        .collect()
}

/// Returns the places of one step's layer where leftovers may lie.
fn of_step(build: &Build, id: StepId) -> Places {
    let Some(step) = build.step(id) else {
        return Places::new();
    };
    match &step.instruction {
        Instruction::Run(run) => of_run(run, &step.working_directory),
        Instruction::Copy(copy) => {
            let from = copy.from.as_deref().map(|name| build.source(name));
            let Some(Base::Stage(from)) = from else {
                return Places::new();
            };
            let there = of_stage(build, from);
            let destination = place::destination(step, &copy.sources);
            let carried = copy.sources.paths.iter().flat_map(|path| {
                let source = place::relative(Utf8Path::new(path));
                let below = there.iter().filter_map(|(place, kind)| {
                    Some((
                        place::relative(&destination.join(carried(&source, place)?)),
                        *kind,
                    ))
                });
                below.collect::<Vec<_>>()
            });
            carried.collect()
        }
        _ => Places::new(),
    }
}

/// Returns all places in a stage's file system where leftovers may lie.
fn of_stage(build: &Build, id: StageId) -> Places {
    let Some(stage) = build.stage(id) else {
        return Places::new();
    };
    let mut places = match stage.base {
        Base::Stage(base) => of_stage(build, base),
        Base::Scratch | Base::Image(_) => Places::new(),
    };
    for step in &stage.steps {
        places.extend(of_step(build, step.id));
    }
    places
}

/// Returns where `place` comes to lie below the destination of a COPY of `source`, if it is
/// below `source`. A directory is copied without its own name, whether it is named or matched by a
/// pattern.
fn carried(source: &Utf8Path, place: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut rest = place.components();
    for pattern in source.components() {
        let name = rest.next()?;
        let fixed = pattern
            .as_str()
            .split(['*', '?', '[', '\\'])
            .next()
            .unwrap_or_default();
        let matches = if fixed == pattern.as_str() {
            fixed == name.as_str()
        } else {
            name.as_str().starts_with(fixed)
        };
        if !matches {
            return None;
        }
    }
    let rest = rest.as_path();
    (!rest.as_str().is_empty()).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests;
