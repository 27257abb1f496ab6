//! Whose rights a builder has: those of the system's root, or of a root in a namespace of users. It does not
//! know how they are used.

/// Whose rights a builder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Those of the system's root.
    Root,
    /// Those of a root who is one in a namespace of its own, and an ordinary user outside.
    User,
}

impl Rights {
    /// Returns what this process can have.
    pub fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() && !is_mapped() {
            Self::Root
        } else {
            Self::User
        }
    }

    /// Returns the word by which it is handed on to the program within.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
        }
    }
}

/// Tells whether the users here are those of a namespace, whose root is no root of the system.
fn is_mapped() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all = ["0", "0", "4294967295"];
    !map.is_empty() && !map.split_whitespace().eq(all)
}
