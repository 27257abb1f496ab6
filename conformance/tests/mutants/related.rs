//! Which cases have a property besides the one that names it, told by their canonical images.

use crate::member::Member;
use crate::world::Case;

pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// Every case has it.
pub(crate) fn every_case(_: &Case) -> bool {
    true
}

/// No case but the named one has it.
pub(crate) fn no_other(_: &Case) -> bool {
    false
}

/// An entry above the base fits.
pub(crate) fn any(case: &Case, fits: impl Fn(&Member) -> bool) -> bool {
    case.image.members().any(fits)
}

pub(crate) fn has_whiteouts(case: &Case) -> bool {
    any(case, is_whiteout)
}

pub(crate) fn has_hard_links(case: &Case) -> bool {
    any(case, |member| member.kind() == b'1')
}

pub(crate) fn has_several_layers(case: &Case) -> bool {
    case.image.layers.len() > 1
}

pub(crate) fn has_empty_layers(case: &Case) -> bool {
    let mut layers = case.image.layers.iter();
    layers.any(|layer| layer.members.is_empty())
}

pub(crate) fn has_a_base(case: &Case) -> bool {
    !case.image.base.is_empty()
}

/// The config has a text in it, as it is written.
pub(crate) fn says(case: &Case, text: &str) -> bool {
    String::from_utf8_lossy(case.layout.config()).contains(text)
}

/// Returns whether a member is a directory.
pub(crate) fn is_directory(member: &Member) -> bool {
    member.kind() == b'5'
}

/// Returns whether a member deletes a name.
pub(crate) fn is_whiteout(member: &Member) -> bool {
    last_name(&member.path()).starts_with(WHITEOUT)
}

/// Makes a member that deletes a name.
pub(crate) fn whiteout(deleted: &[u8]) -> Member {
    let directory = &deleted[..deleted.len() - last_name(deleted).len()];
    let mark = [directory, WHITEOUT, last_name(deleted)].concat();
    let mut member = Member::empty(std::str::from_utf8(&mark).expect("such a name is text"));
    member.set_mode(0);
    member
}

/// Returns the last part of a path.
pub(crate) fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Returns the path of a member; of a whiteout, of what it deletes.
pub(crate) fn meant(member: &Member) -> Vec<u8> {
    let path = member.path();
    let name = last_name(&path);
    let directory = &path[..path.len() - name.len()];
    [directory, name.strip_prefix(WHITEOUT).unwrap_or(name)].concat()
}

/// Returns what a walk through directories sorts a path by.
pub(crate) fn walked(path: &[u8]) -> Vec<u8> {
    path.iter()
        .map(|byte| if *byte == b'/' { 0 } else { *byte })
        .collect()
}
