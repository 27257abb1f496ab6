//! The folder that a build reads with COPY and ADD: the package's own files, as they are in
//! version control, and its sources under `fetch/`.
//!
//! It is assembled anew for each build, so that nothing else reaches a build: no old source that
//! still lies about, no umask, no time of a checkout. It knows files, not what they mean.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use package_tree::Source;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, IoContext};
use crate::identity::Identity;
use crate::ignore::Ignored;
use crate::recipe::FETCH;

/// The time of the first file of a context: 2001-09-09T01:46:40Z. It is later than any epoch
/// that images are clamped to, so that a file of a context is never taken for one of a base
/// image; each further file is one second younger, so that two files are never taken for one.
///
/// The fraction of the second is made of the file's bytes. BuildKit keeps the files that it was
/// sent, and takes a file of the same name, size and time for the one that it has.
const FIRST_TIME: u64 = 1_000_000_000;

/// One file of a package's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextFile {
    /// Its path within the folder.
    pub path: Utf8PathBuf,
    pub kind: ContextFileKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContextFileKind {
    Folder,
    Symlink(Utf8PathBuf),
    File {
        /// Whether it may be executed: all that version control keeps of a mode.
        executable: bool,
        /// What the file system said of it when it was listed.
        identity: Identity,
    },
}

/// What to do with the `fetch` folder of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// It is none of the package's files: other tools have left it there.
    Foreign,
    /// It holds the sources.
    Present,
}

/// Lists the files of the context in `folder`, sorted by path: a folder stands before what is in
/// it.
pub(crate) fn list(folder: &Utf8Path, fetched: Fetched) -> Result<Vec<ContextFile>, Error> {
    let mut files = Vec::new();
    list_below(folder, Utf8Path::new(""), fetched, &mut files).at("read", folder)?;
    Ok(files)
}

fn list_below(
    folder: &Utf8Path,
    within: &Utf8Path,
    fetched: Fetched,
    files: &mut Vec<ContextFile>,
) -> io::Result<()> {
    let entries = folder.join(within).read_dir_utf8()?;
    let mut entries: Vec<_> = entries.collect::<io::Result<_>>()?;
    entries.sort_unstable_by(|one, other| one.file_name().cmp(other.file_name()));
    for entry in entries {
        let path = within.join(entry.file_name());
        if fetched == Fetched::Foreign && path == FETCH {
            continue;
        }
        let found = entry.file_type()?;
        let kind = if found.is_dir() {
            ContextFileKind::Folder
        } else if found.is_symlink() {
            ContextFileKind::Symlink(entry.path().read_link_utf8()?)
        } else if found.is_file() {
            let metadata = entry.metadata()?;
            ContextFileKind::File {
                executable: metadata.permissions().mode() & 0o111 != 0,
                identity: Identity::of(&metadata),
            }
        } else {
            continue;
        };
        files.push(ContextFile { path, kind });
        if found.is_dir() {
            let path = within.join(entry.file_name());
            list_below(folder, &path, fetched, files)?;
        }
    }
    Ok(())
}

/// Writes the files of `folder` that are not ignored into `context`, with the modes 0755 and 0644 and
/// with times that only the files decide. Sources keep their times.
pub(crate) fn assemble(
    folder: &Utf8Path,
    files: &[ContextFile],
    ignored: &Ignored,
    context: &Utf8Path,
) -> Result<(), Error> {
    make_folder(context)?;
    for (file, seconds) in without(ignored, files).zip(FIRST_TIME..) {
        let to = context.join(&file.path);
        match &file.kind {
            ContextFileKind::Folder => make_folder(&to)?,
            ContextFileKind::Symlink(target) => symlink(target, &to).at("link", &to)?,
            ContextFileKind::File { executable, .. } => {
                let from = folder.join(&file.path);
                let mode = if *executable { 0o755 } else { 0o644 };
                if file.path.starts_with(FETCH) {
                    take(&from, &to, mode)?;
                    continue;
                }
                copy(&from, &to, mode)?;
                let fraction = fraction(&to).at("read", &to)?;
                let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, fraction);
                let opened = File::options().write(true).open(&to).at("open", &to)?;
                opened.set_modified(time).at("set time of", &to)?;
            }
        }
    }
    Ok(())
}

/// Returns the files that are not ignored, and the folders that they are in.
fn without<'a>(
    ignored: &Ignored,
    files: &'a [ContextFile],
) -> impl Iterator<Item = &'a ContextFile> {
    // A folder comes before what is in it.
    let mut on_the_way: Vec<&ContextFile> = Vec::new();
    files.iter().flat_map(move |file| {
        on_the_way.retain(|folder| file.path.starts_with(&folder.path));
        if !ignored.has(&file.path) {
            on_the_way.push(file);
            return std::mem::take(&mut on_the_way);
        }
        if file.kind == ContextFileKind::Folder {
            on_the_way.push(file);
        }
        Vec::new()
    })
}

/// Returns the nanoseconds that stand for a file's contents.
fn fraction(path: &Utf8Path) -> io::Result<u32> {
    let [a, b, c, d, ..] = digest(path)?;
    Ok(u32::from_be_bytes([a, b, c, d]) % 1_000_000_000)
}

/// Puts sources from the tree's `fetch/<stage>/<name>/` into `to`, each checked first.
///
/// They are linked where the file system can, since archives are large and nobody writes to
/// them, and copied otherwise.
pub(crate) fn take_sources(
    sources: &[Source],
    from: &Utf8Path,
    to: &Utf8Path,
) -> Result<(), Error> {
    make_folder(to)?;
    for source in sources {
        let path = from.join(&source.file);
        let found = match sha256(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::MissingSource {
                    key: source.key.clone(),
                    path,
                    hash: source.hash.clone(),
                    mirrors: source.mirrors.clone(),
                });
            }
            result => result.at("read", &path)?,
        };
        if found != source.hash {
            let (key, expected) = (source.key.clone(), source.hash.clone());
            return Err(Error::WrongSource {
                key,
                path,
                expected,
                found,
            });
        }
        take(&path, &to.join(&source.file), 0o644)?;
    }
    Ok(())
}

