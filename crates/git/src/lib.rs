//! What git says of a directory: which of its files it tracks, and which have changed between two commits.
//!
//! A tree may come with a repository whose configuration names programs. Only commands are used that read commits and
//! the index, and none that looks at the files themselves, which is when git runs filters and monitors; what else
//! could run is turned off. It does not know what the files are for.

mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use process::{Finished, Invocation, find};

pub use error::Error;

/// How long git may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How many bytes of names are read.
const OUTPUT: usize = 256 << 20;

/// What is set for each command, whatever a repository says.
const SETTINGS: [&str; 6] = [
    // What it says of parents is not in the objects.
    "core.commitGraph=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "diff.ignoreSubmodules=none",
    "submodule.recurse=false",
];

/// Nothing is fetched, nothing asked, and nothing written; and no object or parent is shown in another's place.
const VARIABLES: [(&str, &str); 7] = [
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_GRAFT_FILE", "/dev/null"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_SSH_COMMAND", "false"),
];

/// Returns the paths of the files that differ between the two ends of `range`, which is `A..B`, or `A...B` for what
/// B has changed since the two parted. They are relative to `root`, what is not below it is left out, and a file that
/// was renamed has both of its names.
///
/// # Errors
///
/// What is no range of commits, and whatever keeps git from saying it.
pub async fn changed(root: &Utf8Path, range: &str) -> Result<Vec<Utf8PathBuf>, Error> {
    // Of one commit alone, git would compare the files, and run filters to do so.
    let (from_base, ends) = match range.split_once("...") {
        Some(ends) => (true, ends),
        None => match range.split_once("..") {
            Some(ends) => (false, ends),
            None => return Err(Error::Range(range.to_owned())),
        },
    };
    let commit = |end: &'_ str| match end {
        "" => Ok("HEAD".to_owned()),
        // Not even where git knows that it is no option.
        _ if end.starts_with('-') || end.contains("..") => Err(Error::Range(range.to_owned())),
        _ => Ok(end.to_owned()),
    };
    let (one, other) = (commit(ends.0)?, commit(ends.1)?);
    let mut words = vec!["diff-tree"];
    if from_base {
        words.push("--merge-base");
    }
    words.extend([
        "-r",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--name-only",
        "--relative",
        "-O/dev/null",
        "-z",
        "--end-of-options",
        &one,
        &other,
        "--",
    ]);
    let ran = run(root, &words).await?;
    if is_outside(&ran) {
        return Err(Error::Outside(root.to_owned()));
    }
    let ran = succeeded("compare", ran)?;
    Ok(names(&ran).collect())
}

/// Returns the paths of the files that git tracks below `root`, relative to it; `None` if that is not in a
/// repository.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn tracked(root: &Utf8Path) -> Result<Option<BTreeSet<Utf8PathBuf>>, Error> {
    let words = ["ls-files", "--cached", "-z"];
    match run(root, &words).await {
        Err(Error::Missing(_)) if !is_in_repository(root) => Ok(None),
        Err(error) => Err(error),
        Ok(ran) if is_outside(&ran) && !is_in_repository(root) => Ok(None),
        Ok(ran) => Ok(Some(names(&succeeded("list the files of", ran)?).collect())),
    }
}

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOut {
    /// The commit, in hex.
    pub commit: String,
    /// Whether something below the directory is not as that commit has it: a file that is tracked has other bytes,
    /// another mode, or is gone; or is tracked, and not in the commit.
    pub dirty: bool,
}

/// Returns what is checked out in `root`; `None` if that is in no repository, or in one without a commit.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn checked_out(root: &Utf8Path) -> Result<Option<CheckedOut>, Error> {
    const HEAD: [&str; 4] = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
    let head = match run(root, &HEAD).await {
        Err(Error::Missing(_)) if !is_in_repository(root) => return Ok(None),
        ran => ran?,
    };
    if !head.succeeded() {
        if head.stderr.trim().is_empty() || (is_outside(&head) && !is_in_repository(root)) {
            return Ok(None);
        }
        succeeded("find", head)?;
        return Ok(None);
    }
    let commit = head.stdout_text().trim().to_owned();
    let words = [
        "diff-index",
        "--cached",
        "--name-only",
        "--relative",
        "-z",
        &commit,
        "--",
    ];
    let staged = succeeded("compare", run(root, &words).await?)?;
    let dirty = names(&staged).next().is_some() || differs(root).await?;
    Ok(Some(CheckedOut { commit, dirty }))
}

