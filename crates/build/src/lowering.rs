//! Lowers a build to a runtime's dialect, and decides about the network. The same is done while planning, to find out
//! what would be refused: so the two cannot disagree.
//!
//! It does not know where contexts lie, nor how an engine is driven.

use std::collections::BTreeMap;

use backend_api::{Capabilities, Network};
use containerfile::{
    Build, Containerfile, Dialect, ErrorKind, LowerOptions, Lowered, NetworkMode, Span,
};

use crate::recipe::Recipe;
use crate::refusal::Refusal;
use crate::resolve::{read, scope_of};

/// The name of the context with the files that lowering makes.
pub(crate) const SIDE: &str = "stagex-side";

/// What a build is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The name of the runtime.
    pub runtime: &'a str,
    /// What it can do.
    pub capabilities: &'a Capabilities,
    /// The network of RUNs that was asked for.
    pub network: Network,
}

/// What names of the file are called for an engine.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) side_context: String,
    pub(crate) references: BTreeMap<String, String>,
}

/// Lowers a build to what was chosen. Returns its network too.
///
/// # Errors
///
/// All that is refused; at least one.
pub(crate) fn lower(
    chosen: &Chosen<'_>,
    recipe: &Recipe,
    (file, build): (&Containerfile, &Build),
    names: Names,
) -> Result<(Lowered, Network), Vec<Refusal>> {
    let capabilities = chosen.capabilities;
    let path = recipe.containerfile.as_path();
    let network = network(chosen, build);
    let offline = matches!(network, Ok(Network::None));
    let mut dialect = dialect(capabilities);
    // That is said once of the whole build.
    dialect.run_network |= network.is_err();
    let options = LowerOptions {
        dialect,
        side_context: names.side_context,
        references: names.references,
        given: recipe.build_arguments.clone(),
        offline,
    };
    let lowered = containerfile::lower(file, build, &options);
    match (network, lowered) {
        (Ok(network), Ok(lowered)) => Ok((lowered, network)),
        (network, lowered) => {
            let of_network = network.err().map(|wrong| {
                let span = wrong.span;
                Refusal::at(
                    (path, file, span),
                    wrong.message,
                    Some(wrong.hint.to_owned()),
                )
            });
            let of_steps = lowered.err().into_iter().flatten().map(|error| {
                let message = match &error.kind {
                    ErrorKind::Unsupported { what, why, .. } => {
                        format!("{} cannot do `{what}`{why}", chosen.runtime)
                    }
                    other => other.to_string(),
                };
                Refusal::at((path, file, error.span), message, error.hint())
            });
            Err(Refusal::grouped(of_network.into_iter().chain(of_steps)))
        }
    }
}

/// Finds out what would be refused of a recipe, before what it is built from is there: what images say of builds that
/// begin with them is not known then. Where its file cannot be read at all, that is said when it is built.
pub fn refusals(chosen: &Chosen<'_>, recipe: &Recipe) -> Vec<Refusal> {
    let Ok(file) = read(recipe) else {
        return Vec::new();
    };
    let mut refusals = Vec::new();
    for platform in &recipe.platforms {
        let build = platform.parse().ok().and_then(|platform| {
            let mut build = file.resolve(&scope_of(recipe, &platform)).ok()?;
            recipe.deny_network(&mut build);
            Some(build)
        });
        let lowered = build.map(|build| lower(chosen, recipe, (&file, &build), Names::default()));
        refusals.extend(lowered.and_then(Result::err).into_iter().flatten());
    }
    Refusal::grouped(refusals.into_iter())
}

fn dialect(capabilities: &Capabilities) -> Dialect {
    let own = capabilities.dialect;
    Dialect {
        heredocs: own.heredocs,
        run_network: own.run_network,
        script_mounts: own.mounts_below_dev,
        workdir_layers: own.workdir_layers,
        add_zstd: own.add_zstd,
        confined_mounts: own.confined_mounts,
        // In its store there is one image behind a name of ours.
        image_platforms: own.named_contexts,
        any_destination: own.any_destination,
        copy_exclude: own.copy_exclude,
        copy_parents: own.copy_parents,
        copy_link: own.copy_link,
        symbolic_modes: own.symbolic_modes,
        copy_patterns: own.copy_patterns,
        add_unpack: own.add_unpack,
        add_remote: own.add_remote,
        tmpfs_size: own.tmpfs_size,
        private_caches: own.private_caches,
        stacked_mounts: own.stacked_mounts,
    }
}

/// A network that cannot be had.
struct NoNetwork {
    span: Span,
    message: String,
    hint: &'static str,
}

/// Decides about the network of the whole build.
///
/// Where every RUN denies it, the whole build can be offline; where only some do, the engine
/// must be able to deny it to one RUN.
fn network(chosen: &Chosen<'_>, build: &Build) -> Result<Network, NoNetwork> {
    let &Chosen {
        runtime,
        capabilities,
        network,
    } = chosen;
    let uses: Vec<_> = build.network().collect();
    let find = |wanted: &dyn Fn(NetworkMode) -> bool| uses.iter().find(|run| wanted(run.mode));
    let Some(first) = uses.first() else {
        return Ok(Network::Default);
    };
    let refuse = |span, message: String, hint| {
        Err(NoNetwork {
            span,
            message,
            hint,
        })
    };
    // What is in a tree does not say that the machine's network is given away.
    if let Some(run) = find(&|mode| mode == NetworkMode::Host)
        && network != Network::Host
    {
        let message = "RUN has --network=host, and this build was not given the machine's network";
        let hint = "use --network host if everybody on this machine may connect to what the build listens on, and the \
                    build to what listens on this machine";
        return refuse(run.span, message.to_owned(), hint);
    }
    let denied = find(&|mode| mode == NetworkMode::None);
    let open = find(&|mode| mode != NetworkMode::None);
    let each = capabilities.dialect.run_network;
    if let (Some(denied), Some(_)) = (denied, open)
        && network != Network::None
        && !each
    {
        let message = format!(
            "some RUNs have --network=none and some do not, and {runtime} can deny the network only to a whole build"
        );
        let hint = "build it with --runtime native, with another runtime that supports RUN --network (see `stagex \
                    runtimes`), or --offline to deny it to every RUN";
        return refuse(denied.span, message, hint);
    }
    match (network, open) {
        (Network::Host, Some(_)) if !capabilities.host_network => {
            let message = format!("{runtime} cannot give the machine's network to a build");
            refuse(
                first.span,
                message,
                "leave out --network host, or use another runtime",
            )
        }
        (Network::Host, Some(_)) => Ok(Network::Host),
        _ if network == Network::None || (open.is_none() && !each) => {
            if capabilities.offline_builds {
                Ok(Network::None)
            } else if open.is_none() && each {
                Ok(Network::Default)
            } else {
                let message = format!("{runtime} cannot deny the network here");
                let hint = "`stagex runtimes` shows a runtime that can, and what this one lacks";
                refuse(first.span, message, hint)
            }
        }
        _ => Ok(Network::Default),
    }
}

#[cfg(test)]
mod tests;
