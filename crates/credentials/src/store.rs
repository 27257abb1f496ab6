//! Where credentials are looked for, and in which order. What a program has said is kept as long as this lives: it may
//! have asked a person.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::Mutex;

use crate::error::Error;
use crate::file::{Asked, File};
use crate::helper::{self, Terms};
use crate::secret::{Credentials, Origin, Secret};

/// Where credentials are looked for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The files; the first that has some for a place decides. One that is not there has none.
    pub files: Vec<Utf8PathBuf>,
    /// The directories of the programs that files name, as PATH lists them. Only those count that are absolute.
    pub programs: String,
    /// The variables that programs see which the files name, beside those that every child sees.
    pub variables: Vec<(String, String)>,
    /// How many bytes a file may have, and the answer of a program.
    pub limit: u64,
    /// How long a program may take, which may ask a person.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            programs: String::new(),
            variables: Vec::new(),
            limit: 1 << 18,
            patience: Duration::from_secs(120),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing.
    None,
    /// Credentials.
    Some(Credentials),
    /// A program may have them, and does not give them.
    Failed {
        /// The program, and the file that names it.
        origin: Origin,
        /// Why not.
        why: String,
    },
}

/// Looks for credentials.
#[derive(Debug)]
pub struct Store {
    config: Config,
    answers: Mutex<Answers>,
}

/// What programs have said of servers.
type Answers = BTreeMap<(String, String), Result<Option<Secret>, String>>;

impl Store {
    /// Makes a store, and reads nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            answers: Mutex::default(),
        }
    }

    /// Looks for the credentials of a `host[:port][/name]`. Those that were `refused` are not taken from what a program
    /// has said before: it is asked again.
    ///
    /// # Errors
    ///
    /// A file is damaged, or cannot be read.
    pub async fn find(&self, place: &str, refused: Option<&Secret>) -> Result<Lookup, Error> {
        let host = place.split('/').next().unwrap_or_default();
        let mut failed = Lookup::None;
        for path in &self.config.files {
            let invalid = |why: String| Error {
                path: path.clone(),
                host: host.to_owned(),
                why,
            };
            let Some(file) = self.read(path).map_err(invalid)? else {
                continue;
            };
            if let Some(asked) = file.helper(host) {
                let origin = Origin {
                    path: path.clone(),
                    helper: Some(helper::program(&asked.name)),
                };
                match self.ask(asked, refused).await {
                    Ok(Some(secret)) => return Ok(Lookup::Some(Credentials { secret, origin })),
                    Err(why) if failed == Lookup::None => failed = Lookup::Failed { origin, why },
                    Ok(None) | Err(_) => {}
                }
            }
            if let Some(secret) = file.entry(place).map_err(invalid)? {
                let origin = Origin {
                    path: path.clone(),
                    helper: None,
                };
                return Ok(Lookup::Some(Credentials { secret, origin }));
            }
        }
        Ok(failed)
    }

    /// Looks for what a user has written for a host, and asks no program.
    ///
    /// # Errors
    ///
    /// A file is damaged, or cannot be read.
    pub fn written(&self, host: &str) -> Result<Option<Credentials>, Error> {
        for path in &self.config.files {
            let found = self.read(path);
            let found = found.and_then(|file| file.map_or(Ok(None), |file| file.entry(host)));
            let found = found.map_err(|why| Error {
                path: path.clone(),
                host: host.to_owned(),
                why,
            })?;
            if let Some(secret) = found {
                let origin = Origin {
                    path: path.clone(),
                    helper: None,
                };
                return Ok(Some(Credentials { secret, origin }));
            }
        }
        Ok(None)
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<File>, String> {
        match beneath::read_text(path, self.config.limit) {
            Ok(text) => File::read(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks a program, unless it has said it before. Whoever asks at the same time waits for its answer.
    async fn ask(&self, asked: Asked, refused: Option<&Secret>) -> Result<Option<Secret>, String> {
        let mut answers = self.answers.lock().await;
        let key = (asked.name, asked.server);
        let known = answers.get(&key);
        let is_refused = |known: &&Result<Option<Secret>, String>| {
            refused.is_some() && matches!(known, Ok(known) if known.as_ref() == refused)
        };
        if let Some(known) = known.filter(|known| !is_refused(known)) {
            return known.clone();
        }
        let terms = Terms {
            programs: &self.config.programs,
            variables: &self.config.variables,
            limit: usize::try_from(self.config.limit).unwrap_or(usize::MAX),
            patience: self.config.patience,
        };
        let answer = helper::ask(&key.0, &key.1, terms).await;
        answers.insert(key, answer.clone());
        answer
    }
}
