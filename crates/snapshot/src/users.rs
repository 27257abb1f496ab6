//! Users and groups: as numbers, or by name in the tree's own `/etc/passwd` and `/etc/group`.
//!
//! A name that is not there means 0 for the owner of a file, and is an error for who runs a
//! command: so it is in `BuildKit`.

use std::io::Read as _;

use rustix::fs::{FileType, Gid, Uid};

use crate::error::{Context as _, Result};
use crate::tree::{Tree, kind};

/// How much of a list of users is read.
const LIMIT: u64 = 10 << 20;

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

    pub(crate) fn ids(self) -> (Uid, Gid) {
        (Uid::from_raw(self.user), Gid::from_raw(self.group))
    }
}

/// A user as `--chown` and `USER` name it: `name`, `name:group`, either of them a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    user: String,
    group: Option<String>,
}

/// Who runs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user and the first group.
    pub owner: Owner,
    /// The other groups.
    pub groups: Vec<u32>,
    /// The home folder, if the tree has one on record.
    pub home: Option<String>,
}

impl User {
    /// Reads `user[:group]`.
    pub fn new(text: &str) -> Self {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text, None),
        };
        Self {
            user: user.to_owned(),
            group,
        }
    }

    /// Returns the owner that files get. A number is the group's too unless another is named.
    pub fn owner(&self, tree: &Tree) -> Result<Owner> {
        let mut owner = Owner::ROOT;
        if let Some(number) = number(&self.user) {
            owner = Owner {
                user: number,
                group: number,
            };
        } else if let Some(found) = users(tree)?.into_iter().find(|user| user.name == self.user) {
            owner = found.owner;
        }
        if let Some(group) = &self.group {
            owner.group = match number(group) {
                Some(number) => number,
                None => groups(tree)?
                    .iter()
                    .find(|found| found.name == *group)
                    .map_or(owner.group, |found| found.number),
            };
        }
        Ok(owner)
    }

    /// Returns who a command is run by; nothing where the user, or the group, is on no list.
    pub fn identity(&self, tree: &Tree) -> Result<Option<Identity>> {
        let users = users(tree)?;
        let wanted = if self.user.is_empty() {
            "0"
        } else {
            &self.user
        };
        let number_of_user = number(wanted);
        let found = users.iter().find(|user| user.name == wanted).or_else(|| {
            users
                .iter()
                .find(|user| Some(user.owner.user) == number_of_user)
        });
        let mut owner = match (found, number_of_user) {
            (Some(found), _) => found.owner,
            (None, Some(number)) => Owner {
                user: number,
                group: 0,
            },
            (None, None) => return Ok(None),
        };
        let home = found.map(|user| user.home.clone());
        let mut others = Vec::new();
        match &self.group {
            Some(group) => {
                let found = groups(tree)?.into_iter().find(|found| found.name == *group);
                match found.map(|found| found.number).or_else(|| number(group)) {
                    Some(number) => owner.group = number,
                    None => return Ok(None),
                }
            }
            None => {
                if let Some(user) = found {
                    let member = |group: &Group| group.members.contains(&user.name);
                    others = groups(tree)?
                        .into_iter()
                        .filter(member)
                        .map(|group| group.number)
                        .collect();
                }
            }
        }
        Ok(Some(Identity {
            owner,
            groups: others,
            home,
        }))
    }
}

fn number(text: &str) -> Option<u32> {
    if text == "root" {
        return Some(0);
    }
    text.parse().ok()
}

/// A line of `/etc/passwd`.
struct Account {
    name: String,
    owner: Owner,
    home: String,
}

/// A line of `/etc/group`.
struct Group {
    name: String,
    number: u32,
    members: Vec<String>,
}

fn users(tree: &Tree) -> Result<Vec<Account>> {
    let account = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default().to_owned();
        let owner = Owner { user, group };
        Some(Account { name, owner, home })
    };
    Ok(lines(tree, "/etc/passwd")?
        .lines()
        .filter_map(account)
        .collect())
}

fn groups(tree: &Tree) -> Result<Vec<Group>> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let number = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default();
        let members = members.split(',').map(str::to_owned).collect();
        Some(Group {
            name,
            number,
            members,
        })
    };
    Ok(lines(tree, "/etc/group")?
        .lines()
        .filter_map(group)
        .collect())
}

/// Returns the text of a list; nothing where there is none.
fn lines(tree: &Tree, path: &str) -> Result<String> {
    let place = tree.resolve(path.as_bytes())?;
    match tree.status(&place)? {
        Some(status) if kind(&status) == FileType::RegularFile => {}
        _ => return Ok(String::new()),
    }
    let mut bytes = Vec::new();
    let read = tree.read(&place)?.take(LIMIT).read_to_end(&mut bytes);
    read.at("read", place.as_bytes())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nbuild:x:7:8::/home/build:/bin/sh\n";
        fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nwheel:x:10:build,other\n";
        fs::write(folder.path().join("etc/group"), group).unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[rstest]
    #[case("build", 7, 8)]
    #[case("build:wheel", 7, 10)]
    #[case("9", 9, 9)]
    #[case("9:1", 9, 1)]
    #[case("nobody", 0, 0)]
    fn owners(#[case] text: &str, #[case] user: u32, #[case] group: u32) {
        let (_folder, tree) = tree();
        let owner = User::new(text).owner(&tree).unwrap();
        assert_eq!(owner, Owner { user, group });
    }

    #[rstest]
    #[case("", 0, 0, &[], Some("/root"))]
    #[case("build", 7, 8, &[10], Some("/home/build"))]
    #[case("7", 7, 8, &[10], Some("/home/build"))]
    #[case("build:0", 7, 0, &[], Some("/home/build"))]
    #[case("12", 12, 0, &[], None)]
    fn identities(
        #[case] text: &str,
        #[case] user: u32,
        #[case] group: u32,
        #[case] groups: &[u32],
        #[case] home: Option<&str>,
    ) {
        let (_folder, tree) = tree();
        let identity = User::new(text).identity(&tree).unwrap();
        let expected = Identity {
            owner: Owner { user, group },
            groups: groups.to_vec(),
            home: home.map(str::to_owned),
        };
        assert_eq!(identity, Some(expected));
    }

    #[test]
    fn nobody_runs_as_a_user_that_is_not_there() {
        let (_folder, tree) = tree();
        assert_eq!(User::new("nobody").identity(&tree).unwrap(), None);
        assert_eq!(User::new("build:none").identity(&tree).unwrap(), None);
    }
}
