//! The mounts of a `RUN`: a closed set of fields, and each source as an engine may be told it.
//!
//! Some engines look for a source by the machine's own paths, so that a symbolic link in a stage or a
//! context leads to the machine's files, and let a `RUN` write into it for good. They get a copy of
//! the source, in a stage of its own, or are asked for nothing at all. Some expand variables first and
//! look for fields afterwards, so that a value brings in fields of its own: they are told values, and none
//! that could be taken for more than one. What a source is, is known here; what lies there, is not.

use std::fmt::Write as _;

use super::mount_fields::{FIELDS, VARIABLE, absolute, field, value};
use super::options::CopiedSource;
use super::stage::Writer;
use super::text;
use crate::build::Step;
use crate::error::{ErrorKind, Fault};
use crate::instruction::{Instruction, Mount};
use crate::state::clean;
use crate::truth::truth;

/// The types that a mount may have.
const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// What says whether a mount is written to.
const ACCESS: [&str; 4] = ["ro", "readonly", "rw", "readwrite"];

/// Where a source lies in the stage that it is copied into.
const PLACE: &str = "/mount";
/// What the names of such stages begin with.
const STAGE: &str = "stagex-mount";
/// What an engine could take for the end of a field, for a quotation or for a variable.
const SPECIAL: [char; 6] = [',', '"', '\'', '\\', '`', '$'];

impl Writer<'_> {
    /// Returns the mounts of a `RUN` as they are written for the engine.
    pub(super) fn mounts(&mut self, step: &Step) -> Result<Vec<Mount>, Fault> {
        let Instruction::Run(run) = &step.instruction else {
            return Ok(Vec::new());
        };
        let mut mounts = Vec::new();
        for mount in &run.mounts {
            check(mount).map_err(|kind| Self::fault(step, kind))?;
            let kind = kind(mount);
            if kind == "secret" || kind == "ssh" {
                // Nobody has been given any: what is not required is not there.
                if is_required(mount) {
                    return Err(Self::fault(step, ErrorKind::SecretOfRun(kind)));
                }
                continue;
            }
            let mount = &plain_access(&absolute(mount, &step.working_directory), &kind);
            mounts.push(if self.options.dialect.confined_mounts {
                alone(self.renamed_mount(mount))
            } else {
                self.confined(step, mount)?
            });
        }
        Ok(mounts)
    }

    fn renamed_mount(&self, mount: &Mount) -> Mount {
        let mut mount = mount.clone();
        let from = mount.from().map(|name| self.source(name));
        let mut fields = mount.fields.iter_mut().rev();
        if let (Some(from), Some(field)) = (from, fields.find(|(key, _)| key == "from")) {
            field.1 = Some(from);
        }
        mount
    }

    /// Writes a mount so that no path of the machine is reached by it, and nothing written outlives the `RUN`
    /// but in a cache.
    fn confined(&mut self, step: &Step, mount: &Mount) -> Result<Mount, Fault> {
        let refuse = |what: &str| {
            let kind = ErrorKind::MountOfRun(what.to_owned());
            Err(Self::fault(step, kind))
        };
        let kind = kind(mount);
        let mut said: Vec<(&str, Option<String>)> = vec![("type", Some(kind.clone()))];
        let source = clean(value(mount, "source").unwrap_or_default());
        let is_written = is_written(mount, &kind);
        match kind.as_str() {
            "tmpfs" => return Ok(mount.clone()),
            "bind" if source == "/" && !is_written => return Ok(self.renamed_mount(mount)),
            "bind" => {
                let stage = self.copied(step, mount.from(), &source, is_written)?;
                said.push(("from", Some(stage)));
                said.push(("source", Some(PLACE.to_owned())));
            }
            "cache" if mount.from().is_some() => return refuse("of a cache with `from`"),
            "cache" if source != "/" => return refuse("of a cache with `source`"),
            "cache" => {
                let id = value(mount, "id").filter(|id| !id.is_empty());
                let target = || clean(value(mount, "target").unwrap_or_default());
                said.push(("id", Some(plain(&id.map_or_else(target, str::to_owned)))));
            }
            _ => {}
        }
        match kind.as_str() {
            "bind" if is_written => said.push(("rw", None)),
            "cache" if !is_written => said.push(("ro", None)),
            _ => {}
        }
        for name in FIELDS.iter().map(|(name, _)| *name).chain([VARIABLE]) {
            let is_said = said.iter().any(|(other, _)| *other == name);
            if !is_said && !["from", "source", "ro", "rw"].contains(&name) {
                said.extend(field(mount, name).map(|(_, value)| (name, value.clone())));
            }
        }
        let fields = said.into_iter();
        Ok(Mount {
            fields: fields.map(|(key, value)| (key.to_owned(), value)).collect(),
        })
    }

    /// Returns the stage into which a source is copied. One that a `RUN` writes to is of this mount alone.
    fn copied(
        &mut self,
        step: &Step,
        from: Option<&str>,
        source: &str,
        is_written: bool,
    ) -> Result<String, Fault> {
        if source.contains(text::PATTERN) {
            let what = format!("with `{source}` as its source");
            return Err(Self::fault(step, ErrorKind::MountOfRun(what)));
        }
        let from = from.map(|name| self.source(name));
        let known = self.lowered.copied.iter().find(|copied| {
            !is_written && !copied.is_written && copied.from == from && copied.source == source
        });
        if let Some(copied) = known {
            return Ok(copied.stage.clone());
        }
        let number = self.lowered.copied.len();
        let stage = self.free_name(&format!("{STAGE}-{number}"));
        let mut words = vec!["COPY".to_owned()];
        words.extend(from.as_ref().map(|from| Self::flag("from", from)));
        let paths = [source, PLACE].map(|path| text::source(path, text::ESCAPE));
        words.push(text::arguments(&paths, false));
        let copy = words.join(" ");
        let _ = write!(self.before, "\nFROM scratch AS {stage}\n{copy}\n");
        self.lowered.copied.push(CopiedSource {
            stage: stage.clone(),
            before: self.stage.id,
            step: step.id,
            from,
            source: source.to_owned(),
            is_written,
        });
        Ok(stage)
    }
}

