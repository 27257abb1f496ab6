//! `stagex clean`: removes what was made.

use engine::{Clean, Cleaned, Folders};
use serde_json::json;

use super::interruption;
use crate::arguments::{self, Format, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{self, Show};

pub(super) fn run(global: &Global, arguments: &arguments::Clean) -> Result<Exit, Failure> {
    // What is removed had better be a tree's.
    super::tree::open(global)?;
    let what = if arguments.logs {
        Clean::Logs
    } else {
        Clean::Everything
    };
    print(global, remove(global, what)?);
    Ok(Exit::Success)
}

/// Removes what was made in the tree that is worked on.
pub(super) fn remove(global: &Global, what: Clean) -> Result<Cleaned, Failure> {
    let folders = Folders::of_tree(&global.directory);
    let listener = render::listener(global, Show::default());
    super::block_on(async {
        let mut interrupted = interruption::watch();
        let cleaning = engine::clean(folders, what, listener);
        let cleaned = interruption::unless(&mut interrupted, cleaning).await?;
        cleaned.map_err(|error| super::make::failure(&error))
    })?
}

/// Prints what was removed.
pub(super) fn print(global: &Global, cleaned: Cleaned) {
    match global.format {
        Format::Json => {
            let (files, bytes) = (cleaned.files, cleaned.bytes);
            render::json(&json!({ "version": 1, "files": files, "bytes": bytes }));
        }
        Format::Human => {
            let size = indicatif::HumanBytes(cleaned.bytes);
            render::result(&format!("removed {} files, {size}", cleaned.files));
        }
    }
}
