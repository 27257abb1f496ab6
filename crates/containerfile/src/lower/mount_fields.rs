//! The fields of a mount: which there are, under which names, and what counts of them.
//!
//! It does not know what an engine makes of a mount.

use crate::instruction::Mount;
use crate::state::{self, clean};

/// The fields that a mount may have, in the order in which they are written.
pub(super) const FIELDS: [(&str, &[&str]); 13] = [
    ("type", &["type"]),
    ("from", &["from"]),
    ("source", &["source", "src"]),
    ("target", &["target", "dst", "destination"]),
    ("ro", &["ro", "readonly"]),
    ("rw", &["rw", "readwrite"]),
    ("id", &["id"]),
    ("sharing", &["sharing"]),
    ("mode", &["mode"]),
    ("uid", &["uid"]),
    ("gid", &["gid"]),
    ("size", &["size"]),
    ("required", &["required"]),
];
/// What stands for a secret's variable.
pub(super) const VARIABLE: &str = "env";

/// Returns where a mount is, from the root on, if it says so.
pub(super) fn target(mount: &Mount, working_directory: &str) -> Option<String> {
    let target = value(mount, "target").filter(|target| !target.is_empty())?;
    Some(clean(&state::absolute(working_directory, target)))
}

/// Writes where a mount is from the root on: some engines know no other way.
pub(super) fn absolute(mount: &Mount, working_directory: &str) -> Mount {
    let mut mount = mount.clone();
    let is_relative = value(&mount, "target").is_some_and(|target| !target.starts_with('/'));
    if let (true, Some(target)) = (is_relative, target(&mount, working_directory)) {
        let mut fields = mount.fields.iter_mut();
        let known = ["target", "dst", "destination"];
        if let Some(field) = fields.rfind(|(key, _)| known.contains(&key.as_str())) {
            field.1 = Some(target);
        }
    }
    mount
}

/// Returns the last value of a field, under whichever of its names.
pub(super) fn value<'a>(mount: &'a Mount, name: &str) -> Option<&'a str> {
    field(mount, name)?.1.as_deref()
}

/// Returns what counts of a field, under whichever of its names: what stands last.
pub(super) fn field<'a>(mount: &'a Mount, name: &str) -> Option<&'a (String, Option<String>)> {
    let known = FIELDS.iter().find(|(field, _)| *field == name);
    let keys = known.map_or(&[VARIABLE] as &[&str], |(_, keys)| *keys);
    let mut fields = mount.fields.iter().rev();
    fields.find(|(key, _)| keys.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "/")]
    #[case("a/./b//c/", "/a/b/c")]
    #[case("/a/../../b", "/b")]
    #[case("../..", "/")]
    fn paths_stay_beneath(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(clean(path), expected);
    }

    #[rstest]
    #[case("/a", "/a")]
    #[case("a/../b", "/work/b")]
    #[case("./a/", "/work/a")]
    fn a_target_is_an_absolute_path(#[case] written: &str, #[case] expected: &str) {
        let mount = Mount {
            fields: vec![("dst".to_owned(), Some(written.to_owned()))],
        };
        assert_eq!(target(&mount, "/work").as_deref(), Some(expected));
        let said = absolute(&mount, "/work");
        let is_kept = written.starts_with('/');
        assert_eq!(
            value(&said, "target"),
            Some(if is_kept { written } else { expected })
        );
    }
}
