//! The calls of an ordinary user's build that are held up until the builder has answered them: which,
//! and by which of their arguments they are known.
//!
//! It knows calls and filters. What is done for a call is the affair of [`crate::seccomp_notify`].

use std::collections::BTreeMap;

use libc::sock_filter;

use crate::architecture::{ARCHITECTURES, Architecture};
use crate::bpf::{
    ALLOW, ASK, argument, give, if_any_bit, if_at_least, if_equal, instruction, load,
};

/// Which calls are held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// Those that make what the kernel does not make: a build that does without does not notice.
    Changes,
    /// Those as well that could tell what stands in from what it stands for: each look at a file.
    Everything,
}

/// Where a call says which file it is about, by the places of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    /// About none.
    None,
    /// A path; a symbolic link at its end is followed.
    Path(usize),
    /// A path; a symbolic link at its end is meant itself.
    Link(usize),
    /// A descriptor.
    Descriptor(usize),
    /// A path that begins at a directory, whose descriptor stands before it.
    At(usize),
    /// The same, with flags `AT_*` in another place.
    Flagged(usize, usize),
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It makes a device file, or another; from this place on stand the mode and the number.
    Device(usize),
    /// It gives a file the mode that stands here.
    Mode(usize),
    /// It gives a file away; from this place on stand the user and the group.
    Owner(usize),
    /// It takes on users or groups: so many, from the first argument on.
    Identity(usize),
    /// It takes on a list of groups: how many, and where they stand.
    Groups,
    /// It sets an attribute; from this place on stand the name, the value and its size.
    SetAttribute(usize),
    /// It removes the attribute of this name.
    RemoveAttribute(usize),
    /// It tells a file's status, and writes it to this place.
    Status(usize),
    /// It does so as `statx`; from this place on stand what is asked for, and the place.
    ExtendedStatus(usize),
    /// It gives a file another name.
    Link,
    /// It may write to any file, of which the kernel does not tell who watches it.
    Write,
    /// It opens a file; from this place on stand the flags, and the mode of a file that it makes.
    Open(usize),
    /// It opens a file to write it anew.
    Create,
    /// It opens a file; here is the address of the flags.
    OpenHow(usize),
    /// It executes a file.
    Execute,
    /// It cuts a file.
    Truncate,
    /// It reads the attribute of this name.
    ReadAttribute(usize),
    /// It lists attributes; from this place on stand the address and the size of the room for them.
    ListAttributes(usize),
    /// It lists a directory, of whose entries the kind stands in a field of its own.
    List,
    /// It lists a directory in one of the older forms.
    OldList,
}

/// A call that may be held up, by its name.
#[derive(Debug, Clone, Copy)]
struct Named {
    name: &'static str,
    kind: Kind,
    file: File,
    /// From where on it is held up.
    watch: Watch,
}

const fn change(name: &'static str, kind: Kind, file: File) -> Named {
    let watch = Watch::Changes;
    Named {
        name,
        kind,
        file,
        watch,
    }
}

const fn look(name: &'static str, kind: Kind, file: File) -> Named {
    let watch = Watch::Everything;
    Named {
        name,
        kind,
        file,
        watch,
    }
}

