//! Mutants that write the entries of a layer in another way than the canonical one.

use crate::image::Image;
use crate::member::Member;
use crate::mutant::{Change, Mutant};
use crate::related::{
    any, has_hard_links, has_whiteouts, is_directory, is_whiteout, last_name, meant, no_other,
    walked,
};
use crate::world::Case;

/// The newest time of an image.
const EPOCH: i64 = 1;
/// The largest number that a header's field for an owner can say.
const LARGEST_OWNER: i64 = 0o7_777_777;
/// How many bytes of a name or a target a header can say.
const FIELD: usize = 100;

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "entries_are_sorted_by_whole_paths",
        case: "entries-are-in-the-order-of-bytes",
        shows: "expected the entry `a`, found the entry `a b`",
        related: |case| has_a_name_that_goes_on_below_a_slash(case) || has_links_out_of_order(case),
        change: Change::Encoder(|image| sort(image, |member| slashed(member, meant(member)))),
    },
    Mutant {
        name: "whiteouts_are_sorted_by_their_own_names",
        case: "a-whiteout-sorts-by-the-deleted-name",
        shows: "entry",
        related: |case| has_whiteouts(case) || has_links_out_of_order(case),
        change: Change::Encoder(|image| sort(image, |member| walked(&member.path()))),
    },
    Mutant {
        name: "times_are_set_to_the_epoch_and_not_clamped",
        case: "times-up-to-the-epoch-stay",
        shows: "time: expected 0.000000000, found 1.000000000",
        related: |case| any(case, |member| member.seconds() < EPOCH),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.seconds() < EPOCH {
                    member.set_seconds(EPOCH);
                }
            });
        }),
    },
    Mutant {
        name: "times_before_1970_are_raised_to_0",
        case: "times-before-1970-stay",
        shows: "time: expected -5.000000000, found 0.000000000",
        related: |case| any(case, |member| member.seconds() < 0),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.seconds() < 0 {
                    member.set_seconds(0);
                }
            });
        }),
    },
    Mutant {
        name: "the_epoch_is_a_second_later",
        case: "later-times-become-the-epoch",
        shows: "time: expected 1.000000000, found 2.000000000",
        related: |case| any(case, |member| member.seconds() == EPOCH),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.seconds() == EPOCH {
                    member.set_seconds(EPOCH + 1);
                }
            });
        }),
    },
    Mutant {
        name: "whiteouts_have_the_time_of_the_epoch",
        case: "a-deleted-file-is-a-whiteout",
        shows: "time: expected 0.000000000, found 1.000000000",
        related: has_whiteouts,
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if is_whiteout(member) {
                    member.set_seconds(EPOCH);
                }
            });
        }),
    },
    Mutant {
        name: "modes_are_masked_with_0777",
        case: "setuid-and-setgid-bits-stay",
        shows: "mode: expected 2755, found 0755",
        related: |case| any(case, |member| member.mode() & 0o7000 != 0),
        change: Change::Encoder(|image| {
            image.each_member(|member| member.set_mode(member.mode() & 0o777));
        }),
    },
    Mutant {
        name: "sticky_bits_are_lost",
        case: "sticky-bits-stay",
        shows: "mode: expected 1644, found 0644",
        related: |case| any(case, |member| member.mode() & 0o1000 != 0),
        change: Change::Encoder(|image| {
            image.each_member(|member| member.set_mode(member.mode() & !0o1000));
        }),
    },
    Mutant {
        name: "a_mode_of_zero_is_taken_for_none",
        case: "a-mode-of-zero-stays",
        shows: "mode: expected 0000, found 0644",
        related: |case| any(case, |member| member.mode() == 0 && !is_whiteout(member)),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.mode() == 0 && !is_whiteout(member) {
                    member.set_mode(0o644);
                }
            });
        }),
    },
    Mutant {
        name: "the_limit_of_owners_is_one_less",
        case: "large-owners-are-written-in-full",
        shows: "written in another way",
        related: no_other,
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                let (user, group) = member.owner();
                for (key, number) in [(b"uid", user), (b"gid", group)] {
                    if number == LARGEST_OWNER {
                        member.set_record(key, number.to_string().as_bytes());
                    }
                }
            });
        }),
    },
    Mutant {
        name: "large_owners_become_root",
        case: "large-owners-are-written-in-full",
        shows: "user: expected 4000000000, found 0",
        related: |case| any(case, has_a_large_owner),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if has_a_large_owner(member) {
                    member.set_owner(0, 0);
                }
            });
        }),
    },
    Mutant {
        name: "long_paths_are_never_split",
        case: "paths-around-156-bytes",
        shows: "written in another way",
        related: |case| any(case, |member| !member.prefix().is_empty()),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if !member.prefix().is_empty() {
                    say_path_in_a_record(member);
                }
            });
        }),
    },
    Mutant {
        name: "long_paths_are_split_at_the_first_slash",
        case: "paths-around-156-bytes",
        shows: "written in another way",
        related: |case| any(case, |member| !member.prefix().is_empty()),
        change: Change::Encoder(|image| image.each_member(split_at_the_first_slash)),
    },
    Mutant {
        name: "the_limit_of_names_is_one_less",
        case: "names-around-100-bytes",
        shows: "written in another way",
        related: |case| any(case, |member| member.name().len() == FIELD),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.name().len() == FIELD {
                    member.set_record(b"path", &member.name());
                }
            });
        }),
    },
    Mutant {
        name: "the_limit_of_targets_is_one_less",
        case: "targets-of-symlinks-around-100-bytes",
        shows: "written in another way",
        related: |case| any(case, |member| member.link().len() == FIELD),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.link().len() == FIELD {
                    member.set_record(b"linkpath", &member.link());
                }
            });
        }),
    },
    Mutant {
        name: "names_that_are_not_ascii_have_no_record",
        case: "names-that-are-not-ascii",
        shows: "written in another way",
        related: |case| any(case, |member| !member.name().is_ascii()),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                let name = member.name();
                if !name.is_ascii() && name.len() <= FIELD {
                    member.remove_record(b"path");
                    member.set_split(b"", &name);
                }
            });
        }),
    },
    Mutant {
        name: "names_are_made_utf_8",
        case: "names-that-are-not-utf-8",
        shows: "entry",
        related: |case| any(case, |member| std::str::from_utf8(&member.name()).is_err()),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                let name = member.name();
                let text = String::from_utf8_lossy(&name);
                if text.as_bytes() != name {
                    member.set_record(b"path", text.as_bytes());
                }
            });
        }),
    },
    Mutant {
        name: "the_last_name_of_a_file_has_its_bytes",
        case: "the-first-name-in-order-has-the-bytes",
        shows: "type:",
        related: has_hard_links,
        change: Change::Encoder(|image| {
            for layer in &mut image.layers {
                let link = layer.members.iter().position(|each| each.kind() == b'1');
                let Some(link) = link else { continue };
                let leader = layer.members[link].link();
                let file = layer.members.iter().position(|each| each.path() == leader);
                let [file, link] = layer
                    .members
                    .get_disjoint_mut([file.expect("a link has a leader"), link])
                    .expect("a link is not its leader");
                file.exchange(link);
                file.set_link(&link.path());
            }
        }),
    },
    Mutant {
        name: "named_pipes_become_files",
        case: "named-pipes-are-recorded",
        shows: "type: expected named pipe, found file",
        related: |case| any(case, |member| member.kind() == b'6'),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.kind() == b'6' {
                    member.set_kind(b'0');
                }
            });
        }),
    },
    Mutant {
        name: "whole_blocks_of_content_are_filled_up_as_well",
        case: "contents-are-filled-up-to-512-bytes",
        shows: "Checksum",
        related: |case| any(case, fills_its_blocks),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if fills_its_blocks(member) {
                    member.add_a_block();
                }
            });
        }),
    },
    Mutant {
        name: "the_slash_of_a_directory_does_not_count",
        case: "a-folders-slash-counts",
        shows: "written in another way",
        related: |case| {
            any(case, |member| {
                is_directory(member) && member.name().len() == FIELD + 1
            })
        },
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                let name = member.name();
                if is_directory(member) && name.len() == FIELD + 1 {
                    member.remove_record(b"path");
                    member.set_split(b"", &name[..FIELD]);
                }
            });
        }),
    },
    Mutant {
        name: "names_that_hard_links_say_are_cut",
        case: "hard-links-to-long-names",
        shows: "type: expected hard link to",
        related: |case| {
            any(case, |member| {
                member.kind() == b'1' && member.link().len() > FIELD
            })
        },
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.kind() == b'1' {
                    member.remove_record(b"linkpath");
                }
            });
        }),
    },
    Mutant {
        name: "targets_that_are_not_ascii_have_no_record",
        case: "targets-of-symlinks-that-are-not-ascii",
        shows: "written in another way",
        related: |case| any(case, |member| !member.link().is_ascii()),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                let target = member.link();
                if !target.is_ascii() && target.len() <= FIELD {
                    member.remove_record(b"linkpath");
                    member.set_link(&target);
                }
            });
        }),
    },
    Mutant {
        name: "hard_links_do_not_cross_directories",
        case: "hard-links-cross-folders",
        shows: "type: expected hard link to `a/b/one`, found file",
        related: |case| has_links(case, crosses_directories),
        change: Change::Encoder(|image| copy_links(image, crosses_directories)),
    },
    Mutant {
        name: "symlinks_are_never_hard_links",
        case: "a-symlink-with-two-names-is-a-hard-link",
        shows: "type: expected hard link to `deep/one`, found symbolic link to `nowhere`",
        related: |case| has_links(case, |_, leader| leader.kind() == b'2'),
        change: Change::Encoder(|image| copy_links(image, |_, leader| leader.kind() == b'2')),
    },
    Mutant {
        name: "devices_have_no_numbers",
        case: "character-devices-are-recorded",
        shows: "type: expected character device 5:1, found character device 0:0",
        related: |case| any(case, |member| matches!(member.kind(), b'3' | b'4')),
        change: Change::Encoder(|image| image.each_member(|member| member.set_device(0, 0))),
    },
    Mutant {
        name: "block_devices_become_character_devices",
        case: "block-devices-are-recorded",
        shows: "found character device",
        related: |case| any(case, |member| member.kind() == b'4'),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if member.kind() == b'4' {
                    member.set_kind(b'3');
                }
            });
        }),
    },
    Mutant {
        name: "directories_have_no_time",
        case: "times-of-folders-and-symlinks-are-clamped",
        shows: "`new`: time: expected 1.000000000, found 0.000000000",
        related: |case| any(case, is_directory),
        change: Change::Encoder(|image| {
            image.each_member(|member| {
                if is_directory(member) {
                    member.set_seconds(0);
                }
            });
        }),
    },
];

