//! Ways of handing over the same that no case may notice: engines differ in them.

use backend_api::StepKind;

use crate::member::Member;
use crate::mutant::{Change, Harmless};
use crate::recording::RecordedLayer;
use crate::related::{is_directory, is_whiteout, whiteout};

pub(crate) const MUTANTS: &[Harmless] = &[
    Harmless {
        name: "members_are_written_in_other_ways",
        change: Change::Layers(|layers| {
            for layer in layers {
                layer.members.iter_mut().for_each(write_otherwise);
                let mut root = Member::empty("./");
                root.set_mode(0o555);
                layer.members.insert(0, root);
            }
        }),
    },
    Harmless {
        name: "members_come_in_another_order_with_whiteouts_of_nothing",
        change: Change::Touched(|layers| layers.iter_mut().for_each(reorder)),
    },
    Harmless {
        name: "layers_without_members_are_not_handed_over",
        change: Change::Layers(|layers| layers.retain(|layer| !layer.members.is_empty())),
    },
];

/// Says in a header what a canonical one does not say, or says otherwise.
fn write_otherwise(member: &mut Member) {
    let dotted = [b"./", member.name().as_slice()].concat();
    if dotted.len() <= 100 && member.record(b"path").is_none() {
        member.set_split(b"", &dotted);
    }
    let bits = match member.kind() {
        b'5' => 0o040_000,
        b'2' => 0o120_000,
        _ => 0o100_000,
    };
    member.set_mode(member.mode() | bits);
    member.set_owner_names("nobody", "nogroup");
    member.set_record(b"SCHILY.xattr.user.note", b"a note");
    member.set_record(b"SCHILY.xattr.security.selinux", b"a label");
    member.set_record(b"atime", b"1700000000.123456789");
    member.set_record(b"ctime", b"1700000000.123456789");
    if is_whiteout(member) {
        member.set_mode(0o600);
        member.set_owner(7, 8);
        member.set_seconds(1_700_000_000);
    }
    if is_directory(member) && member.seconds() > 1 {
        member.set_seconds(member.seconds() + 60);
    }
}

/// Hands over members the other way round. Only a hard link must come after what it is to, and only a RUN
/// deletes.
fn reorder(layer: &mut RecordedLayer) {
    layer.members.reverse();
    layer.members.sort_by_key(|member| member.kind() == b'1');
    if layer.kind == StepKind::Run {
        layer.members.push(whiteout(b"never-there"));
    }
}
