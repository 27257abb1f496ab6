//! People with keys, and a tree that they sign packages of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::engines::{self, example_tree};

/// A person with a directory of GnuPG's own.
pub(crate) struct Person {
    pub(crate) home: tempfile::TempDir,
    pub(crate) fingerprint: String,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        // A short path: its sockets' names are no longer than 108 bytes.
        let home = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .unwrap();
        let mut person = Self {
            home,
            fingerprint: String::new(),
        };
        let user = format!("{name} <{name}@example.org>");
        person.gpg(&["--quick-generate-key", &user, "ed25519", "sign", "0"]);
        person.fingerprint = person.fingerprints().remove(0);
        person
    }

    pub(crate) fn gpg(&self, words: &[&str]) -> Output {
        let mut gpg = Command::new("gpg");
        gpg.args([
            "--batch",
            "--no-tty",
            "--quiet",
            "--passphrase",
            "",
            "--pinentry-mode",
            "loopback",
        ]);
        let ran = gpg
            .args(words)
            .env("GNUPGHOME", self.home.path())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{words:?}: {}", text(&ran.stderr));
        ran
    }

    /// The fingerprints of all keys, that of the first certificate first.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        let listed = text(&self.gpg(&["--with-colons", "--list-keys"]).stdout);
        let lines = listed.lines().filter(|line| line.starts_with("fpr:"));
        lines
            .map(|line| line.split(':').nth(9).unwrap().to_owned())
            .collect()
    }

    /// What gpg says of a signature, and what is signed.
    pub(crate) fn verified(&self, signature: &Path) -> (String, Vec<u8>) {
        let ran = self.gpg(&["--status-fd", "2", "--decrypt", signature.to_str().unwrap()]);
        (text(&ran.stderr), ran.stdout)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let mut gpgconf = Command::new("gpgconf");
        let gpgconf = gpgconf
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.home.path());
        let _ = gpgconf.stderr(Stdio::null()).status();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The example tree as a clone of git, with a state directory beside it.
pub(crate) struct Scene {
    pub(crate) tree: engines::Tree,
    pub(crate) outside: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self {
            tree: example_tree(),
            outside: tempfile::tempdir().unwrap(),
        };
        scene.git(&["init", "-q"]);
        scene.ignore("out\nsignatures\nfetch\n");
        scene.commit();
        scene
    }

    pub(crate) fn path(&self) -> &Path {
        self.tree.path()
    }

    pub(crate) fn ignore(&self, lines: &str) {
        fs::write(self.path().join(".gitignore"), lines).unwrap();
    }

    pub(crate) fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path());
        git.args([
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@y",
            "-c",
            "commit.gpgSign=false",
        ]);
        let ran = git.args(words).output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", text(&ran.stderr));
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    }

    pub(crate) fn command(&self, person: Option<&Person>, words: &[&str]) -> Command {
        self.command_in(self.path(), person, words)
    }

    /// The same in another directory.
    pub(crate) fn command_in(
        &self,
        directory: &Path,
        person: Option<&Person>,
        words: &[&str],
    ) -> Command {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        stagex
            .arg("-C")
            .arg(directory)
            .args(words)
            .env("XDG_STATE_HOME", self.outside.path().join("state"))
            .env("HOME", self.outside.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("STAGEX_OUT")
            .env_remove("STAGEX_GPG")
            .env_remove("STAGEX_GPG_SIGN")
            .stdin(Stdio::null());
        if let Some(person) = person {
            stagex.env("GNUPGHOME", person.home.path());
        }
        stagex
    }

    /// Runs a command, and returns its exit code, the document that it printed, and what it said.
    pub(crate) fn run(&self, person: &Person, words: &[&str]) -> (i32, Value, String) {
        let words = [words, &["--format", "json"]].concat();
        let ran = self.command(Some(person), &words).output().unwrap();
        let document = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        (ran.status.code().unwrap(), document, text(&ran.stderr))
    }

    pub(crate) fn reproduce(&self, words: &[&str]) {
        let words = [&["reproduce", "--runtimes", "native", "--quiet"], words].concat();
        let ran = self.command(None, &words).output().unwrap();
        assert!(ran.status.success(), "{}", text(&ran.stderr));
    }

    /// Signs with a person's key, without asking.
    pub(crate) fn sign(&self, person: &Person, words: &[&str]) -> (i32, Value, String) {
        let words = [&["sign", "--yes", "--key", &person.fingerprint], words].concat();
        self.run(person, &words)
    }

    pub(crate) fn signature(&self, path: &str) -> PathBuf {
        self.path().join("signatures").join(path)
    }
}

/// Returns what came of the only image.
pub(crate) fn only(document: &Value) -> &Value {
    let images = document["images"].as_array().unwrap();
    assert_eq!(images.len(), 1, "{document}");
    &images[0]
}
