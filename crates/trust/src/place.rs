//! Where signatures lie: `<registry>/<package>@sha256=<digest>/signature-<N>`, N being 1, 2 and so on without a gap.
//!
//! That is the layout of lookaside servers, whose readers ask for one number after the other until there is none:
//! what lies behind a gap is seen by nobody, and so it does not count here either. It knows names and
//! files, and not what is in them.

use std::fmt;
use std::io;

use beneath::{Directory, Kind};
use camino::Utf8PathBuf;
use documents::Digest;

use crate::payload::{InvalidName, Payload, Registry};

/// How many signatures of one digest are looked at.
pub const MOST: u32 = 64;

/// How many bytes a signature may have, with what is signed.
pub const FILE_LIMIT: u64 = 64 << 10;

/// What a signature's name begins with.
const PREFIX: &str = "signature-";

/// What stands between the package and the digest in the name of a directory. A colon is none in every file system.
const BETWEEN: &str = "@sha256=";

/// The directory of a digest's signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    registry: Registry,
    package: String,
    digest: Digest,
}

/// What lies in the directory of a digest's signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSignatures {
    /// The signatures with their numbers, `signature-1` first, without a gap.
    pub signatures: Vec<(u32, Vec<u8>)>,
    /// What does not count.
    pub strays: Vec<Stray>,
}

/// Something that lies among signatures and does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stray {
    /// It is not called as a signature is.
    #[error("{name} is not called as a signature is, which is `signature-` and a number from 1")]
    Name {
        /// Its name.
        name: String,
    },
    /// It is behind a gap.
    #[error("{name} is behind a gap: signature-{missing} is missing, so that no reader gets there", name = file_name(*number))]
    Gap {
        /// Its number.
        number: u32,
        /// The first number that is missing.
        missing: u32,
    },
    /// There are too many.
    #[error("{name} is one too many: only {MOST} are looked at", name = file_name(*number))]
    TooMany {
        /// Its number.
        number: u32,
    },
    /// It cannot be read.
    #[error("{name} cannot be read: {why}", name = file_name(*number))]
    Unreadable {
        /// Its number.
        number: u32,
        /// Why.
        why: String,
    },
}

impl Place {
    /// Returns where the signatures of a package's digest lie.
    ///
    /// # Errors
    ///
    /// The name is not that of a package.
    pub fn new(registry: &Registry, package: &str, digest: Digest) -> Result<Self, InvalidName> {
        if !package_tree::is_output(package) {
            return Err(InvalidName::Package(package.to_owned()));
        }
        Ok(Self {
            registry: registry.clone(),
            package: package.to_owned(),
            digest,
        })
    }

    /// Returns where a signature of this payload lies.
    pub fn of(payload: &Payload) -> Self {
        Self {
            registry: payload.registry().clone(),
            package: payload.package().to_owned(),
            digest: payload.digest().clone(),
        }
    }

    /// Returns the package's full name.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its path, beneath the directory or the address that has all signatures.
    pub fn path(&self) -> Utf8PathBuf {
        self.to_string().into()
    }

    /// Returns where the statements lie that belong to a signature, below the directory of signatures: envelopes of DSSE,
    /// one in each line. They are not beside it, since `StageX`'s scripts take every file there for a signature.
    pub fn attestation(&self, number: u32) -> Utf8PathBuf {
        [
            "attestations",
            &self.to_string(),
            &format!("attestation-{number}.jsonl"),
        ]
        .iter()
        .collect()
    }

    /// Tells whether this is where a signature of `payload` lies. A signature that is somewhere else was moved
    /// there.
    pub fn is_of(&self, payload: &Payload) -> bool {
        *self == Self::of(payload)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            package,
            digest,
        } = self;
        write!(f, "{registry}/{package}{BETWEEN}{}", digest.hex())
    }
}

/// Returns the name of a signature.
pub fn file_name(number: u32) -> String {
    format!("{PREFIX}{number}")
}

/// Returns the number of a signature's name, if it is one: from 1, and written in one way.
pub fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_one = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_one)
}