/// Tells whether a file is not as the index has it. Each is hashed as it is: where git looks at files by itself, it runs
/// filters, which are programs.
async fn differs(root: &Utf8Path) -> Result<bool, Error> {
    let ran = run(root, &["ls-files", "--stage", "-z"]).await?;
    let ran = succeeded("list the files of", ran)?;
    // Git takes paths on its standard input from the top of the repository.
    let Ok(root_of_paths) = root.canonicalize_utf8() else {
        return Ok(true);
    };
    let (mut expected, mut paths) = (Vec::new(), String::new());
    for entry in ran.stdout.split(|byte| *byte == 0) {
        if entry.is_empty() {
            continue;
        }
        let Some(entry) = std::str::from_utf8(entry).ok().and_then(StagedFile::of) else {
            return Ok(true);
        };
        let path = root.join(entry.path);
        let Ok(found) = path.symlink_metadata() else {
            return Ok(true);
        };
        match entry.mode {
            "100644" | "100755" => {
                let is_program = found.permissions().mode() & 0o100 != 0;
                let is_same = found.is_file() && is_program == (entry.mode == "100755");
                let path = root_of_paths.join(entry.path);
                if !is_same || path.as_str().contains('\n') {
                    return Ok(true);
                }
                expected.push(entry.object.to_owned());
                paths.push_str(path.as_str());
                paths.push('\n');
            }
            "120000" => {
                let Ok(target) = path.read_link_utf8() else {
                    return Ok(true);
                };
                let words = ["hash-object", "--stdin"];
                let ran = run_with(root, &words, target.into_string()).await?;
                if succeeded("hash", ran)?.stdout_text().trim() != entry.object {
                    return Ok(true);
                }
            }
            // Another repository: what is in it is no file of this one.
            _ => {}
        }
    }
    if paths.is_empty() {
        return Ok(false);
    }
    let words = ["hash-object", "--no-filters", "--stdin-paths"];
    let ran = succeeded("hash", run_with(root, &words, paths).await?)?;
    Ok(!ran.stdout_text().lines().eq(expected))
}

/// Returns the key that the user signs with, by their own configuration: what a repository says does not count.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn signing_key() -> Result<Option<String>, Error> {
    let words = ["config", "--get", "user.signingkey"];
    let ran = run("/".into(), &words).await?;
    let key = ran.stdout_text().trim().to_owned();
    Ok(Some(key).filter(|key| ran.succeeded() && !key.is_empty()))
}

/// Returns where a directory lies in its repository; empty if it is its top.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn prefix(root: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let ran = run(root, &["rev-parse", "--show-prefix"]).await?;
    let ran = succeeded("find the top of", ran)?;
    let text = ran.stdout_text();
    Ok(text.trim_end_matches('\n').trim_end_matches('/').into())
}

/// An object of a repository, as git gives it: nobody has compared its bytes with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `commit`, `tree`, `blob` or `tag`.
    pub kind: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Returns the names of the objects of the newest annotated tags, at most `most`; of those of the commit `of`, if there
/// is one; none outside of a repository. Who makes a tag says how new it is.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn tags(root: &Utf8Path, of: Option<&str>, most: usize) -> Result<Vec<String>, Error> {
    let of = of.map(|commit| format!("--points-at={commit}"));
    let mut words = vec![
        "for-each-ref",
        "--sort=-creatordate",
        "--format=%(objecttype) %(objectname)",
    ];
    words.extend(of.as_deref());
    words.push("refs/tags");
    let ran = match run(root, &words).await {
        Err(Error::Missing(_)) if !is_in_repository(root) => return Ok(Vec::new()),
        ran => ran?,
    };
    if is_outside(&ran) && !is_in_repository(root) {
        return Ok(Vec::new());
    }
    let text = succeeded("list the tags of", ran)?
        .stdout_text()
        .into_owned();
    let names = text.lines().filter_map(|line| line.strip_prefix("tag "));
    Ok(names.take(most).map(str::to_owned).collect())
}

/// Returns the objects of these names, each of which is hex. What is not there is left out.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn objects(
    root: &Utf8Path,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Object>, Error> {
    let mut input = String::new();
    for name in names {
        if name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            input.push_str(name);
            input.push('\n');
        }
    }
    if input.is_empty() {
        return Ok(BTreeMap::new());
    }
    let words = ["cat-file", "--batch"];
    let ran = succeeded("read", run_with(root, &words, input).await?)?;
    let mut objects = BTreeMap::new();
    let mut rest = ran.stdout.as_slice();
    // `<name> <kind> <size>`, the bytes, and a line's end; or `<name> missing`.
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let mut words = head.split(' ');
        let (Some(name), Some(kind), Some(size)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let size = size.parse().ok().filter(|size| *size < rest.len());
        let Some(size) = size else { break };
        let object = Object {
            kind: kind.to_owned(),
            bytes: rest[..size].to_vec(),
        };
        objects.insert(name.to_owned(), object);
        rest = &rest[size + 1..];
    }
    Ok(objects)
}

/// Returns the name of the object that a text names, such as `HEAD~1` or a tag; nothing if it names none.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn named(root: &Utf8Path, name: &str) -> Result<Option<String>, Error> {
    // Git would take it for an option.
    if name.is_empty() || name.starts_with('-') {
        return Ok(None);
    }
    let ran = run(root, &["rev-parse", "--verify", "--quiet", name]).await?;
    if is_outside(&ran) {
        return Err(Error::Outside(root.to_owned()));
    }
    if !ran.succeeded() && !ran.stderr.trim().is_empty() {
        succeeded("find", ran)?;
        return Ok(None);
    }
    let object = ran.stdout_text().trim().to_owned();
    let is_name = !object.is_empty() && object.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(Some(object).filter(|_| ran.succeeded() && is_name))
}

