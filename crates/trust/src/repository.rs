//! A repository of git whose answers are not believed: the bytes of each object are compared with its name, from a tag
//! that somebody has signed down to a file.
//!
//! It knows git's objects. It does not know what is looked for in them.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use git::Object;
use openpgp::types::HashAlgorithm;
use sequoia_openpgp as openpgp;

use crate::keyring::Keyring;
use crate::policy::Policy;
use crate::signer::signer;

/// How many tags are looked at, the newest first.
const TAGS: usize = 256;

/// What the signature of a tag begins with.
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----\n";

/// A tag that a person of a policy has signed.
pub(crate) struct Tag {
    /// What it is called, as the signature has it.
    pub(crate) name: String,
    /// When they say that they signed it, in seconds since 1970.
    pub(crate) made: i64,
    pub(crate) person: String,
    pub(crate) commit: String,
}

/// A file or a directory of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// What it is called.
    pub name: Vec<u8>,
    /// What it is, in git's digits.
    pub mode: Vec<u8>,
    /// Its object.
    pub object: String,
}

impl TreeEntry {
    /// Tells whether it is a file.
    pub fn is_file(&self) -> bool {
        self.mode.starts_with(b"100")
    }

    /// Tells whether it is a directory.
    pub fn is_tree(&self) -> bool {
        self.mode == b"40000"
    }
}

/// Objects that are read, each once.
pub struct Repository<'a> {
    directory: &'a Utf8Path,
    read: BTreeMap<String, Object>,
    prefix: Option<Utf8PathBuf>,
}

impl<'a> Repository<'a> {
    /// Returns that which a directory lies in.
    pub fn new(directory: &'a Utf8Path) -> Self {
        Self {
            directory,
            read: BTreeMap::new(),
            prefix: None,
        }
    }

    /// Returns those of these objects that are there, are of a kind, and have the bytes of their names.
    ///
    /// # Errors
    ///
    /// Whatever keeps git from answering.
    pub async fn read(
        &mut self,
        kind: &str,
        names: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<u8>>, git::Error> {
        let is_new = |name: &&String| !self.read.contains_key(*name);
        let new: BTreeSet<String> = names.iter().filter(is_new).cloned().collect();
        for (name, object) in git::objects(self.directory, &new).await? {
            if is_itself(&name, &object) {
                self.read.insert(name, object);
            }
        }
        let known = names.into_iter().filter_map(|name| {
            let object = self.read.get(&name).filter(|object| object.kind == kind)?;
            let bytes = object.bytes.clone();
            Some((name, bytes))
        });
        Ok(known.collect())
    }

    /// Returns where the directory lies in its repository.
    ///
    /// # Errors
    ///
    /// Whatever keeps git from answering.
    pub async fn prefix(&mut self) -> Result<Utf8PathBuf, git::Error> {
        if self.prefix.is_none() {
            self.prefix = Some(git::prefix(self.directory).await?);
        }
        Ok(self.prefix.clone().unwrap_or_default())
    }
}

/// Returns the tags that people of a policy have signed with keys that are good, the earliest first: those of a commit,
/// or of any.
pub(crate) async fn signed_tags(
    directory: &Utf8Path,
    of: Option<&str>,
    policy: &Policy,
    keyring: &Keyring,
    now: i64,
) -> Result<Vec<Tag>, git::Error> {
    let names = git::tags(directory, of, TAGS).await?.into_iter().collect();
    let read = Repository::new(directory).read("tag", names).await?;
    let signed = read
        .values()
        .filter_map(|tag| signed_tag(tag, policy, keyring, now));
    let mut tags: Vec<Tag> = signed.collect();
    tags.sort_by(|one, other| (one.made, &one.name).cmp(&(other.made, &other.name)));
    Ok(tags)
}

/// Reads a tag that a person of the policy has signed with a key that is good. One that is signed with SSH has no time,
/// and shows nothing.
fn signed_tag(tag: &[u8], policy: &Policy, keyring: &Keyring, now: i64) -> Option<Tag> {
    let at = tag
        .windows(SIGNATURE.len())
        .rposition(|window| window == SIGNATURE)?;
    let (signed, signature) = tag.split_at(at);
    let by = signer(policy, keyring, signed, signature, now);
    let text = std::str::from_utf8(signed).ok()?;
    let (head, _) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    let commit = lines.next()?.strip_prefix("object ")?.to_owned();
    let is_of_commit = lines.next()? == "type commit";
    let name = lines.next()?.strip_prefix("tag ")?.to_owned();
    is_of_commit.then_some(Tag {
        name,
        made: by.made?,
        person: by.counted()?.to_owned(),
        commit,
    })
}

/// Returns the tree of a commit.
pub(crate) fn tree_of(commit: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(commit);
    Some(text.lines().next()?.strip_prefix("tree ")?.to_owned())
}

/// Returns what a tree has, whose own name has so many hex digits; nothing if it is damaged.
pub fn entries(tree: &[u8], digits: usize) -> Option<Vec<TreeEntry>> {
    let mut rest = tree;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        // `<mode> <name>`, a NUL, and the bytes of the object's name.
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (head, behind) = rest.split_at(end);
        let object = behind.get(1..=digits / 2)?;
        let space = head.iter().position(|byte| *byte == b' ')?;
        entries.push(TreeEntry {
            name: head[space + 1..].to_owned(),
            mode: head[..space].to_owned(),
            object: printable::hex(object),
        });
        rest = &behind[1 + digits / 2..];
    }
    Some(entries)
}

/// Returns the object of a name in a tree, whose own name has so many hex digits.
pub(crate) fn entry(tree: &[u8], wanted: &str, digits: usize) -> Option<String> {
    let mut entries = entries(tree, digits)?.into_iter();
    let entry = entries.find(|entry| entry.name == wanted.as_bytes())?;
    Some(entry.object)
}

/// Tells whether an object has the bytes that its name says.
fn is_itself(name: &str, object: &Object) -> bool {
    name_of(&object.kind, &object.bytes, name.len()).is_some_and(|computed| computed == name)
}

/// Returns the name of an object, of so many hex digits. Where it is SHA-1, the bytes that are made for a collision are
/// noticed, and have another.
pub(crate) fn name_of(kind: &str, bytes: &[u8], digits: usize) -> Option<String> {
    let algorithm = match digits {
        40 => HashAlgorithm::SHA1,
        64 => HashAlgorithm::SHA256,
        _ => return None,
    };
    let mut context = algorithm.context().ok()?.for_digest();
    context.update(format!("{kind} {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    let digest = context.into_digest().ok()?;
    Some(printable::hex(&digest))
}
