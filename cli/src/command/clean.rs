//! `stagex clean`: removes what was made.

use std::sync::Arc;

use documents::Version;
use make::{Clean, Cleaned};

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render::{self, Show};
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Clean) -> Result<Exit, Failure> {
    let mut cleaned = Cleaned::default();
    let of_tree = arguments.logs || arguments.images || arguments.cache;
    // The store is no tree's.
    if !arguments.sources || of_tree {
        let everything = everything(context)?;
        if !of_tree {
            cleaned += remove(context, everything)?;
        }
    }
    if arguments.sources {
        cleaned += super::fetch::clear_store(context)?;
    }
    if arguments.logs {
        cleaned += remove(context, Clean::Logs)?;
    }
    if arguments.cache {
        cleaned += remove(context, Clean::Cache)?;
        let forgotten = context.probe_cache.clear();
        cleaned.files += forgotten.map_err(|error| {
            let message = format!("cannot delete the probe results of engines: {error}");
            Failure::of(ErrorKind::Environment, [(message, None)])
        })?;
    }
    let builds = if arguments.images {
        Some(clean_stores(context)?)
    } else {
        None
    };
    print(context, cleaned, builds);
    Ok(Exit::Success)
}

/// Returns what everything is. In a tree, whatever is wrong with its packages, it is all that lies in `out/`.
/// Elsewhere only what nobody else can have made: `stagex build` leaves it wherever it is used.
fn everything(context: &Context) -> Result<Clean, Failure> {
    if context.directory.join("packages").is_dir() {
        return Ok(Clean::Everything);
    }
    if place::directories(context)?.is_used() {
        return Ok(Clean::Own);
    }
    super::tree::open(context).map(|_| Clean::Everything)
}

/// Has each engine remove what killed builds of this tree have put into its store. Returns how many
/// builds that were.
fn clean_stores(context: &Context) -> Result<usize, Failure> {
    let directories = place::directories(context)?;
    let names = make::abandoned_runtimes(&directories)?;
    let listener = render::listener(context.verbosity, Show::default());
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut builds = 0;
        for name in names {
            let Some(backend) = context.backend(&name) else {
                render::note(&format!("{name}: this runtime no longer exists"));
                continue;
            };
            let availability = wait::unless(&mut interrupted, backend.probe()).await?;
            if let Err(why) = availability.ready() {
                render::note(&format!(
                    "{name} is not ready, so what it stored stays: {}",
                    why.message
                ));
                continue;
            }
            let listener = Arc::clone(&listener);
            let cleaning = make::clean_store(&directories, backend.as_ref(), listener);
            let cleaned = wait::unless(&mut interrupted, cleaning).await?;
            builds += cleaned?;
        }
        Ok(builds)
    })
}

/// Removes what was made in the tree that is worked on.
pub(super) fn remove(context: &Context, what: Clean) -> Result<Cleaned, Failure> {
    let directories = place::directories(context)?;
    let listener = render::listener(context.verbosity, Show::default());
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let cleaning = make::clean(directories, what, context.backends(), listener);
        let cleaned = wait::unless(&mut interrupted, cleaning).await?;
        Ok(cleaned?)
    })
}

/// Prints what was removed, and of how many builds something was left in engines' stores.
pub(super) fn print(context: &Context, cleaned: Cleaned, builds: Option<usize>) {
    let Cleaned { files, bytes } = cleaned;
    match context.format {
        Format::Json => render::json(&documents::Clean {
            version: Version,
            files,
            bytes,
            builds,
        }),
        Format::Human => {
            let size = indicatif::HumanBytes(bytes);
            render::result(&format!("removed {}, {size}", render::count(files, "file")));
            if let Some(builds) = builds {
                let builds = render::count(builds, "killed build");
                render::result(&format!("removed the residue of {builds}"));
            }
        }
    }
}
