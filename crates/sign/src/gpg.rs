//! GnuPG: finding a key, and signing with it and with no other.

use process::{Finished, Invocation, find};

use crate::error::Error;
use crate::keys::{Signer, created, messages, signing_key, weak_hash};

/// What the programs are called unless the user says otherwise.
const PROGRAM: &str = "gpg";

/// The programs that list keys and that sign, as the user names them.
#[derive(Debug, Clone)]
pub struct Gpg {
    list: Vec<String>,
    sign: Vec<String>,
    /// What it needs of the caller's environment: where keys are, and where a PIN is asked for.
    variables: Vec<(String, String)>,
}

/// What GnuPG signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signature: a signed message, or a detached one.
    pub bytes: Vec<u8>,
    /// The fingerprint of the key that signed, which can be a subkey of the certificate.
    pub key: String,
}

impl Gpg {
    /// Takes the programs that `list` keys and that `sign`, each with options behind it as StageX's scripts have them;
    /// and what they need of the caller's environment.
    pub fn new(
        list: Option<&str>,
        sign: Option<&str>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let list: Vec<String> = words(list.unwrap_or(PROGRAM));
        Self {
            sign: sign.map_or_else(|| list.clone(), words),
            list,
            variables: variables.into_iter().collect(),
        }
    }

    /// Finds the one certificate that `key` means, which can sign.
    ///
    /// # Errors
    ///
    /// It means none or several, or none that can sign.
    pub async fn key(&self, key: &str) -> Result<Signer, Error> {
        let asked = key.strip_suffix('!').unwrap_or(key);
        let words = ["--with-colons", "--list-keys", "--", asked];
        let ran = self.run(&self.list, &words, Vec::new()).await?;
        // It fails as well where it knows no such key.
        if !ran.succeeded() && !ran.stderr.contains("No public key") {
            let message = messages(&ran.stderr);
            return Err(Error::Failed { message });
        }
        signing_key(&ran.stdout_text(), key)
    }

    /// Returns the certificate of a key, as OpenPGP's binary form has it.
    ///
    /// # Errors
    ///
    /// GnuPG does not give it.
    pub async fn certificate(&self, key: &Signer) -> Result<Vec<u8>, Error> {
        let words = ["--export", "--", &key.certificate];
        let ran = self.run(&self.list, &words, Vec::new()).await?;
        if !ran.succeeded() || ran.stdout.is_empty() {
            let message = messages(&ran.stderr);
            return Err(Error::Failed { message });
        }
        Ok(ran.stdout)
    }

    /// Signs: the result is a signed message that holds `bytes`, as a signature of StageX does.
    ///
    /// # Errors
    ///
    /// GnuPG does not sign, or with something else than `key`.
    pub async fn sign(&self, key: &Signer, bytes: &[u8]) -> Result<Signed, Error> {
        self.make(key, &["--compress-algo", "none", "--sign"], bytes)
            .await
    }

    /// Signs: the result is a signature of `bytes`, without them.
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign).
    pub async fn detach(&self, key: &Signer, bytes: &[u8]) -> Result<Signed, Error> {
        self.make(key, &["--detach-sign"], bytes).await
    }

    async fn make(&self, key: &Signer, how: &[&str], bytes: &[u8]) -> Result<Signed, Error> {
        let user = key.local_user();
        let first = ["--status-fd", "2", "--no-armor", "--local-user", &user];
        let words = [&first, how].concat();
        let ran = self.run(&self.sign, &words, bytes.to_vec()).await?;
        let failed = || Error::Failed {
            message: messages(&ran.stderr),
        };
        if !ran.succeeded() || ran.stdout.is_empty() {
            return Err(failed());
        }
        let created = created(&ran.stderr).ok_or_else(failed)?;
        if !key.is_of(&created.key) {
            return Err(Error::OtherKey {
                found: created.key,
                expected: user,
            });
        }
        if let Some(name) = weak_hash(&created.hash) {
            return Err(Error::WeakHash(name));
        }
        Ok(Signed {
            key: created.key,
            bytes: ran.stdout,
        })
    }

    /// Runs a program. It may take as long as it likes: somebody looks for a card.
    async fn run(
        &self,
        program: &[String],
        words: &[&str],
        input: Vec<u8>,
    ) -> Result<Finished, Error> {
        let (name, first) = program
            .split_first()
            .map_or((PROGRAM, &[][..]), |(name, rest)| (name.as_str(), rest));
        let found = find(name.into()).map_err(|source| Error::Missing {
            program: name.to_owned(),
            source,
        })?;
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        let invocation = Invocation::new(&found)
            .variables(variables)
            .arguments(first)
            .arguments(["--batch", "--no-tty"])
            .arguments(words)
            .input(input);
        invocation.run().await.map_err(Error::Run)
    }
}
