//! What a base's config hands on to the Containerfile that begins with it.
//!
//! It does not know what the Containerfile does with it.

use containerfile::ImageFacts;

use super::ConfigError;
use super::document::Document;

/// Returns what an image's config says to a stage that begins with the image.
pub fn image_facts(config: &[u8]) -> Result<ImageFacts, ConfigError> {
    let document: Document = serde_json::from_slice(config)?;
    let config = document.config;
    Ok(ImageFacts {
        environment: config
            .env
            .iter()
            .map(|variable| {
                let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                (name.to_owned(), value.to_owned())
            })
            .collect(),
        working_directory: config.working_dir,
        user: config.user,
        shell: config.shell,
        triggers: config.on_build,
    })
}
