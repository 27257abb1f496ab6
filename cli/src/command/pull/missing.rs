//! Pulls the recorded images that packages are built from, where nothing else has them.

use std::fmt::Write as _;
use std::mem;
use std::sync::{Mutex, PoisonError};

use beneath::Directory;
use build::Profile;
use registry::{Client, Error, InvalidReference, Reference, Repository};
use reproduce::{Missing, Origin, RecordedImages, name_of_pulled, put_together};
use state::{Access, Directories};
use tokio::sync::watch;

use super::client::client;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, chain};
use crate::render;
use crate::wait;

/// Pulls what is missing, and was not pulled before, from the first of some registries that has it. Why something could
/// not be had is said beside it.
pub(in crate::command) async fn bring(
    context: &Context,
    from: &[Repository],
    directories: &Directories,
    found: &mut RecordedImages,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<(), Failure> {
    let pulled = directories.of_pulled();
    find(found, &pulled, interrupted).await?;
    if found.missing.is_empty() {
        return Ok(());
    }
    let client = client(context, "pull")?;
    let of = pulled.clone();
    let opening = build::blocking(move || {
        let mut waiting = |_| render::note("waiting for another stagex that pulls images");
        Ok::<_, build::Error>(of.open(Access::Alone, &mut waiting)?)
    });
    let _lock = wait::unless(interrupted, opening).await??;
    // Whoever had the lock may have pulled it.
    find(found, &pulled, interrupted).await?;
    if found.missing.is_empty() {
        return Ok(());
    }
    if !context.verbosity.quiet {
        let images = render::count(found.missing.len(), "recorded image");
        let from: Vec<String> = from.iter().map(ToString::to_string).collect();
        render::note(&format!("pulling {images} from {}", from.join(", ")));
    }
    let directory = pulled.make_out()?;
    let profile = context.settings.profile.value;
    let missing = Mutex::new(found.missing.iter_mut());
    let next = || {
        missing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let several = || async {
        while let Some(missing) = next() {
            one(&client, from, &directory, profile, missing).await;
        }
    };
    // The client has a limit of its own for what is asked of a host at once. What is pulled and not yet on the disk waits
    // for that beside it.
    let four = || async { tokio::join!(several(), several(), several(), several()) };
    let all = async { tokio::join!(four(), four(), four(), four()) };
    wait::unless(interrupted, Box::pin(all)).await?;
    find(found, &pulled, interrupted).await
}

/// Looks for what is missing among what was pulled. All of that is hashed, which can take long: if the user interrupts
/// it, nothing is found any more.
async fn find(
    found: &mut RecordedImages,
    pulled: &Directories,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<(), Failure> {
    let (mut looking, pulled) = (mem::take(found), pulled.clone());
    let looking = build::blocking(move || {
        looking.find(&[Origin::Pulled(pulled)]);
        looking
    });
    *found = wait::unless(interrupted, looking).await?;
    Ok(())
}

/// Pulls what is recorded of a package: an image, or one for each of several platforms, which are put together.
async fn one(
    client: &Client,
    from: &[Repository],
    directory: &Directory,
    profile: &'static Profile,
    missing: &mut Missing,
) {
    let digests: Vec<_> = missing.recorded.iter().map(|(_, digest)| *digest).collect();
    if digests.is_empty() {
        // That is said elsewhere.
        return;
    }
    let name = name_of_pulled(&digests);
    let parts: Vec<String> = match digests.as_slice() {
        [_] => vec![name.clone()],
        several => (1..=several.len())
            .map(|part| format!("{name}.{part}"))
            .collect(),
    };
    let mut all = true;
    for (digest, part) in digests.iter().zip(&parts) {
        let package = missing.package.clone();
        let named = |place: &Repository| Ok(place.join(&package)?.at(*digest));
        all = all && from_first(client, from, named, (directory, part), missing).await;
    }
    if parts.len() == 1 {
        return;
    }
    if all {
        let path = |name: &String| directory.path().join(name);
        let (layouts, place) = (parts.iter().map(path).collect::<Vec<_>>(), path(&name));
        let together = move || put_together(&layouts, profile, &place);
        if let Err(error) = build::blocking(together).await {
            missing.kept = Some(ErrorKind::Environment);
            missing
                .instead
                .push((path(&name).into_string(), chain(&error)));
        }
    }
    for part in &parts {
        // What is left of it goes with the directory.
        let _ = directory.remove(part.as_str().into());
    }
}

/// Pulls an image, as each registry names it, from the first that has it, into a layout of some name. Returns whether it
/// is there.
async fn from_first(
    client: &Client,
    from: &[Repository],
    named: impl Fn(&Repository) -> Result<Reference, InvalidReference>,
    (directory, name): (&Directory, &str),
    missing: &mut Missing,
) -> bool {
    for place in from {
        match pull(client, named(place), name, directory).await {
            Ok(()) => return true,
            Err(error) => {
                let hint = match error {
                    Error::Missing { .. } => None,
                    _ => error.hint(),
                };
                let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
                let why = chain(&error) + &hint;
                missing.instead.push((place.to_string(), why));
                if error.kind().may_pass() || matches!(error, Error::Io { .. }) {
                    missing.kept = Some(error.kind());
                }
            }
        }
    }
    false
}

async fn pull(
    client: &Client,
    reference: Result<Reference, InvalidReference>,
    name: &str,
    directory: &Directory,
) -> Result<(), Error> {
    // What is there is not what it has to be, or it would have been found.
    let removed = directory.remove(name.into());
    removed.map_err(|source| Error::Io {
        action: "remove",
        path: directory.path().join(name),
        source,
    })?;
    let (reference, name) = (reference?, name.into());
    client.fetch(&reference, None, directory, name).await?;
    Ok(())
}

/// Says of images that they are nowhere, and what was found in their places. `hint` says where else they may be.
pub(in crate::command) fn not_found(missing: &[Missing], hint: &str) -> Failure {
    let problem = |missing: &Missing| {
        let Missing {
            package,
            recorded,
            instead,
            kept,
        } = missing;
        if recorded.is_empty() {
            let hint = "build it with what needs it: leave out --against-record";
            let message = format!("{package} is needed, and no digest of it is recorded");
            return (message, Some(hint.to_owned()));
        }
        let digests: Vec<String> = recorded
            .iter()
            .map(|(_, digest)| digest.to_string())
            .collect();
        let mut message = format!(
            "the recorded image of {package} is not there: {}",
            digests.join(", ")
        );
        for (place, what) in instead {
            let _ = write!(message, "\n  {place}: {what}");
        }
        let hint = match kept {
            Some(_) => "run the same command again: what was pulled is kept",
            None => hint,
        };
        (message, Some(hint.to_owned()))
    };
    let kept = missing.iter().find_map(|missing| missing.kept);
    Failure::of(
        kept.unwrap_or(ErrorKind::NotCompared),
        missing.iter().map(problem),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use camino::Utf8Path;
    use tokio::runtime::Builder;

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn looking_can_be_interrupted() {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        // The only thread that may block is held: whatever is looked for is not found before the interruption.
        let (release, held) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let pulled = Directories::of_tree(Utf8Path::new("/nonexistent")).of_pulled();
        let (interrupt, mut interrupted) = watch::channel(false);
        let mut found = RecordedImages::default();
        let looking = find(&mut found, &pulled, &mut interrupted);
        let interrupting = async { interrupt.send(true) };
        let (looked, sent) = runtime.block_on(async { tokio::join!(looking, interrupting) });
        sent.unwrap();
        let exit = looked.err().map(|failure| failure.exit());
        assert_eq!(exit, Some(Exit::Error(ErrorKind::Interrupted)));
        drop(release);
    }
}
