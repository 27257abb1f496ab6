//! `stagex clean`: removes what was made.

use engine::{Clean, Folders};
use serde_json::json;

use super::interruption;
use crate::arguments::{self, Format, Global, Progress};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

pub(super) fn run(global: &Global, arguments: &arguments::Clean) -> Result<Exit, Failure> {
    // What is removed had better be a tree's.
    super::tree::open(global)?;
    let folders = Folders::of_tree(&global.directory);
    let what = if arguments.logs {
        Clean::Logs
    } else {
        Clean::Everything
    };
    let listener = render::listener(global, Progress::Plain);
    let cleaned = super::block_on(async {
        let mut interrupted = interruption::watch();
        let cleaning = engine::clean(folders, what, listener);
        let cleaned = interruption::unless(&mut interrupted, cleaning).await?;
        cleaned.map_err(|error| super::make::failure(&error))
    })??;
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
    Ok(Exit::Success)
}
