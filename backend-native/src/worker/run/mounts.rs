//! The mounts of a RUN, as `--mount` says them, by `BuildKit`'s rules: what can be said, what it means, and
//! which of them takes the place of another.
//!
//! It knows no files: where a target lies is found out when it is mounted.

use std::fmt;

use containerfile::{Run, Script, Step, truth};
use snapshot::{Owner, Place};

use crate::job::Failure;
use crate::worker::failure::{Result, unsupported};

/// Where the command of a RUN is that is a file.
const SCRIPTS: &str = "/dev/pipes/";

/// The mode of a cache that says none.
const MODE: u32 = 0o755;

/// The bits that a mask takes from the mode of a cache: that of Docker's daemon, which makes it.
const MASK: u32 = 0o022;

/// A mount of a RUN.
#[derive(Debug, PartialEq)]
pub(crate) struct Mount {
    pub(crate) kind: Kind,
    /// The stage, image or context that it is from.
    pub(crate) from: Option<String>,
    /// What of that is mounted.
    pub(crate) source: Place,
    /// Where it goes.
    pub(crate) target: Place,
    pub(crate) writing: Writing,
    /// Who else may have a cache at the same time.
    pub(crate) sharing: Sharing,
    /// Where it goes, as it is written, but from the root on: this decides what is mounted first.
    written: String,
}

/// What is mounted.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    Bind,
    Cache(Cache),
    /// An empty file system in memory, of at most so many bytes; of as many as there are without.
    Temporary(Option<u64>),
    /// A directory with the command of the RUN in it.
    Script(Script),
}

/// Who else may have a cache at the same time. What comes later allows less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sharing {
    /// Every RUN that does not demand it for itself.
    #[default]
    Shared,
    /// Nobody: another RUN gets another cache.
    Private,
    /// Nobody: another RUN waits.
    Locked,
}

/// What tells caches from each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cache {
    id: String,
    pub(crate) from: Option<String>,
    /// The directory in it that is mounted, if one is made.
    pub(crate) made: Option<CacheDirectory>,
}

/// A directory that is made in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CacheDirectory {
    pub(crate) mode: u32,
    user: u32,
    group: u32,
}

impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.id)
    }
}

impl CacheDirectory {
    /// Where in the cache it is. What is there already stays.
    pub(crate) const PATH: &str = "/cache";

    pub(crate) fn owner(&self) -> Owner {
        Owner {
            user: self.user,
            group: self.group,
        }
    }
}

/// What becomes of what a process writes to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Denied,
    Allowed,
}

/// Reads the mounts of a RUN, and puts them into the order in which they are mounted: one in another comes
/// after it, wherever it is written.
pub(crate) fn of_run(step: &Step, run: &Run) -> Result<Vec<Mount>> {
    let mounts = run.mounts.iter();
    let mounts = mounts.map(|mount| Mount::read(&mount.fields, &step.working_directory));
    let mut mounts = mounts.collect::<Result<Vec<_>>>()?;
    let script = step.invocation().and_then(|invocation| invocation.script);
    mounts.extend(script.map(Mount::of_script));
    mounts.sort_by(|one, other| one.written.cmp(&other.written));
    Ok(mounts)
}

/// Puts something at a target. What would have been mounted there before is not, and it comes in its place.
pub(crate) fn put<T>(mounts: &mut Vec<(Place, T)>, target: Place, mount: T) {
    match mounts.iter_mut().find(|(place, _)| *place == target) {
        Some((_, before)) => *before = mount,
        None => mounts.push((target, mount)),
    }
}

impl Mount {
    /// Reads the fields of a mount in a step that begins in `directory`.
    fn read(fields: &[(String, Option<String>)], directory: &str) -> Result<Self> {
        let mut said = Said::default();
        for (name, value) in fields {
            match value {
                Some(value) => said.value(name, value)?,
                None => said.flag(name)?,
            }
        }
        said.check()?;
        let kind = said.kind()?;
        let written = if said.target.starts_with('/') {
            said.target.clone()
        } else {
            Place::new(format!("{directory}/{}", said.target)).to_string()
        };
        let target = Place::new(&written);
        if target.is_root() {
            return Err(Failure::build("nothing can be mounted at `/`"));
        }
        let default = match said.kind {
            Word::Cache | Word::Temporary => Writing::Allowed,
            Word::Bind | Word::Secret | Word::Ssh => Writing::Denied,
        };
        Ok(Self {
            writing: said.writing.unwrap_or(default),
            sharing: said.sharing.unwrap_or_default(),
            kind,
            source: Place::new(&said.source),
            from: said.from,
            target,
            written,
        })
    }

    fn of_script(script: Script) -> Self {
        Self {
            kind: Kind::Script(script),
            from: None,
            source: Place::root(),
            target: Place::new(SCRIPTS),
            writing: Writing::Denied,
            sharing: Sharing::default(),
            written: SCRIPTS.to_owned(),
        }
    }

