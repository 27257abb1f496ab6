//! Why something is no artifact of sources, by the name of what is wrong in it.

use std::io;

/// Why something is no artifact of sources.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It cannot be read.
    #[error("`{0}` in it cannot be read")]
    Read(String, #[source] io::Error),
    /// It is compressed.
    #[error("it is compressed with {0}; decompress it first")]
    Compressed(&'static str),
    /// It is no tar.
    #[error("it is not a tar")]
    NotTar(#[source] io::Error),
    /// It ends before its end.
    #[error("it ends early: the end of the tar is missing")]
    EndsEarly,
    /// Something follows the end of the tar.
    #[error("something follows the end of the tar, at byte {0}")]
    Follows(u64),
    /// It has very many files.
    #[error("it has more than {0} files")]
    TooMany(usize),
    /// A name in it is not that of a file.
    #[error("`{0}` in it is {1}, and only regular files are taken")]
    NotRegular(String, &'static str),
    /// A file that must be there is not.
    #[error("`{0}` is missing in it")]
    Missing(String),
    /// Nothing names a file.
    #[error("no layer names `{0}` in it")]
    Unnamed(String),
    /// A file is there twice.
    #[error("`{0}` is in it twice")]
    Twice(String),
    /// Layers are not sorted.
    #[error("its layers are not sorted by their SHA-256: {0} comes too late")]
    Order(String),
    /// A document is no JSON, or has other fields.
    #[error("`{0}` in it cannot be understood")]
    Json(String, #[source] serde_json::Error),
    /// A field has another value.
    #[error("`{document}` in it has the {field} `{found}` instead of `{expected}`")]
    Differs {
        /// The document.
        document: String,
        /// The field.
        field: &'static str,
        /// What it has.
        found: String,
        /// What it must have.
        expected: &'static str,
    },
    /// Its index does not point to one manifest.
    #[error("its index points to {0} manifests instead of one")]
    Manifests(usize),
    /// The configuration is not the empty one.
    #[error("its config is sha256 {0} instead of the empty one")]
    Config(String),
    /// A digest is none.
    #[error("`{0}` in it is not a digest: expected sha256: and 64 lower-case hex digits")]
    Digest(String),
    /// A file is said to be too large.
    #[error("`{name}` in it is said to have {bytes} bytes, and at most {largest} are taken")]
    TooLarge {
        /// The file.
        name: String,
        /// How many bytes it is said to have.
        bytes: u64,
        /// How many it may have.
        largest: u64,
    },
    /// A file has another number of bytes.
    #[error("`{name}` in it has {found} bytes instead of {expected}")]
    Size {
        /// The file.
        name: String,
        /// How many it has.
        found: u64,
        /// How many its manifest says.
        expected: u64,
    },
    /// A file has another hash than its name says.
    #[error("`{name}` in it has other contents: its sha256 is {found}")]
    Hash {
        /// The file.
        name: String,
        /// Its hash.
        found: String,
    },
}
