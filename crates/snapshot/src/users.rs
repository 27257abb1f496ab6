//! Users and groups: as numbers, or by name in the tree's own `/etc/passwd` and `/etc/group`.
//!
//! A name that is not there means 0 for the owner of a file, and is an error for who runs a
//! command; so is a number without a group, where there is no list. So it is in `BuildKit`.

use std::io::Read as _;
use std::num::IntErrorKind;

use rustix::fs::FileType;

use crate::error::{Context as _, Error, Result};
use crate::owner::Owner;
use crate::place::Place;
use crate::tree::{Tree, kind};

/// The largest number of a user or a group that is on no list.
const LAST_ID: u32 = i32::MAX as u32;

/// What stands for a number on a list that nobody can have: to the kernel it is nobody's, too.
const NO_ID: u32 = u32::MAX;

/// How much of a list of users is read.
const LIMIT: u64 = 10 << 20;

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
}

impl Identity {
    /// Returns the home directory, if the tree has one on record. It may be empty.
    ///
    /// Whatever the user is called: the number decides whose home it is.
    pub fn home(&self, tree: &Tree) -> Result<Option<String>> {
        let mut users = users(tree)?.unwrap_or_default().into_iter();
        let found = users.find(|user| user.owner.user == self.owner.user);
        Ok(found.map(|user| user.home))
    }

    /// Tells whether there can be such a user with such groups.
    fn can_be(&self) -> bool {
        let Owner { user, group } = self.owner;
        user != NO_ID && group != NO_ID && !self.groups.contains(&NO_ID)
    }
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
        // What is not said is number 0, behind a colon too.
        let number = |text: &str| {
            if text.is_empty() {
                Some(0)
            } else {
                owner_number(text)
            }
        };
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
        // A file stays whose it was: root's.
        for id in [&mut owner.user, &mut owner.group] {
            if *id == NO_ID {
                *id = 0;
            }
        }
        Ok(owner)
    }

    /// Returns who a command is run by; nothing where the user, or the group, is on no list, or has a
    /// number there that nobody can have.
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
        let identity = Identity { owner, groups };
        Ok(Some(identity).filter(Identity::can_be))
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
        // Nobody is a member of a group without having a name.
        let name = found.map(|user| user.name).filter(|name| !name.is_empty());
        if name.is_none() && group.is_none() {
            return Ok(Some((owner, Vec::new())));
        }
        let Some(groups) = groups(tree)? else {
            return Ok(None);
        };
        let Some(group) = group else {
            let member = |group: &Group| {
                let mut members = group.members.iter();
                members.any(|member| name.as_ref() == Some(member))
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

/// Reads the number of an owner: with a sign, or without, in 32 bits. What is more is a name.
fn owner_number(text: &str) -> Option<u32> {
    match text {
        "root" => Some(0),
        _ => text.parse().ok().map(i32::cast_unsigned),
    }
}

/// Reads the number of who runs a command: without a sign, in 32 bits. What is more is a name.
fn number(text: &str) -> Option<u32> {
    match text {
        "root" => Some(0),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok(),
    }
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
        let name = fields.next().unwrap_or_default().to_owned();
        let user = listed_number(fields.nth(1));
        let group = listed_number(fields.next());
        let home = fields.nth(1).unwrap_or_default().to_owned();
        let owner = Owner { user, group };
        Account { name, owner, home }
    };
    let lines = lines(tree, "/etc/passwd")?;
    Ok(lines.map(|lines| entries(&lines).map(account).collect()))
}

fn groups(tree: &Tree) -> Result<Option<Vec<Group>>> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default().to_owned();
        let number = listed_number(fields.nth(1));
        let members = fields.next().unwrap_or_default();
        let members = members.split(',').map(str::to_owned).collect();
        Group {
            name,
            number,
            members,
        }
    };
    let lines = lines(tree, "/etc/group")?;
    // Only this list has comments.
    let is_group = |line: &&str| !line.starts_with('#');
    Ok(lines.map(|lines| entries(&lines).filter(is_group).map(group).collect()))
}

/// Returns the lines of a list that say something.
fn entries(lines: &str) -> impl Iterator<Item = &str> {
    let lines = lines.lines().map(str::trim);
    lines.filter(|line| !line.is_empty())
}

