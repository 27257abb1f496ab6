//! Reports of a matrix, each made from its results alone: JSON for programs, `JUnit`'s XML for
//! continuous integration, and for people a page, two pictures, or a table on their terminal.

mod junit;
mod page;
mod picture;
mod state;
mod table;

use std::io;

use beneath::Directory;
use camino::Utf8PathBuf;

pub use table::table;

use self::picture::Theme;
use self::state::State;
use crate::results::Results;

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
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

/// Writes `report.json`, `junit.xml`, `index.html`, `matrix-light.svg` and `matrix-dark.svg` into `directory`.
/// Each file is there whole or not at all, and replaces what has its name.
pub fn write(results: &Results, directory: &Directory) -> Result<(), ReportError> {
    let format = |name: &str| {
        let path = directory.path().join(name);
        move |message: String| ReportError::Format { path, message }
    };
    let put = |name: &str, text: &str| {
        let written = directory.write(name.into(), text.as_bytes());
        written.map_err(|source| {
            let path = directory.path().join(name);
            ReportError::Write { path, source }
        })
    };
    let json = serde_json::to_string_pretty(&results.document());
    let json = json.map_err(|error| format("report.json")(error.to_string()))?;
    put("report.json", &(json + "\n"))?;
    let xml = junit::xml(results);
    let xml = xml.map_err(|error| format("junit.xml")(error.to_string()))?;
    put("junit.xml", &xml)?;
    put("index.html", &page::html(results))?;
    put("matrix-light.svg", &picture::svg(results, Theme::Light))?;
    put("matrix-dark.svg", &picture::svg(results, Theme::Dark))
}
