//! Users and groups: as numbers, or by name in the tree's own `/etc/passwd` and `/etc/group`.
//!
//! A name that is not there means 0 for the owner of a file, and is an error for who runs a
//! command; so is a number without a group, where there is no list. So it is in `BuildKit`.

use std::io::Read as _;

use rustix::fs::FileType;

use crate::error::{Context as _, Error, Result};
use crate::place::Place;
use crate::tree::{Tree, kind};

/// The largest number of a user or a group that is on no list.
const LAST_ID: u32 = i32::MAX as u32;

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
    ///
    /// There must be files in which a name could be looked up, whether or not it is found.
    pub fn owner(&self, tree: &Tree) -> Result<Owner> {
        let is_name = |text: &&str| !text.is_empty() && number(text).is_none();
        let group = self.group.as_deref();
        let mut names = [Some(self.user.as_str()), group].into_iter().flatten();
        if let Some(name) = names.find(is_name)
            && tree.names(&Place::root())?.is_empty()
        {
            return Err(Error::NoAccounts(name.to_owned()));
        }
        let mut owner = Owner::ROOT;
        if let Some(number) = number(&self.user) {
            owner = Owner {
                user: number,
                group: number,
            };
        } else if let Some(found) = users(tree)?
            .into_iter()
            .flatten()
            .find(|user| user.name == self.user)
        {
            owner = found.owner;
        }
        if let Some(group) = &self.group {
            owner.group = match number(group) {
                Some(number) => number,
                None => groups(tree)?
                    .into_iter()
                    .flatten()
                    .find(|found| found.name == *group)
                    .map_or(owner.group, |found| found.number),
            };
        }
        Ok(owner)
    }

    /// Returns who a command is run by; nothing where the user, or the group, is on no list.
    ///
    /// A list that has to be asked must be there, also for a number.
    pub fn identity(&self, tree: &Tree) -> Result<Option<Identity>> {
        let is_default = self.user.is_empty() && self.group.is_none();
        let (owner, mut groups) = match self.look_up(tree)? {
            Some(found) => found,
            None if is_default => (Owner::ROOT, Vec::new()),
            None => return Ok(None),
        };
        if !groups.contains(&owner.group) {
            groups.insert(0, owner.group);
        }
        // Whatever the user is called: the number decides whose home it is.
        let mut users = users(tree)?.unwrap_or_default().into_iter();
        let home = users.find(|user| user.owner.user == owner.user);
        Ok(Some(Identity {
            owner,
            groups,
            home: home.map(|user| user.home),
        }))
    }

    /// Returns the user, the group, and the groups that have the user on their list.
    fn look_up(&self, tree: &Tree) -> Result<Option<(Owner, Vec<u32>)>> {
        let group = self.group.as_deref().filter(|group| !group.is_empty());
        if let (Some(user), Some(group)) = (number(&self.user), group.and_then(number)) {
            return Ok(Some((Owner { user, group }, Vec::new())));
        }
        let Some(users) = users(tree)? else {
            return Ok(None);
        };
        let id = match self.user.as_str() {
            "" => Some(0),
            user => user.parse().ok(),
        };
        let found = users.into_iter().find(|user| match id {
            Some(id) => user.owner.user == id,
            None => user.name == self.user,
        });
        let mut owner = match (&found, id) {
            (Some(found), _) => found.owner,
            (None, Some(user)) if user <= LAST_ID => Owner { user, group: 0 },
            (None, _) => return Ok(None),
        };
        if found.is_none() && group.is_none() {
            return Ok(Some((owner, Vec::new())));
        }
        let Some(groups) = groups(tree)? else {
            return Ok(None);
        };
        let Some(group) = group else {
            let member = |group: &Group| {
                let mut members = group.members.iter();
                members.any(|member| found.as_ref().is_some_and(|user| user.name == *member))
            };
            let groups = groups.into_iter().filter(member);
            return Ok(Some((owner, groups.map(|group| group.number).collect())));
        };
        let id = group.parse().ok().filter(|id| *id <= LAST_ID);
        let id = id.or_else(|| {
            let mut named = groups.into_iter().filter(|found| found.name == group);
            named.next().map(|found| found.number)
        });
        Ok(id.map(|id| {
            owner.group = id;
            (owner, Vec::new())
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

fn users(tree: &Tree) -> Result<Option<Vec<Account>>> {
    let account = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default().to_owned();
        let owner = Owner { user, group };
        Some(Account { name, owner, home })
    };
    let lines = lines(tree, "/etc/passwd")?;
    Ok(lines.map(|lines| lines.lines().filter_map(account).collect()))
}

fn groups(tree: &Tree) -> Result<Option<Vec<Group>>> {
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
    let lines = lines(tree, "/etc/group")?;
    Ok(lines.map(|lines| lines.lines().filter_map(group).collect()))
}

/// Returns the text of a list; nothing where there is none.
fn lines(tree: &Tree, path: &str) -> Result<Option<String>> {
    let place = tree.resolve(path.as_bytes())?;
    match tree.status(&place)? {
        Some(status) if kind(&status) == FileType::RegularFile => {}
        _ => return Ok(None),
    }
    let mut bytes = Vec::new();
    let read = tree.read(&place)?.take(LIMIT).read_to_end(&mut bytes);
    read.at("read", place.as_bytes())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nbuild:x:7:8::/home/build:/bin/sh\n\
                      9:x:90:90::/home/nine:/bin/sh\nalso:x:7:80::/home/also:/bin/sh\n";
        fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nwheel:x:10:build,other\n9:x:90:\n";
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
    #[case("", 0, 0, &[0], Some("/root"))]
    #[case("build", 7, 8, &[8, 10], Some("/home/build"))]
    #[case("7", 7, 8, &[8, 10], Some("/home/build"))]
    #[case("also", 7, 80, &[80], Some("/home/build"))]
    #[case("build:", 7, 8, &[8, 10], Some("/home/build"))]
    #[case("build:0", 7, 0, &[0], Some("/home/build"))]
    #[case("9:9", 9, 9, &[9], None)]
    #[case("build:9", 7, 9, &[9], Some("/home/build"))]
    #[case("9", 9, 0, &[0], None)]
    #[case("12", 12, 0, &[0], None)]
    #[case("12:wheel", 12, 10, &[10], None)]
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
        assert_eq!(User::new("2147483648").identity(&tree).unwrap(), None);
    }

    #[rstest]
    #[case("etc/passwd", "7", false)]
    #[case("etc/passwd", "root", false)]
    #[case("etc/passwd", "7:wheel", false)]
    #[case("etc/passwd", "7:root", true)]
    #[case("etc/passwd", "", true)]
    #[case("etc/group", "build", false)]
    #[case("etc/group", "build:8", false)]
    #[case("etc/group", "12", true)]
    #[case("etc/group", "", true)]
    fn a_list_that_is_asked_must_be_there(
        #[case] list: &str,
        #[case] user: &str,
        #[case] is_found: bool,
    ) {
        let (folder, tree) = tree();
        fs::remove_file(folder.path().join(list)).unwrap();
        let identity = User::new(user).identity(&tree).unwrap();
        assert_eq!(identity.is_some(), is_found);
    }

    #[rstest]
    #[case("nobody", false)]
    #[case("1:nobody", false)]
    #[case("root:1", true)]
    #[case(":1", true)]
    fn names_are_looked_up_where_there_are_files(#[case] text: &str, #[case] is_owner: bool) {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        assert_eq!(User::new(text).owner(&tree).is_ok(), is_owner);
    }
}
