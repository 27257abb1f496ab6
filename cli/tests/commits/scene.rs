//! A repository of git, and people who sign its commits with a real gpg and a real ssh-keygen.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::schema::compared;
use crate::signing::{Person, text};

/// The files of a commit, and what is in them.
pub(super) type Files<'a> = &'a [(&'a str, &'a str)];

/// A repository, three people who sign its commits, and a builder. The policy has Ann, Ben and the builder.
pub(super) struct Scene {
    repository: tempfile::TempDir,
    pub(super) outside: tempfile::TempDir,
    pub(super) ann: Person,
    pub(super) ben: Person,
    pub(super) mallory: Person,
    pub(super) builder: Person,
}

/// Who signs a commit.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    Nobody,
    Gpg(&'a Person),
    /// The person whose SSH key is called so.
    Ssh(&'a str),
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::of("sha1")
    }

    pub(super) fn of(hash: &str) -> Self {
        let scene = Self {
            repository: tempfile::tempdir().unwrap(),
            outside: tempfile::tempdir().unwrap(),
            ann: Person::new("ann"),
            ben: Person::new("ben"),
            mallory: Person::new("mallory"),
            builder: Person::new("builder"),
        };
        scene.git(&["init", "-q", "--object-format", hash], b"");
        for name in ["ann", "ben", "mallory"] {
            let mut keygen = Command::new("ssh-keygen");
            let keygen = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]);
            assert!(keygen.arg(scene.place(name)).status().unwrap().success());
        }
        scene.believe("");
        scene
    }

    /// Writes the policy and the keyring. `more` is another certificate of Ann's.
    pub(super) fn believe(&self, more: &str) {
        let all = [&self.ann, &self.ben, &self.mallory, &self.builder];
        let keyring = all.map(|person| person.gpg(&["--export"]).stdout).concat();
        fs::write(self.place("keys.pgp"), keyring).unwrap();
        fs::write(self.place("policy.toml"), self.policy(more)).unwrap();
    }

    pub(super) fn policy(&self, more: &str) -> String {
        let [ann, ben] = ["ann.pub", "ben.pub"].map(|name| {
            let line = fs::read_to_string(self.place(name)).unwrap();
            line.trim().to_owned()
        });
        let [one, other, builder] =
            [&self.ann, &self.ben, &self.builder].map(|person| &person.fingerprint);
        format!(
            "[[people]]\nname = \"Ann\"\ncertificates = [\"{one}\"{more}]\nssh = [\"{ann}\"]\n\
             [[people]]\nname = \"Ben\"\ncertificates = [\"{other}\"]\nssh = [\"{ben}\"]\n\
             [[people]]\nname = \"the builder\"\ncertificates = [\"{builder}\"]\nmachine = true\n"
        )
    }

    pub(super) fn path(&self) -> &Path {
        self.repository.path()
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    pub(super) fn git(&self, words: &[&str], input: &[u8]) -> String {
        self.git_with(words, input, &[])
    }

    pub(super) fn git_with(
        &self,
        words: &[&str],
        input: &[u8],
        variables: &[(&str, &Path)],
    ) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path()).args(words);
        git.env("HOME", self.outside.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_INDEX_FILE", self.path().join(".git/of-the-test"));
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "x")
                .env(format!("GIT_{who}_EMAIL"), "x@y");
        }
        git.envs(variables.iter().copied());
        git.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = git.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", text(&ran.stderr));
        text(&ran.stdout).trim().to_owned()
    }

    pub(super) fn tree(&self, files: Files<'_>) -> String {
        let mut index = String::new();
        for (path, contents) in files {
            let blob = self.git(&["hash-object", "-w", "--stdin"], contents.as_bytes());
            writeln!(index, "100644 {blob}\t{path}").unwrap();
        }
        self.git(&["read-tree", "--empty"], b"");
        self.git(&["update-index", "--index-info"], index.as_bytes());
        self.git(&["write-tree"], b"")
    }

    /// Makes a commit, and returns its name.
    pub(super) fn commit(&self, by: By<'_>, parents: &[&str], files: Files<'_>) -> String {
        self.commit_of(by, parents, files, "A subject\n")
    }

    pub(super) fn commit_of(
        &self,
        by: By<'_>,
        parents: &[&str],
        files: Files<'_>,
        message: &str,
    ) -> String {
        let tree = self.tree(files);
        let (key, format, home) = match by {
            By::Nobody => (None, "openpgp", self.outside.path()),
            By::Gpg(person) => (
                Some(person.fingerprint.clone()),
                "openpgp",
                person.home.path(),
            ),
            By::Ssh(name) => {
                let key = self.place(name).to_str().unwrap().to_owned();
                (Some(key), "ssh", self.outside.path())
            }
        };
        let format = format!("gpg.format={format}");
        let mut words = vec!["-c", &format, "commit-tree"];
        let key = key.map(|key| format!("-S{key}"));
        words.extend(key.as_deref());
        for parent in parents {
            words.extend(["-p", parent]);
        }
        words.push(&tree);
        self.git_with(&words, message.as_bytes(), &[("GNUPGHOME", home)])
    }

    /// Verifies a range. Returns the exit code, the document, and what was said.
    pub(super) fn verify(&self, range: &str) -> (i32, Value, String) {
        self.verify_in(self.path(), range)
    }

    pub(super) fn verify_in(&self, directory: &Path, range: &str) -> (i32, Value, String) {
        let [policy, keyring] = ["policy.toml", "keys.pgp"].map(|name| self.place(name));
        let words = [
            "verify",
            "--history",
            range,
            "--policy",
            policy.to_str().unwrap(),
            "--keyring",
            keyring.to_str().unwrap(),
            "--format",
            "json",
        ];
        let ran = self.stagex(directory, &words);
        let document = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        let code = ran.status.code().unwrap();
        if matches!(code, 0 | 8) {
            compared("history", &document).unwrap();
        }
        (code, document, text(&ran.stderr))
    }

    pub(super) fn stagex(&self, directory: &Path, words: &[&str]) -> std::process::Output {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        stagex.arg("-C").arg(directory).args(words);
        stagex
            .env("XDG_STATE_HOME", self.outside.path().join("state"))
            .env("HOME", self.outside.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null());
        stagex.output().unwrap()
    }

    /// Writes a commit as it is, and returns its name.
    pub(super) fn raw(&self, bytes: &[u8]) -> String {
        let words = [
            "hash-object",
            "-t",
            "commit",
            "-w",
            "--literally",
            "--stdin",
        ];
        self.git(&words, bytes)
    }

    pub(super) fn read(&self, commit: &str) -> String {
        self.git(&["cat-file", "commit", commit], b"") + "\n"
    }
}
