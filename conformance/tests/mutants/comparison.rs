//! Mutants that find another answer to what changed: they leave out what should be recorded, or
//! record what should be left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Image;
use crate::member::{CAPABILITY, Member};
use crate::mutant::{Change, Mutant};
use crate::recording::RecordedLayer;
use crate::related::{
    has_a_base, has_several_layers, is_whiteout, last_name, meant, walked, whiteout,
};
use crate::world::Case;

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "modes_of_files_are_not_compared",
        case: "another-mode-of-a-file-is-recorded",
        shows: "expected the entry `etc/group`",
        related: |case| differs(case, |own, below| own.mode() != below.mode()),
        change: Change::Encoder(|image| {
            leave_out_blindly(image, |own, below| {
                if own.kind() == b'0' {
                    own.set_mode(below.mode());
                }
            });
        }),
    },
    Mutant {
        name: "modes_of_directories_are_not_compared",
        case: "another-mode-of-a-folder-is-recorded",
        shows: "expected the entry `deep/er`",
        related: |case| differs(case, |own, below| own.mode() != below.mode()),
        change: Change::Encoder(|image| {
            leave_out_blindly(image, |own, below| {
                if own.kind() == b'5' {
                    own.set_mode(below.mode());
                }
            });
        }),
    },
    Mutant {
        name: "owners_are_not_compared",
        case: "another-owner-is-recorded",
        shows: "expected the entry `etc/group`",
        related: |case| differs(case, |own, below| own.owner() != below.owner()),
        change: Change::Encoder(|image| {
            leave_out_blindly(image, |own, below| {
                let (user, group) = below.owner();
                own.set_owner(user, group);
            });
        }),
    },
    Mutant {
        name: "times_are_not_compared",
        case: "another-time-is-recorded",
        shows: "expected the entry `etc/group`",
        related: |case| differs(case, |own, below| own.kind() != b'5' && own == below),
        change: Change::Encoder(|image| {
            leave_out(image, |own, below| own.kind() != b'5' && own == below);
        }),
    },
    Mutant {
        name: "contents_are_not_compared",
        case: "another-content-is-recorded",
        shows: "expected the entry `etc/group`",
        related: |case| differs(case, |own, below| own.content() != below.content()),
        change: Change::Encoder(|image| {
            leave_out_blindly(image, |own, below| {
                own.set_content(below.content().to_vec());
            });
        }),
    },
    Mutant {
        name: "capabilities_are_not_compared",
        case: "another-capability-is-recorded",
        shows: "expected the entry",
        related: |case| {
            differs(case, |own, below| {
                own.record(CAPABILITY) != below.record(CAPABILITY)
            })
        },
        change: Change::Encoder(|image| {
            leave_out_blindly(image, |own, below| {
                if below.record(CAPABILITY).is_none() {
                    own.remove_record(CAPABILITY);
                }
            });
        }),
    },
    Mutant {
        name: "files_that_equal_the_base_are_kept",
        case: "an-equal-file-is-dropped",
        shows: "found the entry",
        related: has_something_below,
        change: Change::EncoderOfTouched(|image, touched| keep(image, touched, b'0')),
    },
    Mutant {
        name: "directories_that_equal_the_base_are_kept",
        case: "an-equal-empty-folder-is-dropped",
        shows: "found the entry `var/empty`",
        related: has_something_below,
        change: Change::EncoderOfTouched(|image, touched| keep(image, touched, b'5')),
    },
    Mutant {
        name: "symlinks_that_equal_the_base_are_kept",
        case: "an-equal-symlink-is-dropped",
        shows: "found the entry `etc/dangling`",
        related: has_something_below,
        change: Change::EncoderOfTouched(|image, touched| keep(image, touched, b'2')),
    },
    Mutant {
        name: "a_file_in_place_of_a_directory_has_a_whiteout_as_well",
        case: "a-file-in-place-of-a-folder",
        shows: "expected the entry `deep`, found the entry `.wh.deep`",
        related: |case| {
            differs(case, |own, below| {
                own.kind() != b'5' && below.kind() == b'5'
            })
        },
        change: Change::Encoder(|image| {
            let below = below(image);
            for layer in &mut image.layers {
                let replaces = |own: &Member| {
                    let directory = below.get(&own.path());
                    own.kind() != b'5' && directory.is_some_and(|each| each.kind() == b'5')
                };
                let members = std::mem::take(&mut layer.members).into_iter();
                let members = members.flat_map(|own| {
                    let mark = replaces(&own).then(|| whiteout(&own.path()));
                    mark.into_iter().chain([own])
                });
                layer.members = members.collect();
            }
        }),
    },
    Mutant {
        name: "only_the_topmost_children_of_a_directory_are_hidden",
        case: "recreated-folders-hide-their-children-at-each-depth",
        shows: "expected the entry `deep/er/.wh.b`",
        related: |case| {
            let mut layers = case.image.layers.iter();
            layers.any(|layer| {
                layer
                    .members
                    .iter()
                    .any(|each| is_nested(each, &layer.members))
            })
        },
        change: Change::Encoder(|image| {
            for layer in &mut image.layers {
                let all = layer.members.clone();
                layer.members.retain(|member| !is_nested(member, &all));
            }
        }),
    },
];