/// Returns the names of these commits and of what git says are their ancestors. Where some are not there, it may be less.
///
/// # Errors
///
/// Whatever keeps git from running.
pub async fn ancestors(
    root: &Utf8Path,
    commits: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let is_name = |name: &&String| name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut input = String::new();
    for name in commits.iter().filter(is_name) {
        input.push_str(name);
        input.push('\n');
    }
    let ran = run_with(root, &["rev-list", "--ignore-missing", "--stdin"], input).await?;
    Ok(ran.stdout_text().lines().map(str::to_owned).collect())
}

/// The commit that a line came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The commit, in hex.
    pub commit: String,
    /// When it was committed: RFC 3339.
    pub date: String,
}

/// Returns for each of `lines` the last commit that added it to a file in `directory`, below `root`. A line that no
/// commit has added is left out.
///
/// # Errors
///
/// Whatever keeps git from saying it.
pub async fn since(
    root: &Utf8Path,
    directory: &str,
    lines: &BTreeSet<String>,
) -> Result<BTreeMap<String, Since>, Error> {
    let words = ["rev-list", "--end-of-options", "HEAD", "--", directory];
    let commits = match run(root, &words).await {
        Err(Error::Missing(_)) if !is_in_repository(root) => return Ok(BTreeMap::new()),
        ran => ran?,
    };
    if !commits.succeeded() {
        // There is no commit yet, or no repository.
        return Ok(BTreeMap::new());
    }
    let words = [
        "diff-tree",
        "--stdin",
        "--root",
        "-r",
        "-p",
        "--unified=0",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "-O/dev/null",
        "--format=commit %H %cI",
        "--relative",
        "--",
        directory,
    ];
    let ran = succeeded("compare", run_with(root, &words, commits.stdout).await?)?;
    let mut found = BTreeMap::new();
    let mut commit = None;
    for line in ran.stdout_text().lines() {
        if let Some(line) = line.strip_prefix("commit ") {
            commit = line.split_once(' ').map(|(commit, date)| Since {
                commit: commit.to_owned(),
                date: date.to_owned(),
            });
        } else if let (Some(line), Some(commit)) = (line.strip_prefix('+'), &commit)
            && lines.contains(line)
        {
            // The latest come first.
            found
                .entry(line.to_owned())
                .or_insert_with(|| commit.clone());
        }
    }
    Ok(found)
}

/// A line of `git ls-files --stage`.
struct StagedFile<'a> {
    mode: &'a str,
    object: &'a str,
    path: &'a str,
}

impl<'a> StagedFile<'a> {
    /// Reads one; nothing of a file that two branches have changed.
    fn of(text: &'a str) -> Option<Self> {
        let (about, path) = text.split_once('\t')?;
        let mut words = about.split(' ');
        let (mode, object) = (words.next()?, words.next()?);
        (words.next() == Some("0")).then_some(Self { mode, object, path })
    }
}

/// Tells whether there is something of a repository in a directory, or above it.
fn is_in_repository(root: &Utf8Path) -> bool {
    let root = root.canonicalize_utf8();
    let has = |directory: &Utf8Path| directory.join(".git").symlink_metadata().is_ok();
    root.is_ok_and(|root| root.ancestors().any(has))
}

async fn run(root: &Utf8Path, words: &[&str]) -> Result<Finished, Error> {
    run_with(root, words, String::new()).await
}

async fn run_with(
    root: &Utf8Path,
    words: &[&str],
    input: impl Into<Vec<u8>>,
) -> Result<Finished, Error> {
    let program = find("git".into()).map_err(Error::Missing)?;
    let mut invocation = Invocation::new(&program)
        .argument("--no-pager")
        .argument("-C")
        .argument(if root.as_str().is_empty() {
            "."
        } else {
            root.as_str()
        });
    for setting in SETTINGS {
        invocation = invocation.argument("-c").argument(setting);
    }
    for (name, value) in VARIABLES {
        invocation = invocation.variable(name, value);
    }
    let invocation = invocation.arguments(words).input(input);
    let limited = invocation.time_limit(LIMIT).output_limit(OUTPUT);
    limited.run().await.map_err(Error::Run)
}

fn is_outside(ran: &Finished) -> bool {
    !ran.succeeded() && ran.stderr.contains("not a git repository")
}

fn succeeded(action: &'static str, ran: Finished) -> Result<Finished, Error> {
    if ran.succeeded() {
        return Ok(ran);
    }
    let message = ran.stderr.trim().to_owned();
    Err(Error::Failed { action, message })
}

/// Returns the names that were printed, each with a NUL behind it.
fn names(ran: &Finished) -> impl Iterator<Item = Utf8PathBuf> {
    let names = ran.stdout.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned().into())
}

#[cfg(test)]
mod tests;
