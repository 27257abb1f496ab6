//! From a resolved Containerfile to what a backend is asked to build: lowered to the engine's
//! dialect, with every name bound to a context, and a decision about the network.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use backend_api::{
    BuildArgument, BuildKey, BuildRequest, ContextSource, NamedContext, Network, Stage, Step,
    StepId, StepKind, Variations,
};
use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{
    Base, Build, CopiedSource, Instruction, Lowered, NetworkMode, Notice, ResolvedStage,
};
use package_tree::Source;

use crate::context::{self, Whose};
use crate::engine::Engine;
use crate::error::Error;
use crate::ignore::Ignored;
use crate::linked;
use crate::listing::{FETCH, Foreign, list_context};
use crate::lowering::{Names, SIDE, lower};
use crate::place::relative;
use crate::recipe::{Context, Sources};
use crate::refusal::Refusals;
use crate::resolve::{Resolved, unusable};
use crate::sources;
use state::IoContext as _;

/// What an engine leaves out of a context, beside the Containerfile.
const IGNORED: &str = "Containerfile.dockerignore";
/// Build arguments that speak to one engine's frontend, about the file as it was written.
const FRONTEND_ARGUMENTS: &str = "BUILDKIT_";

/// A request, and what a person should know about it.
pub(crate) struct Prepared {
    pub request: BuildRequest,
    pub notices: Vec<String>,
}

