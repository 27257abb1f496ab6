//! Mutants that hand over something else than their engine made.

use backend_api::StepKind;

use crate::member::{CAPABILITY, Member};
use crate::mutant::{Change, Mutant};
use crate::recording::RecordedLayer;
use crate::related::{
    any, every_case, has_hard_links, has_several_layers, has_whiteouts, is_directory, is_whiteout,
    last_name,
};

const OPAQUE: &[u8] = b".wh..wh..opq";

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "setuid_bits_are_lost",
        case: "setuid-and-setgid-bits-stay",
        shows: "mode: expected 4755, found 0755",
        related: |case| any(case, |member| member.mode() & 0o4000 != 0),
        change: Change::Layers(|layers| {
            each_member(layers, |member| member.set_mode(member.mode() & !0o4000));
        }),
    },
    Mutant {
        name: "everything_is_owned_by_root",
        case: "owners-of-folders-and-symlinks-stay",
        shows: "user: expected 1, found 0",
        related: |case| any(case, |member| member.owner() != (0, 0)),
        change: Change::Layers(|layers| {
            each_member(layers, |member| {
                if member.owner() != (0, 0) {
                    member.set_owner(0, 0);
                }
            });
        }),
    },
    Mutant {
        name: "the_time_0_is_a_second_earlier",
        case: "times-up-to-the-epoch-stay",
        shows: "time: expected 0.000000000, found -1.000000000",
        related: |case| any(case, |member| !is_whiteout(member) && member.seconds() == 0),
        change: Change::Layers(|layers| {
            each_member(layers, |member| {
                if !is_whiteout(member) && member.seconds() == 0 {
                    member.set_seconds(-1);
                }
            });
        }),
    },
    Mutant {
        name: "file_capabilities_are_lost",
        case: "file-capabilities-stay",
        shows: "security.capability",
        related: |case| any(case, |member| member.record(CAPABILITY).is_some()),
        change: Change::Layers(|layers| {
            each_member(layers, |member| member.remove_record(CAPABILITY));
        }),
    },
    Mutant {
        name: "hard_links_are_copies",
        case: "two-names-of-a-file-are-an-entry-and-a-link",
        shows: "type: expected hard link to `one`, found file",
        related: has_hard_links,
        change: Change::Layers(|layers| layers.iter_mut().for_each(copy_hard_links)),
    },
    Mutant {
        name: "whiteouts_are_lost",
        case: "a-deleted-file-is-a-whiteout",
        shows: "entry: expected etc, found",
        related: has_whiteouts,
        change: Change::Layers(|layers| {
            keep(layers, |member| {
                !is_whiteout(member) || last_name(&member.path()) == OPAQUE
            });
        }),
    },
    Mutant {
        name: "opaque_marks_are_lost",
        case: "a-recreated-folder-hides-each-child",
        shows: ".wh.",
        related: |case| {
            let members = case.layers.iter().flat_map(|layer| &layer.members);
            members
                .map(Member::path)
                .any(|path| last_name(&path) == OPAQUE)
        },
        change: Change::Touched(|layers| {
            keep(layers, |member| last_name(&member.path()) != OPAQUE);
        }),
    },
    Mutant {
        name: "contents_are_cut_after_512_bytes",
        case: "contents-are-filled-up-to-512-bytes",
        shows: "size: expected 1024, found 512",
        related: |case| any(case, |member| member.content().len() > 512),
        change: Change::Layers(|layers| {
            each_member(layers, |member| {
                if let Some(content) = member.content().get(..512) {
                    member.set_content(content.to_vec());
                }
            });
        }),
    },
    Mutant {
        name: "only_256_entries_are_kept",
        case: "many-files-in-one-folder",
        shows: "found the end of the layer",
        related: |case| case.layers.iter().any(|layer| layer.members.len() > 256),
        change: Change::Layers(|layers| {
            for layer in layers {
                layer.members.truncate(256);
            }
        }),
    },
    Mutant {
        name: "mount_points_are_left",
        case: "a-run-leaves-dev-proc-and-sys",
        shows: "layer 1: entry: expected",
        // Some engines leave their own files in /etc as well, and all of them what RUNs of cases mount at /tools.
        related: |case| {
            let names = [&b"proc"[..], b"etc", b"tools"];
            let is_named = |member: &Member| names.contains(&last_name(&member.path()));
            let mut made = case.layers.iter().flat_map(|layer| &layer.members);
            any(case, is_named) || made.any(is_named)
        },
        change: Change::Backend(
            |layers| layers.iter_mut().for_each(leave_mount_points),
            |capabilities| capabilities.leaves_mount_points = false,
        ),
    },
    Mutant {
        name: "working_directories_belong_to_root",
        case: "a-working-directory-belongs-to-the-user",
        shows: "user: expected 7, found 0",
        related: |case| {
            any(case, |member| {
                is_directory(member) && member.owner() != (0, 0)
            })
        },
        change: Change::Layers(|layers| {
            for layer in layers {
                if layer.kind == StepKind::Workdir {
                    for member in &mut layer.members {
                        if member.owner() != (0, 0) {
                            member.set_owner(0, 0);
                        }
                    }
                }
            }
        }),
    },
    Mutant {
        name: "the_first_layer_is_lost",
        case: "each-instruction-has-a-layer-in-order",
        shows: "layer 0: entry: expected one, found the end of the layer",
        related: every_case,
        change: Change::Layers(|layers| {
            if !layers.is_empty() {
                layers.remove(0);
            }
        }),
    },
    Mutant {
        name: "two_layers_are_exchanged",
        case: "each-instruction-has-a-layer-in-order",
        shows: "layer 0: entry: expected one, found two",
        related: has_several_layers,
        change: Change::Layers(|layers| {
            if let [first, second, ..] = layers.as_mut_slice() {
                std::mem::swap(&mut first.members, &mut second.members);
            }
        }),
    },
    Mutant {
        name: "a_layer_is_handed_over_that_no_instruction_made",
        case: "each-instruction-has-a-layer-in-order",
        shows: "layer",
        related: every_case,
        change: Change::Layers(|layers| {
            if let Some(mut extra) = layers.last().cloned() {
                extra.step.index += 100;
                layers.push(extra);
            }
        }),
    },
    Mutant {
        name: "a_layer_is_handed_over_twice",
        case: "each-instruction-has-a-layer-in-order",
        shows: "layer",
        related: every_case,
        change: Change::Layers(|layers| layers.extend(layers.last().cloned())),
    },
];

