//! From an engine's layers to the canonical image.

use backend_api::{EngineImage, LayerRecord};
use camino::Utf8Path;
use containerfile::{Build, Instruction, Step};
use oci_image::{Destination, ImageRequest, LayerEvent, LayerSource, Leftover, Recorded, TreePath};

use crate::engine::Engine;
use crate::error::Error;
use crate::log::Log;
use crate::place;
use crate::request::step_id;
use crate::residue;
use crate::resolve::Resolved;

/// Writes the image whose layers were exported as a layout to `destination`.
pub(crate) fn write(
    engine: &Engine,
    resolved: &Resolved,
    layers: &EngineImage,
    destination: &Utf8Path,
    log: &Log,
) -> Result<(), Error> {
    let Resolved { recipe, build, .. } = resolved;
    check(engine, build, layers)?;
    let capabilities = &engine.ready.capabilities;
    let source = |step: &Step| LayerSource {
        tar: layers
            .layers
            .iter()
            .find(|layer| layer.step == step_id(step.id))
            .map(|layer| layer.tar.clone()),
        recorded: match capabilities.layers {
            LayerRecord::Changes => Recorded::Changes,
            LayerRecord::Touched => Recorded::Touched,
        },
        leftovers: if capabilities.leaves_mount_points {
            residue::of_layer(build, step.id)
        } else {
            Vec::new()
        },
        destination: destination_of(step),
    };
    let request = ImageRequest {
        repository: recipe.repository.clone(),
        tag: recipe.tag.clone(),
        platform: resolved.platform.clone(),
        profile: recipe.profile,
        base: resolved.base(),
        build,
        layers: build
            .image_steps()
            .filter(|step| step.makes_layer())
            .map(source)
            .collect(),
    };
    let image = oci_image::assemble(&request, destination)?;
    let mut ambiguous = 0;
    for LayerEvent { layer, event } in &image.events {
        log.line(&format!("layer {}: {event}", layer + 1));
        ambiguous += usize::from(matches!(event, oci_image::Event::Ambiguous { .. }));
    }
    if ambiguous > 0 {
        // One line for all: copying a directory twice can bring hundreds.
        log.notice(&format!(
            "whole seconds cannot tell whether {ambiguous} entries were written again; what was \
             decided for each is in the log"
        ));
    }
    Ok(())
}

/// What is known of a step that makes a layer, whichever engine made it.
#[derive(Debug, Clone)]
pub struct LayerStep {
    /// Whether programs run in it.
    pub runs: bool,
    /// What an engine may leave in its layer.
    pub leftovers: Vec<Leftover>,
    /// Where it copies to, if it copies.
    pub destination: Option<Destination>,
}

/// Returns the steps of a build that make the layers of its image, in order.
pub fn layer_steps(build: &Build) -> Vec<LayerStep> {
    let steps = build.image_steps().filter(|step| step.makes_layer());
    let steps = steps.map(|step| LayerStep {
        runs: matches!(step.instruction, Instruction::Run(_)),
        leftovers: residue::of_layer(build, step.id),
        destination: destination_of(step),
    });
    steps.collect()
}

/// Returns where a step copies to, if it copies.
fn destination_of(step: &Step) -> Option<Destination> {
    let (sources, chmod) = match &step.instruction {
        Instruction::Copy(copy) => (&copy.sources, copy.chmod.as_deref()),
        // What is unpacked has permissions of its own, and so has the directory that is made for it.
        Instruction::Add(add) if add.unpack != Some(false) => (&add.sources, None),
        Instruction::Add(add) => (&add.sources, add.chmod.as_deref()),
        _ => return None,
    };
    Some(Destination {
        path: TreePath::parse(place::destination(step, sources).as_str().as_bytes()).ok()?,
        mode: chmod.and_then(|text| u32::from_str_radix(text, 8).ok()),
    })
}

/// Refuses layers that are of no step, of one that has a layer already, or out of order.
fn check(engine: &Engine, build: &Build, layers: &EngineImage) -> Result<(), Error> {
    let steps = || build.image_steps().filter(|step| step.makes_layer());
    let mut to_come = steps();
    for layer in &layers.layers {
        if !to_come.any(|step| step_id(step.id) == layer.step) {
            return Err(Error::StrayLayer {
                runtime: engine.backend.id().to_owned(),
                step: layer.step.to_string(),
                expected: steps().count(),
            });
        }
    }
    Ok(())
}
