//! The canonical image: normaliser, config, manifest, layout.
