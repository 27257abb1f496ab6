//! Whose a file is, in numbers.

/// The owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl Owner {
    /// User and group 0.
    pub const ROOT: Self = Self { user: 0, group: 0 };
}
