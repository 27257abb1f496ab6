//! The bytes of a commit: its tree, its parents, and what of it is signed.
//!
//! A commit may be written so that readers see different things in it. What git reads is read, and one that others could
//! read otherwise has no signature that counts.

use trust::Refusal;

/// What the lines of signatures begin with: git leaves all of them out of what is signed.
const SIGNATURE: &[u8] = b"gpgsig";

/// A commit whose bytes have its name.
pub(crate) struct Commit {
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    bytes: Vec<u8>,
    /// How many hex digits names have.
    digits: usize,
}

/// What is signed, and the signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Commit {
    /// Reads one whose name has so many hex digits; nothing if it has no tree or a parent that is none.
    pub(crate) fn read(bytes: Vec<u8>, digits: usize) -> Option<Self> {
        let name = |line: &[u8]| {
            let is_name = line.len() == digits
                && line
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_name.then(|| String::from_utf8_lossy(line).into_owned())
        };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let tree = name(lines.next()?.strip_prefix(b"tree ")?)?;
        let parents = lines.map_while(|line| line.strip_prefix(b"parent "));
        let parents = parents.map(name).collect::<Option<Vec<_>>>()?;
        Some(Self {
            tree,
            parents,
            bytes,
            digits,
        })
    }

    /// Returns the first line of its message.
    pub(crate) fn subject(&self) -> String {
        let (_, message) = self.halves();
        let mut lines = message.split(|byte| *byte == b'\n');
        let line = lines.find(|line| !line.trim_ascii().is_empty());
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        printable::line(line.trim()).into_owned()
    }

    /// Returns what is signed apart from its signature.
    pub(crate) fn parts(&self) -> Result<Parts, Refusal> {
        if self.bytes.contains(&0) {
            let why = "it has a NUL byte, behind which git shows nothing";
            return Err(Refusal::Malformed(why));
        }
        let (head, message) = self.halves();
        let expected: &[u8] = if self.digits == 40 {
            b"gpgsig "
        } else {
            b"gpgsig-sha256 "
        };
        let mut parts = Parts {
            signed: Vec::new(),
            signature: Vec::new(),
        };
        // The tree and the parents are its first lines.
        let mut first = 1 + self.parents.len();
        let (mut is_in, mut found) = (false, 0);
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            if let Some(more) = line.strip_prefix(b" ") {
                let to = if is_in {
                    &mut parts.signature
                } else {
                    &mut parts.signed
                };
                to.extend_from_slice(if is_in { more } else { line });
                continue;
            }
            is_in = line.starts_with(SIGNATURE);
            if is_in {
                found += 1;
                let Some(begun) = line.strip_prefix(expected) else {
                    let why =
                        "it has a signature in a line for another hash, or of an unknown name";
                    return Err(Refusal::Malformed(why));
                };
                parts.signature.extend_from_slice(begun);
                continue;
            }
            if first > 0 {
                first -= 1;
            } else if line.starts_with(b"tree ") || line.starts_with(b"parent ") {
                let why = "it has a tree or a parent where git does not look for one";
                return Err(Refusal::Malformed(why));
            }
            parts.signed.extend_from_slice(line);
        }
        parts.signed.extend_from_slice(message);
        match found {
            0 => Err(Refusal::Unsigned),
            1 => Ok(parts),
            _ => Err(Refusal::Several),
        }
    }

    /// Returns its lines, and its message with the empty line before that.
    fn halves(&self) -> (&[u8], &[u8]) {
        let mut pairs = self.bytes.windows(2);
        let end = pairs.position(|pair| pair == b"\n\n");
        self.bytes
            .split_at(end.map_or(self.bytes.len(), |end| end + 1))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TREE: &str = "tree 1111111111111111111111111111111111111111\n";
    const PARENT: &str = "parent 2222222222222222222222222222222222222222\n";
    const AUTHOR: &str = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n";
    const SIGNED: &str = "gpgsig -----BEGIN X-----\n \n abc\n -----END X-----\n";

    fn parts(lines: &[&str]) -> Result<Parts, Refusal> {
        let bytes = lines.concat().into_bytes();
        Commit::read(bytes, 40).unwrap().parts()
    }

    #[test]
    fn what_is_signed_is_everything_but_the_signature() {
        let message = "\nSubject\r\n\ngpgsig in a message\n";
        let tag = "mergetag object 3\n tree in a tag\n gpgsig in a tag\n";
        let all = [TREE, PARENT, PARENT, AUTHOR, SIGNED, tag, message];
        let found = parts(&all).unwrap();
        let signed = [TREE, PARENT, PARENT, AUTHOR, tag, message].concat();
        assert_eq!(String::from_utf8(found.signed).unwrap(), signed);
        let signature = "-----BEGIN X-----\n\nabc\n-----END X-----\n";
        assert_eq!(String::from_utf8(found.signature).unwrap(), signature);
        let commit = Commit::read(all.concat().into_bytes(), 40).unwrap();
        assert_eq!(
            (commit.parents.len(), commit.subject().as_str()),
            (2, "Subject")
        );
    }

    #[rstest]
    #[case::none(&[TREE, AUTHOR, "\nx"], "it is not signed")]
    #[case::in_the_message_alone(&[TREE, AUTHOR, "\n", SIGNED], "it is not signed")]
    #[case::two(&[TREE, AUTHOR, SIGNED, SIGNED, "\nx"], "several")]
    #[case::two_apart(&[TREE, SIGNED, AUTHOR, SIGNED, "\nx"], "several")]
    #[case::of_another_hash(&[TREE, AUTHOR, "gpgsig-sha256 x\n", "\nx"], "another hash")]
    #[case::of_both(&[TREE, AUTHOR, SIGNED, "gpgsig-sha256 x\n", "\nx"], "another hash")]
    #[case::another_name(&[TREE, AUTHOR, SIGNED, "gpgsigs x\n", "\nx"], "unknown name")]
    #[case::a_nul(&[TREE, AUTHOR, SIGNED, "\nx\0y"], "a NUL byte")]
    #[case::a_parent_that_is_none(&[TREE, AUTHOR, PARENT, SIGNED, "\nx"], "a parent where git")]
    #[case::another_tree(&[TREE, PARENT, TREE, AUTHOR, SIGNED, "\nx"], "a tree or a parent")]
    fn a_commit_that_can_be_read_in_two_ways_has_no_signature(
        #[case] lines: &[&str],
        #[case] expected: &str,
    ) {
        let error = parts(lines).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[rstest]
    #[case::nothing("")]
    #[case::a_name_that_ends_with_a_return("tree 1111111111111111111111111111111111111111\r\n")]
    #[case::a_part_of_a_name("tree 1111\n")]
    #[case::a_parent_before_it("parent 2222222222222222222222222222222222222222\n")]
    #[case::no_parent("tree 1111111111111111111111111111111111111111\nparent 2\n")]
    fn what_has_no_tree_or_no_parents_is_no_commit(#[case] text: &str) {
        assert!(Commit::read(text.as_bytes().to_vec(), 40).is_none());
    }
}
