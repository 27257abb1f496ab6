//! An input as it lies in a directory: `ctx/` with its Containerfile, directories of other contexts, and `args` with
//! what a command line says beside them, one word a line. So people can change it and have it built again.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// What a command line says beside the context.
const ARGUMENTS: &str = "args";
/// The Containerfile.
const CONTAINERFILE: &str = "Containerfile";

/// An input in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Laid {
    /// The directory.
    pub(crate) directory: Utf8PathBuf,
    /// The Containerfile in its context.
    pub(crate) file: Utf8PathBuf,
    /// The build arguments.
    pub(crate) arguments: Vec<(String, String)>,
    /// The stage to build.
    pub(crate) target: Option<String>,
    /// The other contexts: names, and directories in the input's.
    pub(crate) contexts: Vec<(String, Utf8PathBuf)>,
}

impl Laid {
    /// Reads an input. One whose Containerfile stands beside its context is put in order first, so the directory must
    /// be a copy.
    pub(crate) fn read(directory: &Utf8Path) -> io::Result<Self> {
        let context = directory.join(generate::CONTEXT);
        fs::create_dir_all(&context)?;
        let beside = directory.join(CONTAINERFILE);
        if beside.exists() {
            fs::rename(&beside, context.join(CONTAINERFILE))?;
        }
        let mut laid = Self {
            directory: directory.to_owned(),
            file: CONTAINERFILE.into(),
            arguments: Vec::new(),
            target: None,
            contexts: Vec::new(),
        };
        if directory.join(generate::OTHER).exists() {
            let other = generate::OTHER;
            laid.contexts.push((other.to_owned(), other.into()));
        }
        let words = directory.join(ARGUMENTS);
        if words.exists() {
            let text = beneath::read_text(&words, beneath::TEXT)?;
            let mut words = text.lines();
            while let Some(option) = words.next() {
                let value = words.next().unwrap_or_default();
                laid.take(option, value).ok_or_else(|| {
                    let message = format!("`{option} {value}` in {ARGUMENTS} is not understood");
                    io::Error::other(message)
                })?;
            }
        }
        Ok(laid)
    }

    fn take(&mut self, option: &str, value: &str) -> Option<()> {
        let pair = || value.split_once('=');
        match option {
            "--build-arg" => {
                let (name, value) = pair()?;
                self.arguments.push((name.to_owned(), value.to_owned()));
            }
            "--target" => self.target = Some(value.to_owned()),
            "--file" => {
                self.file = value.into();
            }
            "--build-context" => {
                let (name, directory) = pair()?;
                self.contexts.retain(|(known, _)| known != name);
                self.contexts.push((name.to_owned(), directory.into()));
            }
            _ => return None,
        }
        Some(())
    }

    /// Returns the directory that COPY and ADD read.
    pub(crate) fn context(&self) -> Utf8PathBuf {
        self.directory.join(generate::CONTEXT)
    }
}