/// Links a file that nobody writes to, or copies it where that cannot be or gave another mode.
fn take(from: &Utf8Path, to: &Utf8Path, mode: u32) -> Result<(), Error> {
    let found = fs::metadata(from).at("read", from)?.permissions().mode() & 0o777;
    if found != mode || fs::hard_link(from, to).is_err() {
        copy(from, to, mode)?;
    }
    Ok(())
}

fn copy(from: &Utf8Path, to: &Utf8Path, mode: u32) -> Result<(), Error> {
    fs::copy(from, to).at("copy", from)?;
    fs::set_permissions(to, Permissions::from_mode(mode)).at("set mode of", to)
}

/// Returns the sha256 of a file's contents, in hex.
pub(crate) fn sha256(path: &Utf8Path) -> io::Result<String> {
    Ok(hex(&digest(path)?))
}

fn digest(path: &Utf8Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    io::copy(
        &mut File::open(path)?,
        &mut io::BufWriter::with_capacity(1 << 16, HashWriter(&mut hasher)),
    )?;
    Ok(hasher.finalize().into())
}

/// Returns bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a folder that everyone may read, whatever the umask.
pub(crate) fn make_folder(path: &Utf8Path) -> Result<(), Error> {
    fs::create_dir_all(path).at("make folder", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).at("set mode of", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, path)
    }

    fn time(path: &Utf8Path) -> Duration {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn modes_times_and_leftovers_of_the_checkout_do_not_reach_the_build() {
        let (_temporary, root) = folder();
        let package = root.join("package");
        fs::create_dir_all(package.join("files")).unwrap();
        fs::create_dir_all(package.join("fetch")).unwrap();
        fs::write(package.join("fetch/old.tar"), "").unwrap();
        fs::write(package.join("files/run"), "x").unwrap();
        fs::set_permissions(package.join("files/run"), Permissions::from_mode(0o700)).unwrap();
        fs::write(package.join("files/text"), "y").unwrap();
        fs::set_permissions(package.join("files/text"), Permissions::from_mode(0o600)).unwrap();

        let files = list(&package, Fetched::Foreign).unwrap();
        let context = root.join("context");
        assemble(
            &package,
            &files,
            &Ignored::of(&package, None).unwrap(),
            &context,
        )
        .unwrap();

        let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["files", "files/run", "files/text"]);
        let mode = |name: &str| {
            fs::metadata(context.join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("files/run") & 0o7777, 0o755);
        assert_eq!(mode("files/text") & 0o7777, 0o644);
        assert_eq!(
            time(&context.join("files/text")).as_secs(),
            time(&context.join("files/run")).as_secs() + 1
        );
    }

    #[test]
    fn a_file_with_other_bytes_of_the_same_size_has_another_time() {
        let (_temporary, root) = folder();
        let package = root.join("package");
        fs::create_dir_all(&package).unwrap();
        let written = |contents: &str, context: &str| {
            fs::write(package.join("file"), contents).unwrap();
            assemble(
                &package,
                &list(&package, Fetched::Foreign).unwrap(),
                &Ignored::of(&package, None).unwrap(),
                &root.join(context),
            )
            .unwrap();
            time(&root.join(context).join("file"))
        };
        let (first, second) = (written("one", "first"), written("two", "second"));
        assert_ne!(first, second);
        assert_eq!(first.as_secs(), second.as_secs());
        assert_eq!(first, written("one", "again"));
    }

    #[test]
    fn what_is_ignored_is_left_out_but_for_folders_on_the_way_to_what_is_not() {
        let (_temporary, root) = folder();
        for file in [
            ".dockerignore",
            "a/b/kept",
            "a/b/other",
            "a/c/other",
            "d/other",
            "e",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = list(&root, Fetched::Foreign).unwrap();
        let names = |text: &str| {
            fs::write(root.join(".dockerignore"), text).unwrap();
            let ignored = Ignored::of(&root, None).unwrap();
            let left = without(&ignored, &files).map(|file| file.path.to_string());
            left.collect::<Vec<_>>()
        };
        assert_eq!(
            names("a\nd\n!a/b/kept\n"),
            [".dockerignore", "a", "a/b", "a/b/kept", "e"]
        );
        assert_eq!(names("*"), [""; 0]);
        assert_eq!(names("").len(), files.len());
    }

    fn source() -> Source {
        Source {
            key: "a".to_owned(),
            file: "a.tar".to_owned(),
            hash: "0".repeat(64),
            mirrors: vec!["https://example.org/a.tar".to_owned()],
            version: None,
            git_sha: None,
        }
    }

    #[test]
    fn a_missing_source_names_file_hash_and_mirrors() {
        let (_temporary, root) = folder();
        let source = source();
        let error = take_sources(&[source], &root, &root.join("to")).unwrap_err();
        let text = format!("{error}\n{}", error.hint().unwrap());
        for part in ["a.tar", &"0".repeat(64), "https://example.org/a.tar"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }

    #[test]
    fn a_source_with_other_contents_is_refused() {
        let (_temporary, root) = folder();
        fs::write(root.join("a.tar"), "other").unwrap();
        let source = source();
        let error = take_sources(&[source], &root, &root.join("to")).unwrap_err();
        assert!(matches!(error, Error::WrongSource { .. }), "{error:?}");
    }
}
