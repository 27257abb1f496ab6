//! A tree that is released, two people of a policy, and how the program says what is to do.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::engines::expect;
use crate::schema::printed;
use crate::server::{Server, file};
use crate::signing::{Person, text};

/// What the only source has.
const SOURCE: &[u8] = b"a source\n";

/// A tree of one package with a source, two people of a policy and somebody else.
pub(super) struct Scene {
    pub(super) tree: tempfile::TempDir,
    pub(super) user: tempfile::TempDir,
    pub(super) server: Server,
    pub(super) ann: Person,
    pub(super) ben: Person,
    pub(super) mallory: Person,
}

/// What a run of the program left.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) document: Value,
    pub(super) stderr: String,
}

impl Ran {
    /// Returns a step of the release.
    pub(super) fn step(&self, name: &str) -> &Value {
        let steps = self.document["steps"].as_array().into_iter().flatten();
        let mut steps = steps.filter(|step| step["step"] == name);
        steps.next().unwrap_or(&Value::Null)
    }

    /// Fails unless this step is the first that is not done, for this reason and with this code.
    pub(super) fn stops(&self, name: &str, code: i32, by: &str, why: &str) -> Result<(), Failed> {
        let told = format!(
            "{name}, {why}: {} {} {}",
            self.code, self.document, self.stderr
        );
        let steps = self.document["steps"].as_array().ok_or(told.as_str())?;
        let states = steps.iter().map(|step| step["state"].as_str().unwrap());
        let open = states.clone().position(|state| state != "done");
        let behind = states.skip(open.unwrap_or_default() + 1);
        let found = open.map(|open| &steps[open]).ok_or(told.as_str())?;
        expect(found["step"] == name && found["state"] == "to-do", &told)?;
        expect(found["by"] == by && found.to_string().contains(why), &told)?;
        expect(
            behind.into_iter().all(|state| state == "not-looked-at"),
            &told,
        )?;
        expect(
            self.code == code && self.document["complete"] == false,
            &told,
        )
    }

    pub(super) fn is_done(&self, name: &str) -> Result<(), Failed> {
        let told = format!("{name}: {} {}", self.document, self.stderr);
        expect(self.step(name)["state"] == "done", &told)
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        let scene = Self {
            tree: tempfile::tempdir_in("/var/tmp").unwrap(),
            user: tempfile::tempdir().unwrap(),
            server: Server::start(),
            ann: Person::new("ann"),
            ben: Person::new("ben"),
            mallory: Person::new("mallory"),
        };
        let hash = printable::hex(&Sha256::digest(SOURCE));
        let url = scene
            .server
            .on("/x", [file(SOURCE, ""), file(SOURCE, ""), file(SOURCE, "")]);
        scene.write(
            "packages/core/a/package.toml",
            &format!(
                "[package]\nname = \"a\"\nversion = \"1\"\n[sources.main]\nhash = \"{hash}\"\nfile = \"x\"\n\
                 mirrors = [\"{url}\"]\n"
            ),
        );
        scene.write(
            "packages/core/a/Containerfile",
            "FROM scratch\nCOPY fetch/x /x\n",
        );
        scene.write(".gitignore", "/out\n/fetch\n/signatures\n");
        scene
    }

    pub(super) fn write(&self, path: &str, contents: &str) {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.user.path().join(name)
    }

    /// Writes a policy of two people into the user's settings.
    pub(super) fn believe(&self, more: &str) {
        let all = [&self.ann, &self.ben, &self.mallory];
        let keyring = all.map(|person| person.gpg(&["--export"]).stdout).concat();
        fs::write(self.place("keys.pgp"), keyring).unwrap();
        let person = |name: &str, person: &Person| {
            let fingerprint = &person.fingerprint;
            format!("[[people]]\nname = \"{name}\"\ncertificates = [\"{fingerprint}\"]\n")
        };
        let policy = format!(
            "{more}\n{}{}",
            person("Ann", &self.ann),
            person("Ben", &self.ben)
        );
        fs::write(self.place("policy.toml"), policy).unwrap();
        let settings = self.place("configuration/stagex");
        fs::create_dir_all(&settings).unwrap();
        let [policy, keyring] = ["policy.toml", "keys.pgp"].map(|name| self.place(name));
        let (policy, keyring) = (policy.display(), keyring.display());
        let text = format!("[trust]\npolicy = \"{policy}\"\nkeyring = \"{keyring}\"\n");
        fs::write(settings.join("stagex.toml"), text).unwrap();
    }