/// Refuses a field that `BuildKit` does not have, since with those of other engines, a mount may do what none
/// should be able to ask for; and a value that an engine might take for several fields.
fn check(mount: &Mount) -> Result<(), ErrorKind> {
    let is_special = |c: char| SPECIAL.contains(&c) || c.is_whitespace() || c.is_control();
    let values = mount.fields.iter().filter_map(|(_, value)| value.as_ref());
    if let Some(value) = values.into_iter().find(|value| value.contains(is_special)) {
        return Err(ErrorKind::MountValue(value.clone()));
    }
    let known = |key: &str| key == VARIABLE || FIELDS.iter().any(|(_, keys)| keys.contains(&key));
    if let Some((key, _)) = mount.fields.iter().find(|(key, _)| !known(key)) {
        return Err(ErrorKind::MountField(key.clone()));
    }
    let wrong = mount.fields.iter().find_map(|(key, value)| {
        let value = value.as_deref().filter(|value| truth(value).is_none())?;
        ACCESS
            .contains(&key.as_str())
            .then(|| format!("{key}={value}"))
    });
    if let Some(field) = wrong {
        return Err(ErrorKind::MountTruth(field));
    }
    let kind = kind(mount);
    if TYPES.contains(&kind.as_str()) {
        Ok(())
    } else {
        Err(ErrorKind::MountType(kind))
    }
}

/// Has a `RUN` wait for others that use the same cache, if it mounts a part of it: before `BuildKit` 0.12.5, one
/// that changed the path to that part meanwhile could have any directory of the machine mounted (CVE-2024-23651).
fn alone(mut mount: Mount) -> Mount {
    let is_part = clean(value(&mount, "source").unwrap_or_default()) != "/";
    let sharing = value(&mount, "sharing").unwrap_or("shared");
    if kind(&mount) == "cache" && is_part && sharing.eq_ignore_ascii_case("shared") {
        mount.fields.retain(|(key, _)| key != "sharing");
        let locked = ("sharing".to_owned(), Some("locked".to_owned()));
        mount.fields.push(locked);
    }
    mount
}

fn kind(mount: &Mount) -> String {
    let kind = mount.get("type").unwrap_or("bind");
    kind.to_ascii_lowercase()
}

/// Tells whether a `RUN` fails without what it mounts.
fn is_required(mount: &Mount) -> bool {
    field(mount, "required").is_some_and(|(_, value)| {
        let value = value.as_deref().unwrap_or("true");
        truth(value) != Some(false)
    })
}

/// Tells whether a `RUN` may write to a mount.
fn is_written(mount: &Mount, kind: &str) -> bool {
    let mut written = kind != "bind";
    for (key, value) in &mount.fields {
        let is_false = value.as_deref().and_then(truth) == Some(false);
        match key.as_str() {
            "ro" | "readonly" => written = is_false,
            "rw" | "readwrite" => written = !is_false,
            _ => {}
        }
    }
    written
}

/// Has a mount say by one word whether it is written to, if it says so at all: some engines take no value for that.
fn plain_access(mount: &Mount, kind: &str) -> Mount {
    let mut plain = mount.clone();
    plain
        .fields
        .retain(|(key, _)| !ACCESS.contains(&key.as_str()));
    if plain.fields.len() < mount.fields.len() {
        let word = match (kind, is_written(mount, kind)) {
            ("bind", true) => Some("rw"),
            (_, false) => Some("ro"),
            // It is written to anyway.
            (_, true) => None,
        };
        let word = word.map(|word| (word.to_owned(), None));
        plain.fields.extend(word);
    }
    plain
}

/// Returns the id of a cache as one name, of which no engine makes a path.
fn plain(id: &str) -> String {
    let mut name = "stagex-".to_owned();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cargo-1", "stagex-cargo-1")]
    #[case("../../etc", "stagex-_2e_2e_2f_2e_2e_2fetc")]
    #[case("a/b", "stagex-a_2fb")]
    #[case("a_2fb", "stagex-a_5f2fb")]
    fn an_id_is_one_name_of_its_own(#[case] id: &str, #[case] expected: &str) {
        assert_eq!(plain(id), expected);
    }
}
