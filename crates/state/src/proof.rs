//! Proof that what lies in a tree's `out/` was written there by this user: an HMAC-SHA256 under the user's
//! secret, over what it is for, what it is of, and all that it says.
//!
//! It is bound to the place as well, so that of a copy nothing is believed: to the path of the directory,
//! to its inode, and to the time at which that was made, which nobody can set. It is not bound to the number of
//! the device, which may be another one after each start of the machine. What lacks the proof is as if it
//! were not there. It does not know what the text says.

use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use beneath::Directory;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

/// What something is that is proven. One is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The record of a package's last build.
    Record,
    /// What a build may put into its engine's store.
    Claim,
    /// The hashes of files.
    Hashes,
    /// What was found in `out/`.
    Outputs,
    /// What a runtime keeps itself for later builds.
    Kept,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Claim => "claim",
            Self::Hashes => "hashes",
            Self::Outputs => "outputs",
            Self::Kept => "kept",
        }
    }
}

/// Proves what is written in one place, and finds out whether what is read there is proven.
#[derive(Clone)]
pub struct Proof {
    key: [u8; 32],
}

impl Proof {
    /// Returns the proof of what is in `directory`, with the secret of its user.
    pub fn of_place(secret: &Secret, directory: &Directory) -> std::io::Result<Self> {
        let path = directory.path().canonicalize_utf8()?;
        let metadata = directory.itself()?;
        // Not every file system says when.
        let made = metadata.created().ok();
        let made = made.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let made = made.map_or(0, |made| made.as_nanos());
        let mut mac = keyed(secret.bytes());
        mac.update(b"stagex place 1\0");
        mac.update(&rustix::process::geteuid().as_raw().to_le_bytes());
        mac.update(&metadata.ino().to_le_bytes());
        mac.update(&made.to_le_bytes());
        mac.update(path.as_str().as_bytes());
        Ok(Self { key: finish(mac) })
    }

    /// Returns a proof of nothing that was written before.
    pub fn of_nothing() -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(Secret::of_process().bytes());
        Self { key }
    }

    /// Adds a last line to `text`, which ends with the end of a line: the proof of what is above it. `of` says
    /// whose it is: a package, for example.
    pub fn seal(&self, purpose: Purpose, of: &str, text: &str) -> String {
        let sum = printable::hex(&finish(self.over(purpose, of, text.as_bytes())));
        format!("{text}{sum}\n")
    }

    /// Returns what is above the last line, if that is the proof of it.
    pub fn open<'a>(&self, purpose: Purpose, of: &str, text: &'a str) -> Option<&'a str> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body = &text[..=body.len()];
        let mac = self.over(purpose, of, body.as_bytes());
        mac.verify_slice(&bytes(sum)?).ok().map(|()| body)
    }

    /// Returns a key for somebody who proves something themselves.
    pub fn key(&self, purpose: Purpose, of: &str) -> [u8; 32] {
        finish(self.over(purpose, of, b""))
    }

    fn over(&self, purpose: Purpose, of: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        // Where each part ends does not depend on what is in it.
        mac.update(purpose.word().as_bytes());
        mac.update(b"\0");
        mac.update(&(of.len() as u64).to_le_bytes());
        mac.update(of.as_bytes());
        mac.update(bytes);
        mac
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Secret {
    /// Returns a key for something that is no part of a tree, such as `ledger`.
    pub fn key(&self, purpose: &str) -> Key {
        let mut mac = keyed(self.bytes());
        mac.update(b"stagex purpose 1\0");
        mac.update(purpose.as_bytes());
        Key(finish(mac))
    }
}

/// The key of something that is no part of a tree. It proves lines, each of which may follow another.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// The proof of a line.
pub type Sum = [u8; 32];

impl Key {
    /// Returns the line of `text`, which has no end of a line in it, with its proof in front, and that proof. `before`
    /// is that of the line that it follows; zeros where it follows none.
    pub fn seal(&self, before: &Sum, text: &str) -> (String, Sum) {
        let sum = finish(self.over(before, text));
        (format!("{} {text}\n", printable::hex(&sum)), sum)
    }

    /// Returns the text of a line without its end, and its proof, if it is the one that follows `before`.
    pub fn open<'a>(&self, before: &Sum, line: &'a str) -> Option<(&'a str, Sum)> {
        let (digits, text) = line.split_once(' ')?;
        let sum = bytes(digits)?;
        self.over(before, text).verify_slice(&sum).ok()?;
        Some((text, sum))
    }

    fn over(&self, before: &Sum, text: &str) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        mac.update(before);
        mac.update(text.as_bytes());
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key may have any length")
}

fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

/// Reads 64 hex digits, in lower case.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    struct Scene {
        _temporary: tempfile::TempDir,
        place: camino::Utf8PathBuf,
        secret: Secret,
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let place = Utf8Path::from_path(temporary.path()).unwrap().join("place");
            std::fs::create_dir(&place).unwrap();
            Self {
                _temporary: temporary,
                place,
                secret: Secret::of_process(),
            }
        }

        fn proof(&self, place: &Utf8Path) -> Proof {
            Proof::of_place(&self.secret, &Directory::open(place).unwrap()).unwrap()
        }
    }

    const TEXT: &str = "one\ntwo\n";

    #[test]
    fn what_was_written_here_is_believed_as_what_it_is() {
        let scene = Scene::new();
        let proof = scene.proof(&scene.place);
        let sealed = proof.seal(Purpose::Record, "core-a", TEXT);
        let again = scene.proof(&scene.place);
        assert_eq!(again.open(Purpose::Record, "core-a", &sealed), Some(TEXT));
        assert_eq!(again.open(Purpose::Claim, "core-a", &sealed), None);
        assert_eq!(again.open(Purpose::Record, "core-b", &sealed), None);
        assert_eq!(again.open(Purpose::Record, "", &sealed), None);
        let key = |purpose, of| proof.key(purpose, of);
        assert_eq!(
            key(Purpose::Kept, "native"),
            again.key(Purpose::Kept, "native")
        );
        assert_ne!(key(Purpose::Kept, "native"), key(Purpose::Kept, "other"));
        assert_ne!(key(Purpose::Kept, "native"), key(Purpose::Record, "native"));
    }

    #[test]
    fn nothing_of_it_can_be_changed() {
        let scene = Scene::new();
        let proof = scene.proof(&scene.place);
        let sealed = proof.seal(Purpose::Record, "core-a", TEXT);
        for place in 0..sealed.len() {
            for bit in [1, 32] {
                let mut bytes = sealed.clone().into_bytes();
                bytes[place] ^= bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(proof.open(Purpose::Record, "core-a", &changed), None);
            }
            let cut = &sealed[..place];
            assert_eq!(proof.open(Purpose::Record, "core-a", cut), None);
        }
        // The sum without a key, as it was written once.
        let sum = oci_image::Digest::of(TEXT.as_bytes()).hex();
        let old = format!("{TEXT}{sum}\n");
        assert_eq!(proof.open(Purpose::Record, "core-a", &old), None);
    }

    #[test]
    fn of_another_secret_or_place_nothing_is_believed() {
        let mut scene = Scene::new();
        let sealed = scene.proof(&scene.place).seal(Purpose::Outputs, "", TEXT);
        let believed = |scene: &Scene, place: &Utf8Path| {
            let proof = scene.proof(place);
            proof.open(Purpose::Outputs, "", &sealed).is_some()
        };
        assert!(believed(&scene, &scene.place));
        assert!(!believed(&scene, scene.place.parent().unwrap()));
        let (moved, aside) = (scene.place.with_file_name("moved"), scene.place.clone());
        std::fs::rename(&scene.place, &moved).unwrap();
        assert!(!believed(&scene, &moved), "moved");
        std::fs::create_dir(&aside).unwrap();
        assert!(!believed(&scene, &aside), "made anew at the same path");
        std::fs::remove_dir(&aside).unwrap();
        std::fs::rename(&moved, &aside).unwrap();
        assert!(believed(&scene, &aside), "moved back");
        scene.secret = Secret::of_process();
        assert!(!believed(&scene, &aside));
    }

    /// The second test case of RFC 4231.
    #[test]
    fn it_is_an_hmac() {
        let mut mac = keyed(b"Jefe");
        mac.update(b"what do ya want for nothing?");
        assert_eq!(
            printable::hex(&finish(mac)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