/// All calls that may be held up. A 32-bit architecture has two of those that name users, of which the
/// older ones, with numbers of 16 bits, have no `32` at their ends.
const CALLS: [Named; 66] = [
    change("mknod", Kind::Device(1), File::Path(0)),
    change("mknodat", Kind::Device(2), File::At(1)),
    change("chmod", Kind::Mode(1), File::Path(0)),
    change("fchmod", Kind::Mode(1), File::Descriptor(0)),
    change("fchmodat", Kind::Mode(2), File::At(1)),
    change("fchmodat2", Kind::Mode(2), File::Flagged(1, 3)),
    change("open", Kind::Open(1), File::Path(0)),
    change("openat", Kind::Open(2), File::At(1)),
    change("openat2", Kind::OpenHow(2), File::At(1)),
    change("creat", Kind::Create, File::Path(0)),
    change("link", Kind::Link, File::Link(0)),
    change("linkat", Kind::Link, File::At(1)),
    change("io_submit", Kind::Write, File::None),
    // As from Linux 6.5, the kernel tells of it.
    change("splice", Kind::Write, File::None),
    change("chown", Kind::Owner(1), File::Path(0)),
    change("lchown", Kind::Owner(1), File::Link(0)),
    change("fchown", Kind::Owner(1), File::Descriptor(0)),
    change("chown32", Kind::Owner(1), File::Path(0)),
    change("lchown32", Kind::Owner(1), File::Link(0)),
    change("fchown32", Kind::Owner(1), File::Descriptor(0)),
    change("fchownat", Kind::Owner(2), File::Flagged(1, 4)),
    change("setuid", Kind::Identity(1), File::None),
    change("setgid", Kind::Identity(1), File::None),
    change("setfsuid", Kind::Identity(1), File::None),
    change("setfsgid", Kind::Identity(1), File::None),
    change("setreuid", Kind::Identity(2), File::None),
    change("setregid", Kind::Identity(2), File::None),
    change("setresuid", Kind::Identity(3), File::None),
    change("setresgid", Kind::Identity(3), File::None),
    change("setgroups", Kind::Groups, File::None),
    change("setuid32", Kind::Identity(1), File::None),
    change("setgid32", Kind::Identity(1), File::None),
    change("setfsuid32", Kind::Identity(1), File::None),
    change("setfsgid32", Kind::Identity(1), File::None),
    change("setreuid32", Kind::Identity(2), File::None),
    change("setregid32", Kind::Identity(2), File::None),
    change("setresuid32", Kind::Identity(3), File::None),
    change("setresgid32", Kind::Identity(3), File::None),
    change("setgroups32", Kind::Groups, File::None),
    change("setxattr", Kind::SetAttribute(1), File::Path(0)),
    change("lsetxattr", Kind::SetAttribute(1), File::Link(0)),
    change("fsetxattr", Kind::SetAttribute(1), File::Descriptor(0)),
    change("removexattr", Kind::RemoveAttribute(1), File::Path(0)),
    change("lremovexattr", Kind::RemoveAttribute(1), File::Link(0)),
    change(
        "fremovexattr",
        Kind::RemoveAttribute(1),
        File::Descriptor(0),
    ),
    look("stat", Kind::Status(1), File::Path(0)),
    look("lstat", Kind::Status(1), File::Link(0)),
    look("fstat", Kind::Status(1), File::Descriptor(0)),
    look("newfstatat", Kind::Status(2), File::Flagged(1, 3)),
    look("stat64", Kind::Status(1), File::Path(0)),
    look("lstat64", Kind::Status(1), File::Link(0)),
    look("fstat64", Kind::Status(1), File::Descriptor(0)),
    look("fstatat64", Kind::Status(2), File::Flagged(1, 3)),
    look("statx", Kind::ExtendedStatus(3), File::Flagged(1, 2)),
    look("execve", Kind::Execute, File::Path(0)),
    look("execveat", Kind::Execute, File::Flagged(1, 4)),
    look("truncate", Kind::Truncate, File::Path(0)),
    look("truncate64", Kind::Truncate, File::Path(0)),
    look("getxattr", Kind::ReadAttribute(1), File::Path(0)),
    look("lgetxattr", Kind::ReadAttribute(1), File::Link(0)),
    look("fgetxattr", Kind::ReadAttribute(1), File::Descriptor(0)),
    look("listxattr", Kind::ListAttributes(1), File::Path(0)),
    look("llistxattr", Kind::ListAttributes(1), File::Link(0)),
    look("flistxattr", Kind::ListAttributes(1), File::Descriptor(0)),
    look("getdents64", Kind::List, File::Descriptor(0)),
    look("getdents", Kind::OldList, File::Descriptor(0)),
];

/// Calls whose arguments stand where nobody can hold them fast, and that each have an older form.
pub(crate) const ANSWERED_AS_UNKNOWN: [&str; 4] =
    ["setxattrat", "getxattrat", "listxattrat", "removexattrat"];

/// The largest numbers of users and groups, which mean none.
const NONE: u32 = u32::MAX;
const SHORT_NONE: u32 = 0xffff;

/// A call that was held up, as its architecture has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) file: File,
    /// Its users and groups are numbers of 16 bits.
    is_short: bool,
}