    /// Prepares a program for a person, or for nobody in particular.
    pub(super) fn command(&self, program: &str, by: Option<&Person>) -> Command {
        let mut command = Command::new(program);
        let home = self.user.path();
        command.env("HOME", home).current_dir(home);
        for (name, place) in [
            ("XDG_CONFIG_HOME", "configuration"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(name, self.place(place));
        }
        for name in [
            "STAGEX_OUT",
            "STAGEX_OFFLINE",
            "STAGEX_GPG",
            "STAGEX_GPG_SIGN",
            "GNUPGHOME",
        ] {
            command.env_remove(name);
        }
        command
            .env("STAGEX_RUNTIME", "native")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let mut settings = vec![
            ("user.name", "x"),
            ("user.email", "x@y"),
            ("core.editor", "false"),
        ];
        if let Some(person) = by {
            settings.push(("user.signingkey", &person.fingerprint));
            command.env("GNUPGHOME", person.home.path());
        }
        let lines = settings.iter().map(|(name, value)| {
            let (section, name) = name.split_once('.').unwrap();
            format!("[{section}]\n{name} = {value}\n")
        });
        // Only the user's own configuration says who signs.
        fs::write(self.place(".gitconfig"), lines.collect::<String>()).unwrap();
        command
    }

    pub(super) fn git(&self, by: Option<&Person>, words: &[&str]) -> String {
        let mut git = self.command("git", by);
        let ran = git
            .arg("-C")
            .arg(self.tree.path())
            .args(words)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{words:?}: {}", text(&ran.stderr));
        text(&ran.stdout).trim().to_owned()
    }

    /// Commits everything that has changed, signed by a person.
    pub(super) fn commit(&self, by: &Person, message: &str) {
        self.git(None, &["add", "--all"]);
        self.git(
            Some(by),
            &["commit", "-q", "--allow-empty", "-S", "-m", message],
        );
    }

    /// Commits a change of the package on a branch of one person, and merges it by another into what is checked out.
    pub(super) fn change(&self, by: &Person, merger: &Person) {
        let path = self.tree.path().join("packages/core/a/Containerfile");
        let before = fs::read_to_string(path).unwrap();
        self.git(None, &["checkout", "-q", "-b", "change"]);
        self.write(
            "packages/core/a/Containerfile",
            &format!("# changed\n{before}"),
        );
        self.commit(by, "core/a: a change");
        self.git(None, &["checkout", "-q", "-"]);
        self.merge(merger, "change");
        self.git(None, &["branch", "-q", "-D", "change"]);
    }

    pub(super) fn merge(&self, by: &Person, branch: &str) {
        self.git(
            Some(by),
            &["merge", "-q", "--no-ff", "-S", "-m", "merge", branch],
        );
    }

    pub(super) fn tag(&self, by: &Person, name: &str) {
        self.git(Some(by), &["tag", "-s", "-m", "release", name]);
    }

    pub(super) fn stagex(&self, by: Option<&Person>, words: &[&str]) -> Output {
        let mut stagex = self.command(env!("CARGO_BIN_EXE_stagex"), by);
        stagex
            .arg("-C")
            .arg(self.tree.path())
            .args(words)
            .output()
            .unwrap()
    }

    pub(super) fn release(&self, words: &[&str]) -> Ran {
        let ran = self.stagex(None, &[&["release", "--format", "json"], words].concat());
        let stdout = text(&ran.stdout);
        let document = match &stdout[..] {
            "" => Value::Null,
            stdout => printed("release", stdout),
        };
        Ran {
            code: ran.status.code().unwrap(),
            document,
            stderr: text(&ran.stderr),
        }
    }

    /// Runs the commands of a step as they are printed, for a person.
    pub(super) fn obey(&self, by: &Person, step: &Value, more: &[&str]) {
        for words in step["commands"].as_array().unwrap() {
            let words: Vec<&str> = words
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            if words.contains(&"push") {
                continue;
            }
            let program = match words[0] {
                "stagex" => env!("CARGO_BIN_EXE_stagex"),
                other => other,
            };
            let more = if words.contains(&"sign") { more } else { &[] };
            let ran = self
                .command(program, Some(by))
                .args(&words[1..])
                .args(more)
                .output()
                .unwrap();
            let is_asking = words.contains(&"verify") || words.contains(&"status");
            assert!(
                ran.status.success() || is_asking,
                "{words:?}: {}",
                text(&ran.stderr)
            );
        }
    }
}
