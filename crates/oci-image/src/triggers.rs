//! An image without its triggers (`ONBUILD`), for an engine that is told them as instructions.
//!
//! It does not know what a trigger says.

use camino::Utf8Path;
use serde_json::Value;

use crate::layout::{Layout, LayoutError, LayoutWriter};
use crate::manifest::{Descriptor, Index, Manifest};
use crate::media_types::INDEX;

/// What triggers are called in a config; engines read it in any case of letters.
const TRIGGERS: &str = "OnBuild";

impl Layout {
    /// Tells whether an engine carries out instructions of the image first in a build that begins with it.
    pub fn has_triggers(&self) -> bool {
        let config: Value = serde_json::from_slice(self.config()).unwrap_or_default();
        let settings = config.get("config").and_then(Value::as_object);
        settings.is_some_and(|settings| settings.keys().any(|key| is_triggers(key)))
    }

    /// Writes the same image without its triggers to `to`, where nothing is.
    ///
    /// # Errors
    ///
    /// What is read is not what it was, or cannot be written.
    pub fn write_without_triggers(&self, to: &Utf8Path) -> Result<(), LayoutError> {
        let writer = LayoutWriter::new(to)?;
        for layer in self.manifest().layers() {
            writer.share(self, layer)?;
        }
        // It was read before.
        let mut config: Value = serde_json::from_slice(self.config()).unwrap_or_default();
        if let Some(settings) = config.get_mut("config").and_then(Value::as_object_mut) {
            settings.retain(|key, _| !is_triggers(key));
        }
        let config = writer.add(config.to_string().as_bytes())?;
        let own = self.manifest();
        let manifest = Manifest {
            config: Descriptor::new(&own.config.media_type, config),
            ..own.clone()
        };
        let manifest = writer.add(&manifest.to_bytes())?;
        let entry = Descriptor {
            digest: manifest.digest,
            size: manifest.size,
            ..self.manifest_descriptor().clone()
        };
        writer.finish(&Index::of(INDEX, vec![entry]))
    }
}

fn is_triggers(key: &str) -> bool {
    key.eq_ignore_ascii_case(TRIGGERS)
}
