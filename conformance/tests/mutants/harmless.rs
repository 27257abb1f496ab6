//! Ways of handing over the same that no case may notice: engines differ in them.

use crate::member::Member;
use crate::mutant::{Change, Harmless};
use crate::related::{is_whiteout, whiteout};

pub(crate) const MUTANTS: &[Harmless] = &[
    Harmless {
        name: "names_begin_with_a_dot",
        change: Change::Layers(|layers| {
            for member in layers.iter_mut().flat_map(|layer| &mut layer.members) {
                let dotted = [b"./", member.name().as_slice()].concat();
                if dotted.len() <= 100 && member.record(b"path").is_none() {
                    member.set_split(b"", &dotted);
                }
            }
        }),
    },
    Harmless {
        name: "the_root_is_a_member",
        change: Change::Layers(|layers| {
            for layer in layers {
                let mut root = Member::empty("./");
                root.set_mode(0o555);
                layer.members.insert(0, root);
            }
        }),
    },
    Harmless {
        name: "owners_have_names",
        change: Change::Layers(|layers| {
            let members = layers.iter_mut().flat_map(|layer| &mut layer.members);
            members.for_each(|member| member.set_owner_names("nobody", "nogroup"));
        }),
    },
    Harmless {
        name: "modes_have_the_bits_of_the_type",
        change: Change::Layers(|layers| {
            for member in layers.iter_mut().flat_map(|layer| &mut layer.members) {
                let bits = match member.kind() {
                    b'5' => 0o040_000,
                    b'2' => 0o120_000,
                    _ => 0o100_000,
                };
                member.set_mode(member.mode() | bits);
            }
        }),
    },
    Harmless {
        name: "members_have_other_attributes_and_times",
        change: Change::Layers(|layers| {
            for member in layers.iter_mut().flat_map(|layer| &mut layer.members) {
                member.set_record(b"SCHILY.xattr.user.note", b"a note");
                member.set_record(b"SCHILY.xattr.security.selinux", b"a label");
                member.set_record(b"atime", b"1700000000.123456789");
                member.set_record(b"ctime", b"1700000000.123456789");
            }
        }),
    },
    Harmless {
        name: "members_come_in_another_order",
        change: Change::Touched(|layers| {
            for layer in layers {
                layer.members.reverse();
                // Only a hard link must come after what it is to.
                layer.members.sort_by_key(|member| member.kind() == b'1');
            }
        }),
    },
    Harmless {
        name: "whiteouts_of_what_was_never_there",
        change: Change::Touched(|layers| {
            for layer in layers {
                layer.members.push(whiteout(b"never-there"));
            }
        }),
    },
    Harmless {
        name: "whiteouts_have_other_modes_owners_and_times",
        change: Change::Layers(|layers| {
            let members = layers.iter_mut().flat_map(|layer| &mut layer.members);
            for member in members.filter(|member| is_whiteout(member)) {
                member.set_mode(0o600);
                member.set_owner(7, 8);
                member.set_seconds(1_700_000_000);
            }
        }),
    },
    Harmless {
        name: "layers_without_members_are_not_handed_over",
        change: Change::Layers(|layers| layers.retain(|layer| !layer.members.is_empty())),
    },
    Harmless {
        name: "folders_are_a_minute_younger",
        change: Change::Layers(|layers| {
            for member in layers.iter_mut().flat_map(|layer| &mut layer.members) {
                if member.kind() == b'5' && member.seconds() > 1 {
                    member.set_seconds(member.seconds() + 60);
                }
            }
        }),
    },
];