/// Returns what the base has under each name.
fn below(image: &Image) -> BTreeMap<Vec<u8>, Member> {
    let members = image.base.iter().flat_map(|(_, members)| members);
    members
        .map(|member| (member.path(), member.clone()))
        .collect()
}

/// An entry differs so from what the base has under its name.
fn differs(case: &Case, so: impl Fn(&Member, &Member) -> bool) -> bool {
    let below = below(&case.image);
    let mut members = case.image.members();
    members.any(|own| below.get(&own.path()).is_some_and(|below| so(own, below)))
}

/// Something is below a layer that the layer may have touched.
fn has_something_below(case: &Case) -> bool {
    has_a_base(case) || has_several_layers(case)
}

/// Leaves out entries that differ from the base's only in what somebody is blind to.
fn leave_out_blindly(image: &mut Image, blind: fn(&mut Member, &Member)) {
    leave_out(image, |own, below| {
        let mut seen = own.clone();
        blind(&mut seen, below);
        seen != *own && seen == *below
    });
}

/// Leaves out entries that are taken for the base's; directories only where nothing in them is
/// recorded.
fn leave_out(image: &mut Image, same: impl Fn(&Member, &Member) -> bool) {
    let below = below(image);
    for layer in &mut image.layers {
        let paths: Vec<_> = layer.members.iter().map(Member::path).collect();
        layer.members.retain(|member| {
            let path = member.path();
            let directory = [path.as_slice(), b"/"].concat();
            let in_use = paths.iter().any(|other| other.starts_with(&directory));
            in_use || !below.get(&path).is_some_and(|below| same(member, below))
        });
    }
}

/// Adds what the engine handed over, of one type, although it is below as it is.
fn keep(image: &mut Image, touched: &[RecordedLayer], kind: u8) {
    let base = image.base.iter().flat_map(|(_, members)| members);
    let mut below: BTreeSet<_> = base.map(Member::path).collect();
    for (layer, touched) in image.layers.iter_mut().zip(touched) {
        let own: BTreeSet<_> = layer.members.iter().map(meant).collect();
        let kept = touched.members.iter().filter(|member| {
            let path = member.path();
            member.kind() == kind
                && below.contains(&path)
                && !own.contains(&path)
                && !is_whiteout(member)
        });
        let kept: Vec<_> = kept.cloned().collect();
        below.extend(own);
        for mut member in kept {
            member.set_seconds(member.seconds().min(1));
            layer.members.push(member);
        }
        let members = &mut layer.members;
        members.sort_by_cached_key(|member| walked(&meant(member)));
    }
}

/// It is a whiteout in a directory that is itself in one with whiteouts.
fn is_nested(member: &Member, all: &[Member]) -> bool {
    let parent = |path: &[u8]| {
        let end = path.len() - last_name(path).len();
        path[..end.saturating_sub(1)].to_vec()
    };
    let directory = parent(&member.path());
    is_whiteout(member)
        && !directory.is_empty()
        && all
            .iter()
            .any(|other| is_whiteout(other) && parent(&other.path()) == parent(&directory))
}
