//! A real gpg with a home directory of its own, which makes keys and signatures at any time.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use trust::Fingerprint;

/// A gpg with a home directory of its own. Its agent ends with it.
pub(crate) struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    pub(crate) fn new() -> Self {
        // The path of an agent's socket must be short.
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in("/tmp")
            .unwrap();
        Self { home }
    }

    fn home(&self) -> &Utf8Path {
        Utf8Path::from_path(self.home.path()).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C");
        command
            .env("GNUPGHOME", self.home())
            .env("HOME", self.home());
        command
    }

    /// Runs gpg at a time, such as `20260101T000000`.
    pub(crate) fn run(&self, time: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command("gpg");
        // The time is that of all of it: with `!` it stands still.
        command.args(["--faked-system-time", &format!("{time}!")]);
        command.args(["--no-tty", "--yes", "--quiet", "--ignore-time-conflict"]);
        command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
        if !arguments.contains(&"--command-fd") {
            command.arg("--batch");
        }
        command.args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("gpg is needed: apt-get install gnupg");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {said}");
        output.stdout
    }

    /// Makes a certificate whose primary key has this use, and returns its fingerprint.
    pub(crate) fn key(&self, time: &str, user: &str, usage: &str, expires: &str) -> Fingerprint {
        let algorithm = "ed25519";
        self.run(
            time,
            &["--quick-generate-key", user, algorithm, usage, expires],
            b"",
        );
        self.fingerprints(time, user).swap_remove(0)
    }

    /// Adds a subkey that may sign, and returns its fingerprint.
    pub(crate) fn subkey(&self, time: &str, of: &Fingerprint) -> Fingerprint {
        self.run(
            time,
            &["--quick-add-key", of.as_str(), "ed25519", "sign", "never"],
            b"",
        );
        self.fingerprints(time, of.as_str()).pop().unwrap()
    }

    /// Returns the fingerprints of a certificate and its subkeys.
    pub(crate) fn fingerprints(&self, time: &str, user: &str) -> Vec<Fingerprint> {
        let list = self.run(time, &["--with-colons", "--list-keys", user], b"");
        let list = String::from_utf8(list).unwrap();
        let lines = list.lines().filter(|line| line.starts_with("fpr:"));
        lines
            .map(|line| line.split(':').nth(9).unwrap().parse().unwrap())
            .collect()
    }

    pub(crate) fn export(&self, time: &str, of: &Fingerprint) -> Vec<u8> {
        self.run(time, &["--export", of.as_str()], b"")
    }

    pub(crate) fn import(&self, time: &str, bytes: &[u8]) {
        self.run(time, &["--import"], bytes);
    }

    /// Signs as `sign.sh` does, with the key that is named.
    pub(crate) fn sign(
        &self,
        time: &str,
        key: &Fingerprint,
        more: &[&str],
        bytes: &[u8],
    ) -> Vec<u8> {
        let key = format!("{key}!");
        let usual = ["--local-user", &key, "--sign", "--no-armor"];
        self.run(time, &[more, &usual].concat(), bytes)
    }

    /// Returns the revocation for which gpg gives no reason, made with the key.
    pub(crate) fn revocation_without_reason(&self, of: &Fingerprint) -> Vec<u8> {
        let path = self.home().join(format!("openpgp-revocs.d/{of}.rev"));
        let text = std::fs::read_to_string(path).unwrap();
        text.replace(":-----BEGIN", "-----BEGIN").into_bytes()
    }

    /// Makes a revocation for a reason: 1 is that the key is compromised, 2 that it is superseded, 3 that it is no
    /// longer used.
    pub(crate) fn revocation(&self, time: &str, of: &Fingerprint, reason: u8) -> Vec<u8> {
        let answers = format!("y\n{reason}\n\ny\n");
        let arguments = ["--command-fd", "0", "--gen-revoke", of.as_str()];
        self.run(time, &arguments, answers.as_bytes())
    }

    /// Returns the certificate with a revocation in it. Whoever has this home knows nothing of it.
    pub(crate) fn revoked(&self, time: &str, of: &Fingerprint, revocation: &[u8]) -> Vec<u8> {
        let other = Self::new();
        other.import(time, &self.export(time, of));
        other.import(time, revocation);
        other.export(time, of)
    }

    /// Writes a file for gpg to sign.
    pub(crate) fn file(&self, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.home().join("payload");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut command = self.command("gpgconf");
        command
            .args(["--kill", "all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // It ends with its directory anyway; a test does not fail for that.
        let _ = command.status();
    }
}