/// Lays out in `work` all that the build of `key` is given, and writes down the request for it.
pub(crate) fn prepare(
    engine: &Engine,
    resolved: &Resolved,
    varied: Variations,
    key: BuildKey,
    work: &Utf8Path,
) -> Result<Prepared, Error> {
    let Resolved { recipe, build, .. } = resolved;
    let capabilities = &engine.ready.capabilities;

    let main = work.join("context");
    let mut hard_links = false;
    let fetch = main_context(resolved, work, &main, &mut hard_links)?;
    let mut contexts = contexts(resolved, work, &fetch, &mut hard_links)?;
    let name = |name: &str| {
        if capabilities.dialect.named_contexts {
            name.to_owned()
        } else {
            // The engine finds it in its store, under a name that only this build uses.
            format!("{}/{}", key.name(), BuildKey::new(name))
        }
    };
    let names = Names {
        side_context: name(SIDE),
        references: contexts
            .iter()
            .map(|(from, (to, _))| (from.clone(), name(to)))
            .collect(),
    };
    let refused = |refusals| {
        let mut refused = Refusals::default();
        refused.add(&recipe.name, refusals);
        Error::Refused {
            runtime: engine.runtime().to_owned(),
            refusals: refused,
        }
    };
    if !capabilities.dialect.copy_patterns {
        let refusals = linked::refusals(resolved);
        if !refusals.is_empty() {
            return Err(refused(refusals));
        }
    }
    let (lowered, network) =
        lower(&engine.chosen(), recipe, (&resolved.file, build), names).map_err(refused)?;
    if lowered.needs_side_context() {
        let directory = work.join("side");
        write_side_context(&lowered, &directory)?;
        contexts.insert(
            SIDE.into(),
            (SIDE.into(), ContextSource::Directory(directory)),
        );
    }
    let containerfile = work.join("Containerfile");
    fs::write(&containerfile, &lowered.text).at("write", &containerfile)?;
    // What is in the contexts was chosen: an engine that finds this list looks for no other there.
    let ignored = work.join(IGNORED);
    fs::write(&ignored, "# nothing\n").at("write", &ignored)?;
    let notices = notices(&lowered, build, network, &main, work)?;

    let engine_directory = work.join("engine");
    context::make_directory(&engine_directory)?;
    let named: BTreeMap<String, ContextSource> = contexts
        .into_values()
        .map(|(to, source)| (name(&to), source))
        .collect();
    let request = BuildRequest {
        key,
        containerfile,
        context: main,
        contexts: named
            .into_iter()
            .map(|(name, source)| NamedContext { name, source })
            .collect(),
        // The target is the last stage of the lowered file.
        target: None,
        steps: steps(build),
        stages: stages(build, &lowered),
        base_layers: resolved
            .base()
            .map_or(0, |layout| layout.manifest().layers().len()),
        platform: resolved.name.clone(),
        build_arguments: recipe
            .build_arguments
            .iter()
            .filter(|(name, _)| !name.starts_with(FRONTEND_ARGUMENTS))
            .map(|(name, value)| BuildArgument {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
        network,
        cache: engine.cache.clone(),
        hard_links,
        open_files: recipe.open_files,
        varied,
        work: engine_directory,
    };
    Ok(Prepared { request, notices })
}

/// Puts together the directory `main`, which COPY and ADD read, and returns the one with all sources.
fn main_context(
    resolved: &Resolved,
    work: &Utf8Path,
    main: &Utf8Path,
    hard_links: &mut bool,
) -> Result<Utf8PathBuf, Error> {
    let recipe = &resolved.recipe;
    let directory = recipe.directory()?;
    let containerfile = recipe.root.join(&recipe.containerfile);
    let ignored = Ignored::of(directory.path(), &resolved.files, Some(&containerfile))?;
    let epoch = recipe.profile.epoch;
    let whose = match recipe.sources {
        Sources::Checked { .. } => Whose::Package,
        Sources::Present => Whose::User { epoch },
    };
    *hard_links |= context::assemble(&directory, &resolved.files, &ignored, whose, main)?;

    let below = main.join(FETCH);
    let Sources::Checked {
        directory, sources, ..
    } = &recipe.sources
    else {
        return Ok(below);
    };
    let directory = recipe.root.join(directory);
    let is_ignored = |source: &Source| ignored.has(&Utf8Path::new(FETCH).join(&source.file));
    if !ignored.has(FETCH.into()) && !sources.iter().any(is_ignored) {
        sources::take(sources, &directory, &below)?;
        return Ok(below);
    }
    // They are a context of their own too, which no list is of.
    let all = work.join(FETCH);
    sources::take(sources, &directory, &all)?;
    let mut left = sources.clone();
    left.retain(|source| !is_ignored(source));
    if !left.is_empty() {
        sources::take(&left, &directory, &below)?;
    }
    Ok(all)
}

/// Finds what each name in the Containerfile stands for: by the name as it is written, the name
/// of the context, and the context. The sources are in `fetch`.
fn contexts(
    resolved: &Resolved,
    work: &Utf8Path,
    fetch: &Utf8Path,
    hard_links: &mut bool,
) -> Result<BTreeMap<String, (String, ContextSource)>, Error> {
    let mut contexts = BTreeMap::new();
    for reference in &resolved.build.references {
        let written = &reference.name;
        let Some((name, context)) = resolved.recipe.named(written) else {
            let position =
                containerfile::Position::in_source(&resolved.file.source, reference.span.start);
            return Err(Error::UnknownReference {
                path: resolved.recipe.containerfile.clone(),
                line: position.line,
                column: position.column,
                reference: written.clone(),
            });
        };
        let source = match context {
            Context::Image(layout) | Context::Chosen(layout, _) | Context::Given(layout, _) => {
                // Not every engine compares layers with their names, nor says whose they are.
                let verified = resolved.images[written].verify();
                verified.map_err(|source| unusable(written, source))?;
                ContextSource::Image(only_image(resolved, written, layout, work)?)
            }
            Context::Sources => ContextSource::Directory(fetch.to_owned()),
            // It was written for this build alone.
            Context::Seed => ContextSource::Image(resolved.images[written].directory().to_owned()),
            Context::Directory(directory) => {
                let directory = resolved.recipe.root.join(directory);
                let copy = work.join("contexts").join(BuildKey::new(name).as_str());
                let directory = Directory::open(&directory).at("open", &directory)?;
                let mut above = work.ancestors();
                let own = above.find(|path| path.file_name() == Some(state::OWN));
                let files = list_context(&directory, Foreign::of_user(own.unwrap_or(work)))?;
                let ignored = Ignored::of(directory.path(), &files, None)?;
                let epoch = resolved.recipe.profile.epoch;
                let whose = Whose::User { epoch };
                *hard_links |= context::assemble(&directory, &files, &ignored, whose, &copy)?;
                ContextSource::Directory(copy)
            }
        };
        contexts.insert(written.clone(), (name.clone(), source));
    }
    Ok(contexts)
}

/// Returns a layout that holds just the image which `written` stands for, without triggers: `layout`, or where that
/// has several or its image has triggers, another one below `work`.
fn only_image(
    resolved: &Resolved,
    written: &str,
    layout: &Utf8Path,
    work: &Utf8Path,
) -> Result<Utf8PathBuf, Error> {
    let image = &resolved.images[written];
    let directory = work.join("images");
    let link = directory.join(BuildKey::new(written).as_str());
    if image.has_triggers() {
        // They are instructions of the file that the engine gets.
        if !link.exists() {
            let written_to = image.write_without_triggers(&link);
            written_to.map_err(|source| unusable(written, source))?;
        }
        return Ok(link);
    }
    let all = resolved.recipe.open_image(layout, None);
    if all.is_ok_and(|all| all.images().len() == 1) {
        return Ok(resolved.recipe.root.join(layout));
    }
    if !link.exists() {
        image.link(&link)?;
    }
    Ok(link)
}

/// Returns the steps that make the image's layers, as a backend knows them.
fn steps(build: &Build) -> Vec<Step> {
    let steps = build.image_steps().filter(|step| step.makes_layer());
    steps.map(step).collect()
}

/// Returns the stages of the lowered file with all steps that make layers there.
fn stages(build: &Build, lowered: &Lowered) -> Vec<Stage> {
    let steps_of = |stage: &ResolvedStage| {
        let steps = lowered.steps.iter().filter(|lowered| lowered.makes_layer);
        let steps = steps.filter(|lowered| lowered.step.stage == stage.id);
        let steps = steps.filter_map(|lowered| build.step(lowered.step));
        steps.map(step).collect()
    };
    // What is copied for a RUN fails in its name.
    let copied = |copied: &CopiedSource| Stage {
        name: Some(copied.stage.clone()),
        begins_with_image: false,
        steps: build.step(copied.step).map(step).into_iter().collect(),
    };
    let stages = build.stages.iter().flat_map(|stage| {
        let before = lowered.copied.iter();
        let before = before.filter(|copied| copied.before == stage.id);
        before.map(copied).chain([Stage {
            name: stage.name.clone(),
            begins_with_image: matches!(stage.base, Base::Image(_)),
            steps: steps_of(stage),
        }])
    });
    stages.collect()
}

fn step(step: &containerfile::Step) -> Step {
    Step {
        id: step_id(step.id),
        kind: match step.instruction {
            Instruction::Add(_) => StepKind::Add,
            Instruction::Copy(_) => StepKind::Copy,
            Instruction::Run(_) => StepKind::Run,
            _ => StepKind::Workdir,
        },
    }
}

/// Returns a step's place as a backend knows it.
pub(crate) fn step_id(id: containerfile::StepId) -> StepId {
    StepId {
        stage: id.stage.0,
        index: id.index,
    }
}

/// Writes the files that the lowered Containerfile copies in place of heredocs and the like.
fn write_side_context(lowered: &Lowered, directory: &Utf8Path) -> Result<(), Error> {
    context::make_directory(directory)?;
    for side in &lowered.directories {
        context::make_directory(&directory.join(&side.path))?;
    }
    // Their times are those of any context: only the files decide them.
    for (file, seconds) in lowered.files.iter().zip(context::FIRST_TIME..) {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            context::make_directory(parent)?;
        }
        fs::write(&path, &file.contents).at("write", &path)?;
        let mode = Permissions::from_mode(file.mode);
        fs::set_permissions(&path, mode).at("set mode of", &path)?;
        let opened = beneath::open(&path).at("open", &path)?;
        let time = context::time(seconds, &state::hash(&opened).at("read", &path)?);
        opened.set_modified(time).at("set time of", &path)?;
    }
    Ok(())
}

/// Acts on what lowering had to say, and returns what a person should hear of it.
fn notices(
    lowered: &Lowered,
    build: &Build,
    network: Network,
    main: &Utf8Path,
    work: &Utf8Path,
) -> Result<Vec<String>, Error> {
    let mut notices = Vec::new();
    for notice in &lowered.notices {
        match notice {
            Notice::SyntaxIgnored(frontend) => notices.push(format!(
                "`# syntax={frontend}` is ignored: stagex reads the file itself and fetches no frontend"
            )),
            Notice::ZstdArchive { path, .. } => {
                decompress(main, &relative(Utf8Path::new(path)), work)?;
            }
            Notice::NetworkOfBuild { .. } => {}
        }
    }
    let open = build
        .network()
        .filter(|run| run.mode != NetworkMode::None)
        .count();
    if open > 0 && network != Network::None {
        let noun = if open == 1 { "RUN has" } else { "RUNs have" };
        notices.push(match network {
            Network::Host => format!(
                "{open} {noun} the machine's own network: every user of this machine can connect to what \
                 listens there"
            ),
            _ => format!("{open} {noun} no --network=none, and may reach the network"),
        });
    }
    Ok(notices)
}

/// Replaces an archive in the context `main` by what is compressed in it. A link on the way to it is not
/// followed: it may lead out of the context.
fn decompress(main: &Utf8Path, archive: &Utf8Path, work: &Utf8Path) -> Result<(), Error> {
    let (path, plain) = (main.join(archive), work.join("decompressed"));
    let decompressed = Directory::open(main)
        .and_then(|main| main.file(archive))
        .and_then(|file| {
            io::copy(
                &mut compression::decompress(file)?,
                &mut File::create(&plain)?,
            )
        });
    decompressed.at("decompress", &path)?;
    Ok(fs::rename(&plain, &path).at("replace", &path)?)
}

#[cfg(test)]
mod tests;