/// Reads a number on a list as Go's `strconv.Atoi` does. What is none, or is missing, is 0.
fn listed_number(field: Option<&str>) -> u32 {
    let number = field.unwrap_or_default().parse::<i64>();
    match number.map_err(|error| *error.kind()) {
        Ok(number) => match u32::try_from(number) {
            Ok(number) if number <= LAST_ID => number,
            _ => NO_ID,
        },
        Err(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => NO_ID,
        Err(_) => 0,
    }
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
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nbuild:x:7:8::/home/build:/bin/sh\n\
                      9:x:90:90::/home/nine:/bin/sh\nalso:x:7:80::/home/also:/bin/sh\n";
        fs::write(directory.path().join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nwheel:x:10:build,other\n9:x:90:\n";
        fs::write(directory.path().join("etc/group"), group).unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        (directory, tree)
    }

    #[rstest]
    #[case("build", 7, 8)]
    #[case("build:wheel", 7, 10)]
    #[case("9", 9, 9)]
    #[case("9:1", 9, 1)]
    #[case("nobody", 0, 0)]
    #[case("+9:+1", 9, 1)]
    #[case("-5", 4_294_967_291, 4_294_967_291)]
    #[case("-1", 0, 0)]
    #[case("2147483647", 2_147_483_647, 2_147_483_647)]
    // Names, which are on no list.
    #[case("2147483648", 0, 0)]
    #[case("9:4294967294", 9, 9)]
    #[case("build:", 7, 0)]
    #[case(":10", 0, 10)]
    #[case(":wheel", 0, 10)]
    fn owners(#[case] text: &str, #[case] user: u32, #[case] group: u32) {
        let (_directory, tree) = tree();
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
        let (_directory, tree) = tree();
        let identity = User::new(text).identity(&tree).unwrap().unwrap();
        let expected = Identity {
            owner: Owner { user, group },
            groups: groups.to_vec(),
        };
        assert_eq!(identity, expected);
        assert_eq!(identity.home(&tree).unwrap().as_deref(), home);
    }

    #[rstest]
    #[case("odd", 0, 0, "")]
    #[case("odd:x:abc:5::/h:/bin/sh", 0, 5, "/h")]
    #[case("odd:x:5", 5, 0, "")]
    #[case("odd:x:: 9::/h", 0, 0, "/h")]
    #[case("  odd:x:+5:6::/h:/bin/sh\r\n", 5, 6, "/h")]
    #[case("#odd:x:1:1\nodd:x:5:6:a:b:c:d", 5, 6, "b")]
    fn odd_lines(#[case] line: &str, #[case] user: u32, #[case] group: u32, #[case] home: &str) {
        let (directory, tree) = tree();
        fs::write(directory.path().join("etc/passwd"), line).unwrap();
        let owner = Owner { user, group };
        let odd = User::new("odd");
        assert_eq!(odd.owner(&tree).unwrap(), owner);
        let identity = odd.identity(&tree).unwrap().unwrap();
        assert_eq!(identity.owner, owner);
        assert_eq!(identity.home(&tree).unwrap().as_deref(), Some(home));
    }

    #[rstest]
    #[case("odd:x:-5:6")]
    #[case("odd:x:2147483648:6")]
    #[case("odd:x:99999999999999999999:6")]
    fn a_number_that_nobody_can_have(#[case] line: &str) {
        let (directory, tree) = tree();
        fs::write(directory.path().join("etc/passwd"), line).unwrap();
        assert_eq!(
            User::new("odd").owner(&tree).unwrap(),
            Owner { user: 0, group: 6 }
        );
        assert_eq!(User::new("odd").identity(&tree).unwrap(), None);
    }

    #[rstest]
    #[case("grp:x:5:build\n", &[8, 5])]
    #[case("grp:x:5:a,build ", &[8, 5])]
    #[case("grp:x:5:a, build", &[8])]
    #[case("#grp:x:5:build\n", &[8])]
    #[case("grp:x::build", &[8, 0])]
    #[case("grp", &[8])]
    #[case("grp:x:-5:build", &[])]
    fn odd_groups(#[case] line: &str, #[case] groups: &[u32]) {
        let (directory, tree) = tree();
        fs::write(directory.path().join("etc/group"), line).unwrap();
        let identity = User::new("build").identity(&tree).unwrap();
        // Without any, nobody can run.
        let found = identity.map(|found| found.groups);
        assert_eq!(found.unwrap_or_default(), groups);
    }

    #[test]
    fn who_has_no_name_is_in_no_group() {
        let (directory, tree) = tree();
        fs::write(directory.path().join("etc/passwd"), ":x:5:6::/h:").unwrap();
        let identity = User::new("5").identity(&tree).unwrap().unwrap();
        assert_eq!(identity.groups, [6]);
    }

    #[test]
    fn nobody_runs_as_a_user_that_is_not_there() {
        let (_directory, tree) = tree();
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
        let (directory, tree) = tree();
        fs::remove_file(directory.path().join(list)).unwrap();
        let identity = User::new(user).identity(&tree).unwrap();
        assert_eq!(identity.is_some(), is_found);
    }

    #[rstest]
    #[case("nobody", false)]
    #[case("1:nobody", false)]
    #[case("root:1", true)]
    #[case(":1", true)]
    fn names_are_looked_up_where_there_are_files(#[case] text: &str, #[case] is_owner: bool) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        assert_eq!(User::new(text).owner(&tree).is_ok(), is_owner);
    }
}