    /// Tells whether a process may write to files in it that were there before.
    pub(crate) fn may_change_files(&self) -> bool {
        let has_files = match &self.kind {
            Kind::Bind => true,
            Kind::Cache(cache) => cache.from.is_some(),
            Kind::Temporary(_) | Kind::Script(_) => false,
        };
        has_files && self.writing == Writing::Allowed
    }

    /// Returns the place of which everything is seen in what the mount is from.
    pub(crate) fn origin(&self) -> Place {
        match &self.kind {
            // The directory is made, or is there, and is asked for in any case.
            Kind::Cache(Cache { made: Some(_), .. }) => Place::root(),
            _ => self.source.clone(),
        }
    }
}

/// The word for a type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Bind,
    Cache,
    Temporary,
    Secret,
    Ssh,
}

impl Word {
    fn read(text: &str) -> Result<Self> {
        Ok(match text.to_lowercase().as_str() {
            "bind" => Self::Bind,
            "cache" => Self::Cache,
            "tmpfs" => Self::Temporary,
            "secret" => Self::Secret,
            "ssh" => Self::Ssh,
            _ => {
                return Err(Failure::build(format!(
                    "there is no mount of type `{text}`"
                )));
            }
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Temporary => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

/// What the fields say, of which the last one counts. Some may only come after the type that has them.
#[derive(Debug, Default)]
struct Said {
    kind: Word,
    from: Option<String>,
    source: String,
    target: String,
    writing: Option<Writing>,
    size: Option<u64>,
    id: String,
    sharing: Option<Sharing>,
    mode: Option<u32>,
    user: Option<u32>,
    group: Option<u32>,
}

impl Said {
    fn flag(&mut self, name: &str) -> Result<()> {
        match name {
            "readonly" | "ro" => self.writing = Some(Writing::Denied),
            "readwrite" | "rw" => self.writing = Some(Writing::Allowed),
            "required" => self.only_of(name, &[Word::Secret, Word::Ssh])?,
            _ => {
                let message = format!("the field `{name}` of a mount has no value");
                return Err(Failure::build(message));
            }
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = || Failure::build(format!("`{name}={value}` is not possible in a mount"));
        match name {
            "type" => self.kind = Word::read(value)?,
            "from" => self.from = Some(value.to_owned()).filter(|from| !from.is_empty()),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            "readonly" | "ro" => self.writing = Some(writing(!truth(value).ok_or_else(bad)?)),
            "readwrite" | "rw" => self.writing = Some(writing(truth(value).ok_or_else(bad)?)),
            "required" => {
                self.only_of(name, &[Word::Secret, Word::Ssh])?;
                truth(value).ok_or_else(bad)?;
            }
            "size" => {
                self.only_of(name, &[Word::Temporary])?;
                self.size = Some(size(value).ok_or_else(bad)?);
            }
            "id" => value.clone_into(&mut self.id),
            "sharing" => {
                self.sharing = Some(match value.to_lowercase().as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err(bad()),
                });
            }
            "mode" => self.mode = Some(number(value, 8).ok_or_else(bad)?),
            "uid" => self.user = Some(number(value, 10).ok_or_else(bad)?),
            "gid" => self.group = Some(number(value, 10).ok_or_else(bad)?),
            "env" => {}
            _ => {
                let message = format!("there is no field `{name}` of a mount");
                return Err(Failure::build(message));
            }
        }
        Ok(())
    }

    /// Refuses what only some types have.
    fn only_of(&self, name: &str, kinds: &[Word]) -> Result<()> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        let kind = self.kind.text();
        let message = format!("a mount of type `{kind}` has no `{name}`");
        Err(Failure::build(message))
    }

    /// Refuses what the type does not have, once that is known.
    fn check(&self) -> Result<()> {
        let numbers = [("mode", self.mode), ("uid", self.user), ("gid", self.group)];
        for (name, number) in numbers {
            if number.is_some() {
                self.only_of(name, &[Word::Cache, Word::Secret, Word::Ssh])?;
            }
        }
        if self.sharing.is_some() {
            self.only_of("sharing", &[Word::Cache])?;
        }
        Ok(())
    }

    fn kind(&self) -> Result<Kind> {
        Ok(match self.kind {
            Word::Bind => Kind::Bind,
            Word::Cache => Kind::Cache(self.cache()),
            Word::Temporary => Kind::Temporary(self.size.filter(|size| *size > 0)),
            Word::Secret | Word::Ssh => {
                let what = format!("--mount=type={}", self.kind.text());
                return Err(unsupported("RUN", &what));
            }
        })
    }

    fn cache(&self) -> Cache {
        let id = match self.id.as_str() {
            "" if self.target.starts_with('/') => Place::new(&self.target).to_string(),
            "" => format!("./{}", Place::new(&self.target)),
            id => id.to_owned(),
        };
        let is_plain = (self.mode, self.user, self.group) == (None, None, None);
        let is_whole = Place::new(&self.source).is_root();
        let made = (is_whole && !is_plain).then(|| CacheDirectory {
            mode: self.mode.unwrap_or(MODE) & 0o777 & !MASK,
            user: owner(self.user),
            group: owner(self.group),
        });
        Cache {
            id,
            from: self.from.clone(),
            made,
        }
    }
}

/// Returns the number of a user or a group that a directory is given to. By the last one the kernel understands
/// that it stays whose it is.
fn owner(number: Option<u32>) -> u32 {
    number.filter(|number| *number != u32::MAX).unwrap_or(0)
}

fn writing(is_allowed: bool) -> Writing {
    if is_allowed {
        Writing::Allowed
    } else {
        Writing::Denied
    }
}

/// Reads a number as Go does: without a sign.
fn number(text: &str, base: u32) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    u32::from_str_radix(text, base).ok()
}

/// Reads a size in bytes as Docker's `RAMInBytes` does: `64m`, `1.5 GiB`.
fn size(text: &str) -> Option<u64> {
    let is_last = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == ' ';
    let split = text.rfind(is_last)? + 1;
    let (number, unit) = text.split_at(split);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let number: f64 = number.parse().ok().filter(|number| *number >= 0.0)?;
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a byte is none, and it is not negative"
    )]
    let bytes = (number * 1024_f64.powi(power)) as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(text: &str) -> Result<Mount> {
        let fields: Vec<_> = text
            .split(',')
            .map(|field| match field.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (field.to_owned(), None),
            })
            .collect();
        Mount::read(&fields, "/work")
    }

    #[rstest]
    #[case("target=/m", "/m")]
    #[case("dst=/m,target=m", "/work/m")]
    #[case("target=/a/../m/", "/m")]
    #[case("target=../m", "/m")]
    #[case("type=cache", "/work")]
    #[case("target=", "/work")]
    fn targets(#[case] text: &str, #[case] target: &str) {
        assert_eq!(read(text).unwrap().target, Place::new(target));
    }

    #[rstest]
    #[case("target=/m", Writing::Denied)]
    #[case("target=/m,rw", Writing::Allowed)]
    #[case("target=/m,rw,ro", Writing::Denied)]
    #[case("target=/m,ro=0", Writing::Allowed)]
    #[case("target=/m,rw=False", Writing::Denied)]
    #[case("target=/m,type=TMPFS", Writing::Allowed)]
    #[case("target=/m,type=tmpfs,ro", Writing::Denied)]
    #[case("target=/m,type=cache", Writing::Allowed)]
    fn what_is_written(#[case] text: &str, #[case] writing: Writing) {
        assert_eq!(read(text).unwrap().writing, writing);
    }

    #[rstest]
    #[case("target=/")]
    #[case("target=/.")]
    #[case("target=/m,type=disk")]
    #[case("target=/m,rw=yes")]
    #[case("target=/m,rw=")]
    #[case("target=/m,source")]
    #[case("target=/m,colour=red")]
    #[case("target=/m,required")]
    #[case("target=/m,required=true")]
    #[case("target=/m,size=1m")]
    #[case("target=/m,size=1m,type=tmpfs")]
    #[case("target=/m,type=tmpfs,size=-1")]
    #[case("target=/m,type=tmpfs,size=large")]
    #[case("target=/m,mode=700")]
    #[case("target=/m,uid=1,type=tmpfs")]
    #[case("target=/m,gid=1")]
    #[case("target=/m,sharing=locked")]
    #[case("target=/m,type=cache,sharing=never")]
    #[case("target=/m,type=cache,mode=8")]
    #[case("target=/m,type=cache,mode=+700")]
    #[case("target=/m,type=cache,uid=")]
    #[case("target=/m,type=cache,uid=4294967296")]
    #[case("target=/m,type=secret")]
    fn refused(#[case] text: &str) {
        assert!(read(text).is_err());
    }

    #[rstest]
    #[case("0", Some(0))]
    #[case("1b", Some(1))]
    #[case("64m", Some(64 << 20))]
    #[case("1.5 GiB", Some(3 << 29))]
    #[case("2 kb", Some(2048))]
    #[case("1kk", None)]
    #[case("1 ", Some(1))]
    #[case("m", None)]
    fn sizes(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(size(text), bytes);
    }

    #[rstest]
    #[case("target=/m", "id=/m,target=/n", true)]
    #[case("target=/m/", "id=/m,target=/n,sharing=private", true)]
    #[case("target=m", "target=/work/m", false)]
    #[case("id=a,target=/m", "id=a,target=/n,from=stage", false)]
    #[case(
        "id=a,target=/m,from=stage",
        "id=a,target=/n,from=stage,source=/x",
        true
    )]
    #[case("id=a,target=/m", "id=a,target=/n,uid=5", false)]
    fn caches(#[case] one: &str, #[case] other: &str, #[case] are_one: bool) {
        let [one, other] = [one, other].map(|text| read(&format!("type=cache,{text}")).unwrap());
        assert_eq!(one.kind == other.kind, are_one);
    }

    #[test]
    fn a_mount_takes_the_place_of_another() {
        let mut mounts = Vec::new();
        for (target, name) in [("/a", 1), ("/a/b", 2), ("/c/../a", 3)] {
            put(&mut mounts, Place::new(target), name);
        }
        let names: Vec<_> = mounts.iter().map(|(_, name)| *name).collect();
        assert_eq!(names, [3, 2]);
    }
}
