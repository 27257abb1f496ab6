//! The permissions that `--chmod` asks for: a number, or changes as chmod(1) reads them.

/// The bits of everybody to read, to write and to execute.
const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
const EXECUTE: u32 = 0o111;
/// Of a user and of a group, and of a directory that only owners delete from.
const SET_IDS: u32 = 0o6000;
const STICKY: u32 = 0o1000;

/// What the permissions of a file become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// These.
    Are(u32),
    /// Those that it has, changed in this order.
    Change(Vec<Change>),
}

/// A change of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The bits of those whom it concerns.
    whom: u32,
    operation: Operation,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// These bits; with those to execute of a directory, and of what anybody may execute already.
    Bits { bits: u32, search: bool },
    /// What somebody has: the user, the group or the others, as a shift of bits.
    SameAs(u32),
}

/// A text is no permissions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mode: expected an octal number up to 7777, or changes as in `u=rwX,go-w`")]
pub struct BadMode(String);

impl std::str::FromStr for Permissions {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        let bad = || BadMode(text.to_owned());
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let number = u32::from_str_radix(text, 8).ok();
            let number = number.filter(|number| *number <= 0o7777);
            return number.map(Self::Are).ok_or_else(bad);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            clauses(clause, &mut changes).ok_or_else(bad)?;
        }
        Ok(Self::Change(changes))
    }
}

/// Reads `go=u-w` and the like.
fn clauses(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    // Whoever is concerned is followed by what becomes of it.
    let end = clause.find(|c| !"ugoa".contains(c))?;
    let (who, mut rest) = clause.split_at(end);
    let mut whom = 0;
    for one in who.chars() {
        whom |= match one {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            _ => 0o6777,
        };
    }
    // Nobody is everybody: there is no mask.
    let whom = if who.is_empty() { 0o6777 } else { whom };
    let only_others = !who.is_empty() && whom & !0o0007 == 0;
    while !rest.is_empty() {
        let operation = match rest.chars().next()? {
            '+' => Operation::Add,
            '-' => Operation::Remove,
            '=' => Operation::Set,
            _ => return None,
        };
        rest = &rest[1..];
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (letters, after) = rest.split_at(end);
        rest = after;
        let copied = ["u", "g", "o"].iter().position(|one| *one == letters);
        if let Some(place) = copied {
            let what = What::SameAs([6, 3, 0][place]);
            changes.push(Change {
                whom,
                operation,
                what,
            });
            continue;
        }
        let (mut bits, mut search, mut whom) = (0, false, whom);
        for letter in letters.chars() {
            match letter {
                'r' => bits |= READ,
                'w' => bits |= WRITE,
                'x' => bits |= EXECUTE,
                'X' => search = true,
                's' if !only_others => bits |= SET_IDS,
                't' if !only_others => {
                    bits |= STICKY;
                    whom |= STICKY;
                }
                's' | 't' => {}
                _ => return None,
            }
        }
        let what = What::Bits { bits, search };
        changes.push(Change {
            whom,
            operation,
            what,
        });
    }
    Some(())
}

impl Permissions {
    /// Returns what permissions become.
    pub fn apply(&self, before: u32, is_directory: bool) -> u32 {
        match self {
            Self::Are(mode) => *mode,
            Self::Change(changes) => changes.iter().fold(before, |mode, change| {
                let executable = is_directory || before & EXECUTE != 0;
                change.apply(mode, executable)
            }),
        }
    }
}

impl Change {
    fn apply(self, mode: u32, executable: bool) -> u32 {
        let bits = match self.what {
            What::Bits { bits, search } if search && executable => bits | EXECUTE,
            What::Bits { bits, .. } => bits,
            What::SameAs(shift) => {
                let one = mode >> shift & 0o7;
                one << 6 | one << 3 | one
            }
        } & self.whom;
        match self.operation {
            Operation::Add => mode | bits,
            Operation::Remove => mode & !bits,
            Operation::Set => mode & !self.whom | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("755", 0o644, false, 0o755)]
    #[case("4750", 0o644, false, 0o4750)]
    #[case("u+x", 0o644, false, 0o744)]
    #[case("go-w", 0o666, false, 0o644)]
    #[case("a=r", 0o777, false, 0o444)]
    #[case("+x", 0o600, false, 0o711)]
    #[case("u=rwX,go=rX", 0o600, false, 0o644)]
    #[case("u=rwX,go=rX", 0o700, false, 0o755)]
    #[case("u=rwX,go=rX", 0o600, true, 0o755)]
    #[case("go=u-w", 0o741, false, 0o755)]
    #[case("g=o", 0o705, false, 0o755)]
    #[case("u+s", 0o755, false, 0o4755)]
    #[case("g+s", 0o755, false, 0o2755)]
    #[case("+t", 0o755, true, 0o1755)]
    #[case("o+s", 0o755, false, 0o755)]
    #[case("u=rw", 0o4755, false, 0o655)]
    #[case("go=", 0o755, false, 0o700)]
    fn as_chmod_changes(
        #[case] text: &str,
        #[case] before: u32,
        #[case] is_directory: bool,
        #[case] expected: u32,
    ) {
        let permissions: Permissions = text.parse().unwrap();
        let after = permissions.apply(before, is_directory);
        assert_eq!(after, expected, "{text}: {after:o}, expected {expected:o}");
    }

    #[rstest]
    #[case("")]
    #[case("8")]
    #[case("77777")]
    #[case("u")]
    #[case("rwx")]
    #[case("u+q")]
    #[case("u+x,")]
    fn no_modes(#[case] text: &str) {
        assert!(text.parse::<Permissions>().is_err());
    }
}
