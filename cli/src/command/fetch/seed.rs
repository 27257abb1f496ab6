//! `stagex fetch --export` and `--import`: all sources as one file or directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use documents::{FetchExport, FetchImport, Version};
use fetch::{Form, Input, Told, Wanted};
use indicatif::HumanBytes;
use package_tree::Plan;

use super::fetching::{exit, fetch, fetcher};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, usage};
use crate::options::{Format, Progress};
use crate::place::{self, ToRead};
use crate::render::{self, Unit};
use crate::wait;

/// What an archive's name ends with, and what those end with that are compressed.
const ARCHIVE: &str = "tar";
const COMPRESSED: [&str; 7] = ["gz", "tgz", "xz", "txz", "zst", "bz2", "zip"];

/// Fetches the sources of a plan, and writes all of them.
pub(super) fn export(
    context: &Context,
    plan: &Plan,
    to: &Utf8Path,
    progress: Progress,
) -> Result<Exit, Failure> {
    let form = form(to)?;
    let (directory, name) = place::parent(&context.directory, to)?;
    let wanted = Wanted::of(&plan.packages);
    if wanted.is_empty() {
        let hint = "name packages that have sources, or none for all";
        let message = "cannot export: the selected packages have no sources".to_owned();
        return Err(usage(message, Some(hint)));
    }
    let fetcher = fetcher(context)?;
    let report = fetch(context, &fetcher, &wanted, progress)?;
    if report.failed().next().is_some() {
        return Ok(exit(&report));
    }
    let exported = wait::block_on(async move {
        let mut interrupted = wait::watch();
        let stop = Arc::new(AtomicBool::new(false));
        let to_stop = Arc::clone(&stop);
        let meter = render::amount(context.verbosity, progress, "exporting", Unit::Bytes);
        let mut writing = tokio::task::spawn_blocking(move || {
            let told = Told {
                meter: &*meter,
                to_stop: &to_stop,
            };
            fetcher.export(&wanted, &directory, &name, form, told)
        });
        let written = tokio::select! {
            written = &mut writing => written,
            Ok(_) = interrupted.wait_for(|stop| *stop) => {
                // What is half written is removed before this ends.
                stop.store(true, Ordering::Relaxed);
                writing.await
            }
        };
        Ok(written.map_err(|_| fetch::Error::Ended)??)
    })?;
    let digest = format!("sha256:{}", exported.digest);
    match context.format {
        Format::Json => render::json(&FetchExport {
            version: Version,
            path: to.to_string(),
            digest,
            sources: exported.sources,
            bytes: exported.bytes,
        }),
        Format::Human => render::result(&format!(
            "{to}: {} ({}), {digest}",
            render::count(exported.sources, "source"),
            HumanBytes(exported.bytes),
        )),
    }
    Ok(Exit::Success)
}

/// Returns what a name says of the form.
fn form(to: &Utf8Path) -> Result<Form, Failure> {
    const HINT: &str = "name FILE.tar or a directory";
    if to == "-" {
        let message = "cannot export to standard output".to_owned();
        return Err(usage(message, Some(HINT)));
    }
    match to.extension() {
        Some(ARCHIVE) => Ok(Form::Archive),
        Some(extension) if COMPRESSED.contains(&extension) => {
            let message = format!("cannot export to {to}: an artifact is not compressed");
            Err(usage(message, Some(HINT)))
        }
        _ => Ok(Form::Layout),
    }
}

/// Puts the sources of an artifact into the store.
pub(super) fn import(
    context: &Context,
    from: &Utf8Path,
    progress: Progress,
) -> Result<Exit, Failure> {
    let input = match place::to_read(&context.directory, from)? {
        ToRead::File(file) => Input::Archive(file),
        ToRead::Directory(directory) => Input::Layout(directory),
    };
    let fetcher = fetcher(context)?;
    let meter = render::amount(context.verbosity, progress, "importing", Unit::Bytes);
    let imported = wait::block_on(async {
        let mut interrupted = wait::watch();
        let importing = fetcher.import(from, input, &meter);
        Ok(wait::unless(&mut interrupted, importing).await??)
    });
    drop(meter);
    let imported = imported?;
    let digest = format!("sha256:{}", imported.digest);
    match context.format {
        Format::Json => render::json(&FetchImport {
            version: Version,
            path: from.to_string(),
            digest,
            imported: imported.imported,
            present: imported.present,
            bytes: imported.bytes,
        }),
        Format::Human => render::result(&format!(
            "{from}: {} imported, {} already in the store ({}), {digest}",
            render::count(imported.imported, "source"),
            imported.present,
            HumanBytes(imported.bytes),
        )),
    }
    Ok(Exit::Success)
}