impl Call {
    /// Reads the number of a user or a group; nothing for none.
    pub(crate) fn id(&self, argument: u64) -> Option<u32> {
        // Numbers are of 32 bits at most, whatever else stands in the register.
        let id = u32::try_from(argument & u64::from(NONE)).unwrap_or(NONE);
        let (id, none) = if self.is_short {
            (id & SHORT_NONE, SHORT_NONE)
        } else {
            (id, NONE)
        };
        (id != none).then_some(id)
    }

    /// Returns how many bytes the number of a group takes in a list.
    pub(crate) fn width(&self) -> usize {
        if self.is_short { 2 } else { 4 }
    }

    /// Returns the part of a filter that lets it through or holds it up. `beyond` is what stands in for
    /// all users from itself on.
    pub(crate) fn rule(&self, beyond: u32, watch: Watch) -> Vec<sock_filter> {
        match self.kind {
            Kind::Device(mode) => device(mode),
            Kind::Mode(mode) => sets_id(mode),
            Kind::Open(flags) if watch == Watch::Changes => {
                let mut rule = vec![
                    load(argument(flags)),
                    // Without these there may be anything for a mode.
                    if_any_bit(MAKES, 1, 0),
                    give(ALLOW),
                ];
                rule.append(&mut sets_id(flags + 1));
                rule
            }
            Kind::Create if watch == Watch::Changes => sets_id(1),
            // Whose number is the one that stands in is not seen by a file's status.
            Kind::Owner(user) => self.numbers(user..user + 2, beyond),
            Kind::Identity(count) => self.numbers(0..count, beyond.saturating_add(1)),
            _ => vec![give(ASK)],
        }
    }

    /// Holds up what has a number from `least` on among its arguments.
    fn numbers(&self, places: std::ops::Range<usize>, least: u32) -> Vec<sock_filter> {
        let mut rule = Vec::new();
        for place in places {
            rule.push(load(argument(place)));
            let mut none = NONE;
            if self.is_short {
                none = SHORT_NONE;
                let and = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
                rule.push(instruction(and, SHORT_NONE, (0, 0)));
            }
            rule.extend([if_equal(none, 2, 0), if_at_least(least, 0, 1), give(ASK)]);
        }
        rule.push(give(ALLOW));
        rule
    }
}

/// The set-user-ID and the set-group-ID bit.
pub(crate) const SET_ID: u32 = 0o6000;

/// The flags by which a file is made that is opened: `O_CREAT`, and of `O_TMPFILE` the one that `O_DIRECTORY` has not.
pub(crate) const MAKES: u32 =
    (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned();

/// Holds up what gives a file the set-user-ID or the set-group-ID bit, by the mode that stands at this place.
fn sets_id(mode: usize) -> Vec<sock_filter> {
    vec![
        load(argument(mode)),
        if_any_bit(SET_ID, 0, 1),
        give(ASK),
        give(ALLOW),
    ]
}

/// Holds up what makes a device, or a file with the set-user-ID or the set-group-ID bit, by the mode that stands at
/// this place among the arguments.
fn device(mode: usize) -> Vec<sock_filter> {
    const KINDS: u32 = 0o170_000;
    vec![
        load(argument(mode)),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, KINDS, (0, 0)),
        if_equal(libc::S_IFCHR, 3, 0),
        if_equal(libc::S_IFBLK, 2, 0),
        load(argument(mode)),
        if_any_bit(SET_ID, 0, 1),
        give(ASK),
        give(ALLOW),
    ]
}

/// Returns the calls that are held up on an architecture.
pub(crate) fn on(architecture: &Architecture, watch: Watch) -> impl Iterator<Item = Call> {
    let calls = CALLS.into_iter().filter(move |call| call.watch <= watch);
    calls.filter_map(|call| {
        Some(Call {
            number: architecture.number(call.name)?,
            kind: call.kind,
            file: call.file,
            is_short: architecture.number(&format!("{}32", call.name)).is_some(),
        })
    })
}

/// Returns the calls that are held up, by the architecture and the number that they are known by.
pub(crate) fn by_number(watch: Watch) -> BTreeMap<(u32, u32), Call> {
    let all = ARCHITECTURES.iter().flat_map(|architecture| {
        let calls = on(architecture, watch);
        calls.map(|call| ((architecture.audit, call.number), call))
    });
    all.collect()
}