fn sort(image: &mut Image, key: impl Fn(&Member) -> Vec<u8>) {
    for layer in &mut image.layers {
        layer.members.sort_by_cached_key(&key);
    }
}

/// Returns a path with a slash at its end if it is a directory's.
fn slashed(member: &Member, mut path: Vec<u8>) -> Vec<u8> {
    if member.kind() == b'5' {
        path.push(b'/');
    }
    path
}

/// A directory's name goes on, in another entry's, with a byte that is less than a slash.
fn has_a_name_that_goes_on_below_a_slash(case: &Case) -> bool {
    case.image.layers.iter().any(|layer| {
        let directories = layer.members.iter().filter(|each| each.kind() == b'5');
        let directories: Vec<_> = directories.map(Member::path).collect();
        layer.members.iter().map(meant).any(|path| {
            let goes_on = |directory: &Vec<u8>| {
                let rest = path.strip_prefix(directory.as_slice());
                rest.and_then(|rest| rest.first())
                    .is_some_and(|byte| *byte < b'/')
            };
            directories.iter().any(goes_on)
        })
    })
}

/// An entry is not at its place: a name that is as it was comes right behind the new one of its
/// file.
fn has_links_out_of_order(case: &Case) -> bool {
    let mut layers = case.image.layers.iter();
    layers.any(|layer| {
        let members = &layer.members;
        !members.is_sorted_by_key(|member| walked(&meant(member)))
    })
}

