//! Prepares what FROM and `--from=` name: images in a form that the builder takes, and directories
//! whose files belong to user and group 0.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};

use backend_api::{BuildRequest, ContextSource};
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;
use crate::image::Image;
use crate::work::Work;

/// Prepares the request's contexts, and returns the arguments of `build` that name them.
///
/// Images are named by paths relative to [`Work::images`], because the builder makes an image's
/// name in its store of the path that it was given, and not every path makes a valid name. This
/// one makes the name that the build's key has to itself.
pub(crate) fn prepare(request: &BuildRequest, work: &Work) -> Result<Vec<String>, Error> {
    let name = request.key.name();
    let path = name.trim_start_matches("localhost/");
    let images = read_images(request)?;
    let mut platforms: BTreeSet<String> = images.values().map(Image::platform).collect();
    platforms.insert(request.platform.clone());
    // Some versions ask for that of this machine, whatever they build for.
    platforms.insert(own_platform().to_owned());
    let mut arguments = Vec::new();
    for (index, context) in request.contexts.iter().enumerate() {
        let value = match &context.source {
            ContextSource::Image(_) => {
                let path = format!("{path}/{index}");
                images[&index].write(&work.images().join(&path), &platforms)?;
                format!("container-image://oci:{path}")
            }
            ContextSource::Directory(directory) => owned(directory, &work.copy_of_directory(index))
                .map_err(|source| Error::file(directory, source))?
                .into_string(),
        };
        arguments.push("--build-context".to_owned());
        arguments.push(format!("{}={value}", context.name));
    }
    Ok(arguments)
}

/// Returns this machine's platform.
fn own_platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86" => "linux/386",
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    }
}

/// Reads the images among the contexts, by their places.
fn read_images(request: &BuildRequest) -> Result<BTreeMap<usize, Image>, Error> {
    let contexts = request.contexts.iter().enumerate();
    let images = contexts.filter_map(|(index, context)| match &context.source {
        ContextSource::Image(layout) => Some((index, layout)),
        ContextSource::Directory(_) => None,
    });
    images
        .map(|(index, layout)| Ok((index, Image::read(layout)?)))
        .collect()
}

/// Returns `directory` if all that is in it belongs to this user, who is user 0 in a build, and a
/// copy at `copy` if not: the builder keeps the owners of a named context's files.
fn owned(directory: &Utf8Path, copy: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let is_ours = |path: &Utf8Path| {
        let metadata = path.symlink_metadata()?;
        Ok(metadata.uid() == user && metadata.gid() == group)
    };
    if all(directory, &is_ours)? {
        return Ok(directory.to_owned());
    }
    if let Some(parent) = copy.parent() {
        fs::create_dir_all(parent)?;
    }
    duplicate(directory, copy)?;
    Ok(copy.to_owned())
}

fn all(path: &Utf8Path, holds: &dyn Fn(&Utf8Path) -> io::Result<bool>) -> io::Result<bool> {
    if !holds(path)? {
        return Ok(false);
    }
    if path.symlink_metadata()?.is_dir() {
        for entry in path.read_dir_utf8()? {
            if !all(entry?.path(), holds)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Copies a file, a link or a whole directory, with modes and times, as this user's.
fn duplicate(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_symlink() {
        return symlink(from.read_link()?, to);
    }
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in from.read_dir_utf8()? {
            let entry = entry?;
            duplicate(entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    File::open(to)?.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    fs::set_permissions(to, metadata.permissions())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn copies_keep_modes_times_and_links() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let (from, to) = (directory.join("from"), directory.join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        symlink("file", from.join("sub/link")).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(12345);
        let file = File::open(from.join("sub/file")).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o555)).unwrap();

        duplicate(&from, &to).unwrap();

        let copy = to.join("sub/file").metadata().unwrap();
        assert_eq!(copy.modified().unwrap(), time);
        assert_eq!(copy.permissions().mode() & 0o7777, 0o4711);
        let sub = to.join("sub").metadata().unwrap();
        assert_eq!(sub.permissions().mode() & 0o7777, 0o555);
        let link = to.join("sub/link").read_link_utf8().unwrap();
        assert_eq!(link, "file");
        for directory in [from.join("sub"), to.join("sub")] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_directory_of_this_users_is_taken_as_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        fs::write(directory.join("file"), "text").unwrap();
        let copy = directory.join("copy");
        assert_eq!(owned(directory, &copy).unwrap(), directory);
        assert!(!copy.exists());
    }
}
