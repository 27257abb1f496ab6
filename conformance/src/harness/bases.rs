//! The images that inputs begin with: packages of the suite's `support/`, built once.

use std::io;
use std::sync::Arc;

use camino::Utf8PathBuf;
use oci_image::Digest;

use crate::bench::{Bench, Site};
use crate::column::Column;
use crate::suite::{Subject, Suite};

/// The column that builds them, if it is there.
const FIRST: &str = "native";

/// An image that inputs begin with.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Its name in a Containerfile.
    pub(crate) name: String,
    /// The directory of its layout.
    pub(crate) layout: Utf8PathBuf,
    /// Its digest.
    pub(crate) digest: Digest,
}

/// The bases cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum NotPrepared {
    /// No column is ready.
    #[error("no runtime is ready")]
    NoColumn,
    /// One could not be built.
    #[error("cannot build the base image {name}: {why}")]
    Base {
        /// Its name.
        name: String,
        /// What happened.
        why: String,
    },
    /// The suite lacks what all builds need.
    #[error("{0}")]
    Absent(String),
    /// A directory cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Puts the columns in an order in which the one comes first that all others are compared with.
pub(crate) fn order(columns: &mut [Column]) {
    columns.sort_by_key(|column| column.label.as_str() != FIRST);
}

/// Builds the bases with the first column that is ready, in a directory of the site.
pub(crate) fn prepare(
    suite: &Suite,
    columns: &[Column],
    site: &Site,
) -> Result<Vec<Base>, NotPrepared> {
    if let Some(why) = suite.absence() {
        return Err(NotPrepared::Absent(why));
    }
    let mut suite = suite.clone();
    suite.subjects.clear();
    let suite = Arc::new(suite);
    let site = Site {
        directory: site.directory.join("bases"),
        ..site.clone()
    };
    let mut benches = columns
        .iter()
        .filter_map(|column| Bench::new(column, &suite, &site));
    let bench = benches.next().ok_or(NotPrepared::NoColumn)?;
    let base = |name: &&str| {
        let output = format!("support-{name}");
        let subject = Subject {
            name: output.clone(),
            property: String::new(),
            output: output.clone(),
            has_seeds: false,
        };
        let digest = bench.digest(&subject);
        let images = digest.and_then(|digest| Ok((digest, bench.images(&output)?)));
        let (digest, images) = images.map_err(|why| NotPrepared::Base {
            name: (*name).to_owned(),
            why,
        })?;
        Ok(Base {
            name: (*name).to_owned(),
            layout: images.first().directory().to_owned(),
            digest,
        })
    };
    generate::BASES.iter().map(base).collect()
}
