//! Finding the images that a user names: a path, a package in `out/`, what a runtime reproduced, or an image in a
//! registry.

use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use canon::Digest;
use images::{Limits, Source};
use state::{Directories, Record, StoredRecord};

use crate::context::Context;
use crate::failure::{Failure, usage};
use crate::place::{self, ToRead};

/// Opens what a user named. Of an index in a registry only what is for `platform` is pulled, if there is one.
pub(super) fn open(
    context: &Context,
    name: &str,
    platform: Option<&str>,
    limits: &Limits,
) -> Result<Source, Failure> {
    if name.contains("@sha256:") {
        return super::pull::source(context, name, platform, limits);
    }
    if let Some(found) = find(context, name, limits)? {
        return Ok(found);
    }
    if let Some((package, runtime)) = reproduced(name)
        && !Utf8Path::new(name).exists()
    {
        let message = format!("there is no image `{package}` that {runtime} reproduced");
        let made = package.split('@').next().unwrap_or_default();
        let hint = format!("`stagex reproduce --runtimes {runtime} {made}` makes it");
        return Err(usage(message, Some(&hint)));
    }
    let path = Utf8Path::new(name);
    match place::open_to_read(&context.directory, path) {
        Ok(ToRead::Directory(directory)) => Ok(Source::of_directory(directory, limits)?),
        Ok(ToRead::File(file)) => Ok(Source::of_file(file, path, limits)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "name an OCI layout, an archive, a package in out/, or PACKAGE@RUNTIME for what \
                        `stagex reproduce` made";
            Err(usage(format!("there is no image `{name}`"), Some(hint)))
        }
        Err(error) => Err(place::cannot("read", path, &error)),
    }
}

/// Opens the directory of an OCI layout that a user named: an output, or at a path.
pub(super) fn open_layout(context: &Context, name: &str) -> Result<Directory, Failure> {
    if let Some(found) = find_output(context, name)? {
        return Ok(found);
    }
    let hint = "name the directory of an OCI layout, a package in out/, or PACKAGE@RUNTIME for what \
                `stagex reproduce` made";
    let path = Utf8Path::new(name);
    match place::open_to_read(&context.directory, path) {
        Ok(ToRead::Directory(directory)) => Ok(directory),
        Ok(ToRead::File(_)) => {
            let message = format!("`{name}` is a file, not a directory with an OCI layout");
            Err(usage(message, Some(hint)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no OCI layout `{name}`");
            Err(usage(message, Some(hint)))
        }
        Err(error) => Err(place::cannot("read", path, &error)),
    }
}

/// Tells whether StageX wrote the output `name`, or the one that this path leads to, by what this user's record of it
/// says: that its digest is one of these.
pub(super) fn is_recorded(
    context: &Context,
    name: &Utf8Path,
    digests: &[Digest],
) -> Result<bool, Failure> {
    let outputs = place::outputs(context)?;
    let is_out = |parent: &Utf8Path| {
        parent == ""
            || parent
                .canonicalize_utf8()
                .is_ok_and(|parent| outputs.out().canonicalize_utf8().ok() == Some(parent))
    };
    let (true, Some(name)) = (name.parent().is_some_and(is_out), name.file_name()) else {
        return Ok(false);
    };
    let read =
        |directories: &Directories| match (Record::read(directories, name)?, reproduced(name)) {
            (StoredRecord::Absent, Some((package, runtime))) => {
                Record::read(&directories.of_reproduction(runtime), &package)
            }
            (found, _) => Ok(found),
        };
    // Where there is no record, nobody's secret is needed.
    if read(&outputs)? == StoredRecord::Absent {
        return Ok(false);
    }
    let record = read(&place::directories(context)?)?.record();
    Ok(record.is_some_and(|record| says(&record, digests)))
}

/// Tells whether a record says that StageX wrote an image with one of these digests. What was taken from others has a
/// record, too, and anything may have written it.
fn says(record: &Record, digests: &[Digest]) -> bool {
    let of_others = [make::SUBSTITUTED, make::REMOTE];
    !of_others.contains(&record.runtime.as_str()) && digests.contains(&record.digest)
}

/// Opens the image of a package in `out/`, or the one that a runtime reproduced, if it is there.
pub(super) fn find(
    context: &Context,
    name: &str,
    limits: &Limits,
) -> Result<Option<Source>, Failure> {
    let found = find_output(context, name)?;
    let source = found.map(|found| Source::of_directory(found, limits));
    Ok(source.transpose()?)
}

/// Opens the same, whatever is there.
fn find_output(context: &Context, name: &str) -> Result<Option<Directory>, Failure> {
    if name.contains('/') {
        return Ok(None);
    }
    let directories = place::outputs(context)?;
    let mut found = output(&directories, name)?;
    if let (None, Some((package, runtime))) = (&found, reproduced(name)) {
        found = output(&directories.of_reproduction(runtime), &package)?;
    }
    Ok(found)
}

/// Splits `PACKAGE@RUNTIME`, or `PACKAGE@ROUND@RUNTIME`: labels of runtimes may have such a sign as well. What has a
/// slash is a path.
fn reproduced(name: &str) -> Option<(String, &str)> {
    if name.contains('/') {
        return None;
    }
    let (package, label) = name.split_once('@')?;
    let round = label
        .split_once('@')
        .filter(|(round, _)| !round.is_empty() && round.bytes().all(|byte| byte.is_ascii_digit()));
    let (package, label) = match round {
        Some((round, label)) => (format!("{package}@{round}"), label),
        None => (package.to_owned(), label),
    };
    let is_label = !label.is_empty() && !matches!(label, "." | "..");
    (is_label && !package.is_empty()).then_some((package, label))
}

/// Opens an output, if it is there.
fn output(directories: &Directories, name: &str) -> Result<Option<Directory>, Failure> {
    if matches!(name, "" | "." | "..") {
        return Ok(None);
    }
    let Some(out) = directories.open_out()? else {
        return Ok(None);
    };
    match out.directory(&Utf8PathBuf::from(name)) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(place::cannot("open", &directories.output(name), &error)),
    }
}

#[cfg(test)]
mod tests {
    use state::Inputs;

    use super::{Digest, Record, reproduced, says};

    #[test]
    fn what_was_taken_from_others_is_not_known_to_be_written_by_stagex() {
        let digest = Digest::of(b"image");
        let record = |runtime: &str| {
            let inputs = Inputs::default();
            Record {
                key: inputs.key(build::Profile::STAGEX_2026),
                digest,
                runtime: runtime.to_owned(),
                milliseconds: 0,
                inputs,
                seeds: Vec::new(),
            }
        };
        assert!(says(&record("podman"), &[digest]));
        assert!(!says(&record("podman"), &[Digest::of(b"another")]));
        assert!(!says(&record(make::SUBSTITUTED), &[digest]));
        assert!(!says(&record(make::REMOTE), &[digest]));
    }

    #[test]
    fn a_runtime_is_named_behind_the_package() {
        let split = |name| reproduced(name).map(|(package, label)| format!("{package} {label}"));
        assert_eq!(split("core-a@native").as_deref(), Some("core-a native"));
        assert_eq!(split("core-a@2@native").as_deref(), Some("core-a@2 native"));
        assert_eq!(
            split("core-a@docker@trixie").as_deref(),
            Some("core-a docker@trixie")
        );
        for name in [
            "core-a",
            "core-a@",
            "@native",
            "core-a@..",
            "images/core@v2.tar",
            "core@v2/image.tar",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