/// Returns the numbers that are taken in the directory of a place, in their order, whatever has them; none if it is
/// not there.
pub fn numbers(signatures: &Directory, place: &Place) -> io::Result<Vec<u32>> {
    let Some(directory) = there(signatures.directory(&place.path()))? else {
        return Ok(Vec::new());
    };
    let entries = directory.entries()?;
    let mut numbers: Vec<u32> = entries
        .iter()
        .filter_map(|entry| number_of(&entry.name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the first number that is free, where a signature is seen by every reader. `numbers` are those that are
/// taken, in their order.
pub fn first_free(numbers: &[u32]) -> u32 {
    let taken = (1..)
        .zip(numbers)
        .take_while(|(expected, number)| expected == *number);
    taken.map(|(expected, _)| expected + 1).last().unwrap_or(1)
}

/// Reads the signatures in the directory of a place; none if it is not there. `signatures` may be somebody else's: no
/// symbolic link in it is followed.
///
/// # Errors
///
/// The directory is there, and cannot be read.
pub fn read(signatures: &Directory, place: &Place) -> io::Result<StoredSignatures> {
    let mut found = StoredSignatures::default();
    let Some(directory) = there(signatures.directory(&place.path()))? else {
        return Ok(found);
    };
    let mut numbers = Vec::new();
    for entry in directory.entries()? {
        match number_of(&entry.name) {
            Some(number) => numbers.push(number),
            None => found.strays.push(Stray::Name { name: entry.name }),
        }
    }
    numbers.sort_unstable();
    let free = first_free(&numbers);
    for number in numbers {
        if number > free {
            found.strays.push(Stray::Gap {
                number,
                missing: free,
            });
            continue;
        }
        if number > MOST {
            found.strays.push(Stray::TooMany { number });
            continue;
        }
        match directory.read(file_name(number).as_str().into(), FILE_LIMIT) {
            Ok(bytes) => found.signatures.push((number, bytes)),
            Err(error) => {
                let why = error.to_string();
                found.strays.push(Stray::Unreadable { number, why });
            }
        }
    }
    Ok(found)
}

/// Returns all places of a registry that have a directory, in the order of their names. What is not called as one is,
/// is left out.
///
/// # Errors
///
/// The directory of the registry is there, and cannot be read.
pub fn places(signatures: &Directory, registry: &Registry) -> io::Result<Vec<Place>> {
    let Some(directory) = there(signatures.directory(registry.as_str().into()))? else {
        return Ok(Vec::new());
    };
    let place = |name: &str| {
        let (package, digits) = name.split_once(BETWEEN)?;
        let digest = Digest::try_from(format!("sha256:{digits}")).ok()?;
        Place::new(registry, package, digest).ok()
    };
    let entries = directory.entries()?;
    let directories = entries.iter().filter(|entry| entry.kind == Kind::Directory);
    Ok(directories.filter_map(|entry| place(&entry.name)).collect())
}

/// Returns what was opened, or nothing if it is not there.
fn there(opened: io::Result<Directory>) -> io::Result<Option<Directory>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use camino::Utf8Path;
    use rstest::rstest;

    use super::*;

    struct Scene {
        _temporary: tempfile::TempDir,
        signatures: Directory,
        place: Place,
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(temporary.path()).unwrap();
            let digest = Digest::sha256(&[7; 32]);
            Self {
                signatures: Directory::open(path).unwrap(),
                place: Place::new(&"stagex".parse().unwrap(), "core-musl", digest).unwrap(),
                _temporary: temporary,
            }
        }

        fn write(&self, name: &str, contents: &[u8]) {
            let path = self.place.path().join(name);
            self.signatures.write(&path, contents).unwrap();
        }

        fn path(&self, name: &str) -> Utf8PathBuf {
            self.signatures.path().join(self.place.path()).join(name)
        }

        fn read(&self) -> StoredSignatures {
            read(&self.signatures, &self.place).unwrap()
        }
    }

    #[test]
    fn a_place_is_called_as_stagex_calls_it() {
        let scene = Scene::new();
        let digits = "07".repeat(32);
        assert_eq!(
            scene.place.to_string(),
            format!("stagex/core-musl@sha256={digits}")
        );
        for name in ["../core", "core-a/b", "", "core-..", "core-a@sha256=b"] {
            let digest = scene.place.digest().clone();
            assert!(
                Place::new(&"stagex".parse().unwrap(), name, digest).is_err(),
                "{name}"
            );
        }
    }

    #[rstest]
    #[case("signature-1", Some(1))]
    #[case("signature-12", Some(12))]
    #[case("signature-0", None)]
    #[case("signature-01", None)]
    #[case("signature-+1", None)]
    #[case("signature-", None)]
    #[case("signature-99999999999", None)]
    #[case("signature-1.asc", None)]
    #[case("Signature-1", None)]
    #[case("signature-１", None)]
    fn a_signature_has_one_name(#[case] name: &str, #[case] number: Option<u32>) {
        assert_eq!(number_of(name), number);
    }

    #[rstest]
    #[case(&[], 1)]
    #[case(&[1, 2], 3)]
    #[case(&[1, 3], 2)]
    #[case(&[2], 1)]
    fn the_next_number_leaves_no_gap(#[case] numbers: &[u32], #[case] free: u32) {
        assert_eq!(first_free(numbers), free);
    }

    #[test]
    fn numbers_are_those_of_numbers_and_not_of_letters() {
        let scene = Scene::new();
        assert!(numbers(&scene.signatures, &scene.place).unwrap().is_empty());
        for number in 1..=11 {
            scene.write(&file_name(number), &[u8::try_from(number).unwrap()]);
        }
        assert_eq!(
            first_free(&numbers(&scene.signatures, &scene.place).unwrap()),
            12
        );
        let signatures = (1..=11).map(|number| (number.into(), vec![number]));
        let signatures = signatures.collect();
        assert_eq!(
            scene.read(),
            StoredSignatures {
                signatures,
                strays: Vec::new()
            }
        );
    }

    #[test]
    fn what_is_behind_a_gap_and_what_has_another_name_does_not_count() {
        let scene = Scene::new();
        assert_eq!(scene.read(), StoredSignatures::default());
        for name in ["signature-1", "signature-3", "signature-02", "README"] {
            scene.write(name, name.as_bytes());
        }
        let found = scene.read();
        assert_eq!(found.signatures, [(1, b"signature-1".to_vec())]);
        let names = ["README", "signature-02"].map(|name| Stray::Name {
            name: name.to_owned(),
        });
        let gap = Stray::Gap {
            number: 3,
            missing: 2,
        };
        assert_eq!(found.strays, [&names[..], &[gap]].concat());
    }

    #[test]
    fn only_so_many_are_looked_at() {
        let scene = Scene::new();
        for number in 1..=MOST + 1 {
            scene.write(&file_name(number), b"");
        }
        let found = scene.read();
        assert_eq!(found.signatures.len(), MOST as usize);
        assert_eq!(found.strays, [Stray::TooMany { number: MOST + 1 }]);
    }

    #[test]
    fn one_that_cannot_be_read_keeps_its_number() {
        let scene = Scene::new();
        scene.write("signature-2", b"second");
        let large = vec![0; usize::try_from(FILE_LIMIT).unwrap() + 1];
        for spoil in [
            |path: &Utf8Path, _: &[u8]| symlink("signature-2", path).unwrap(),
            |path: &Utf8Path, _: &[u8]| fs::create_dir(path).unwrap(),
            |path: &Utf8Path, large: &[u8]| fs::write(path, large).unwrap(),
        ] {
            spoil(&scene.path("signature-1"), &large);
            let found = scene.read();
            assert_eq!(found.signatures, [(2, b"second".to_vec())]);
            assert!(matches!(
                &found.strays[..],
                [Stray::Unreadable { number: 1, .. }]
            ));
            scene
                .signatures
                .remove(&scene.place.path().join("signature-1"))
                .unwrap();
        }
    }

    #[test]
    fn no_link_on_the_way_to_a_signature_is_followed() {
        let scene = Scene::new();
        scene.write("signature-1", b"first");
        let root = scene.signatures.path();
        fs::rename(root.join("stagex"), root.join("elsewhere")).unwrap();
        symlink("elsewhere", root.join("stagex")).unwrap();
        assert!(read(&scene.signatures, &scene.place).is_err());
        assert!(places(&scene.signatures, &"stagex".parse().unwrap()).is_err());
    }

    #[test]
    fn places_are_listed() {
        let scene = Scene::new();
        let registry = "stagex".parse().unwrap();
        assert_eq!(places(&scene.signatures, &registry).unwrap(), []);
        scene.write("signature-1", b"");
        for name in ["core-x@sha256=", "core-x", ".git"] {
            fs::create_dir(scene.signatures.path().join("stagex").join(name)).unwrap();
        }
        assert_eq!(places(&scene.signatures, &registry).unwrap(), [scene.place]);
    }
}