fn each_member(layers: &mut [RecordedLayer], change: impl Fn(&mut Member)) {
    let members = layers.iter_mut().flat_map(|layer| &mut layer.members);
    members.for_each(change);
}

fn keep(layers: &mut [RecordedLayer], wanted: impl Fn(&Member) -> bool) {
    for layer in layers {
        layer.members.retain(&wanted);
    }
}

fn copy_hard_links(layer: &mut RecordedLayer) {
    let members = layer.members.clone();
    for member in layer.members.iter_mut().filter(|each| each.kind() == b'1') {
        let link = member.link();
        let link = link.strip_prefix(b"./").unwrap_or(&link);
        let file = members.iter().find(|file| file.path() == link);
        let file = file.expect("a hard link is to an entry of its layer");
        member.become_copy_of(file);
    }
}

/// Puts an empty `run` beside each `proc`, as old engines leave it.
fn leave_mount_points(layer: &mut RecordedLayer) {
    let paths: Vec<_> = layer.members.iter().map(Member::path).collect();
    for path in &paths {
        if let Some(directory) = path.strip_suffix(b"proc") {
            let run = [directory, b"run"].concat();
            if last_name(path) == b"proc" && !paths.contains(&run) {
                let name = String::from_utf8(run).expect("such a path is text") + "/";
                layer.members.push(Member::empty(&name));
            }
        }
    }
}