fn has_a_large_owner(member: &Member) -> bool {
    let (user, group) = member.owner();
    user.max(group) > LARGEST_OWNER
}

fn fills_its_blocks(member: &Member) -> bool {
    let size = member.content().len();
    size > 0 && size.is_multiple_of(512)
}

fn say_path_in_a_record(member: &mut Member) {
    let name = member.name();
    member.set_record(b"path", &name);
    member.set_split(b"", &name[..FIELD]);
}

fn split_at_the_first_slash(member: &mut Member) {
    if member.prefix().is_empty() {
        return;
    }
    let name = member.name();
    let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let mut places = slashes.map(|(place, _)| place);
    if let Some(place) = places.find(|place| name.len() - place - 1 <= FIELD) {
        member.set_split(&name[..place], &name[place + 1..]);
    }
}

/// A hard link and what it is to are in different directories.
fn crosses_directories(link: &Member, leader: &Member) -> bool {
    let directory = |path: Vec<u8>| path[..path.len() - last_name(&path).len()].to_vec();
    directory(link.path()) != directory(leader.path())
}

fn has_links(case: &Case, such: fn(&Member, &Member) -> bool) -> bool {
    let mut layers = case.image.layers.iter();
    layers.any(|layer| !links(&layer.members, such).is_empty())
}

/// Returns the places of such hard links, each with the place of what it is to.
fn links(members: &[Member], such: fn(&Member, &Member) -> bool) -> Vec<(usize, usize)> {
    let links = members
        .iter()
        .enumerate()
        .filter(|(_, each)| each.kind() == b'1');
    let links = links.filter_map(|(place, link)| {
        let target = link.link();
        let leader = members.iter().position(|each| each.path() == target)?;
        such(link, &members[leader]).then_some((place, leader))
    });
    links.collect()
}

/// Makes such hard links copies of what they are to.
fn copy_links(image: &mut Image, such: fn(&Member, &Member) -> bool) {
    for layer in &mut image.layers {
        for (place, leader) in links(&layer.members, such) {
            let leader = layer.members[leader].clone();
            layer.members[place].become_copy_of(&leader);
        }
    }
}
