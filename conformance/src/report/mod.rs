//! Reports of a matrix, each made from its results alone: JSON for programs, `JUnit`'s XML for
//! continuous integration, and for people one page, or a table on their terminal.

mod junit;
mod page;
mod state;
mod table;

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

pub use table::table;

use self::state::State;
use crate::results::Results;

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The results cannot be written in a report's format.
    #[error("cannot write {path}: {message}")]
    Format {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        message: String,
    },
}

/// Writes `report.json`, `junit.xml` and `index.html` into `folder`, which is made if it is not
/// there. Each file is there whole or not at all.
pub fn write(results: &Results, folder: &Utf8Path) -> Result<(), ReportError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let format = |name: &str| {
        let path = folder.join(name);
        move |message: String| ReportError::Format { path, message }
    };
    let json = serde_json::to_string_pretty(results);
    let json = json.map_err(|error| format("report.json")(error.to_string()))?;
    put(&folder.join("report.json"), &(json + "\n"))?;
    let xml = junit::xml(results);
    let xml = xml.map_err(|error| format("junit.xml")(error.to_string()))?;
    put(&folder.join("junit.xml"), &xml)?;
    put(&folder.join("index.html"), &page::html(results))
}

fn put(path: &Utf8Path, text: &str) -> Result<(), ReportError> {
    let beside = Utf8PathBuf::from(format!("{path}.new"));
    fs::write(&beside, text).map_err(at(&beside))?;
    fs::rename(&beside, path).map_err(at(path))
}

fn at(path: &Utf8Path) -> impl FnOnce(io::Error) -> ReportError {
    let path = path.to_owned();
    move |source| ReportError::Write { path, source }
}
