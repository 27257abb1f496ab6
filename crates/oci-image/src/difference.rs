//! Where two images differ, for people: the first entry and field, not two digests.
//!
//! It knows how to look. It does not know which of the two is right.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::entry::Kind;
use crate::layer::{ArchiveError, Body, Member, Streamed, TarReader};
use crate::layout::{Layout, LayoutError};
use crate::manifest::Descriptor;

/// Where two images differ first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// They have different numbers of layers.
    LayerCount {
        /// How many were expected.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A layer differs.
    Layer {
        /// Its place, from 0.
        layer: usize,
        /// Where it differs.
        difference: LayerDifference,
    },
    /// A layer's files are the same, and so are their headers, but they are compressed in
    /// another way.
    Compression {
        /// The layer's place, from 0.
        layer: usize,
    },
    /// The config or the manifest differs.
    Json {
        /// Which of the two: `config` or `manifest`.
        document: &'static str,
        /// Where, such as `history[2].created_by`.
        place: String,
        /// What was expected there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// Where two layers differ first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerDifference {
    /// At one place they have different entries.
    Entry {
        /// The name that was expected; none where the layer should have ended.
        expected: Option<String>,
        /// The name that is there; none where the layer ends.
        found: Option<String>,
    },
    /// An entry has a field that differs.
    Field {
        /// The entry's name.
        entry: String,
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// All entries are the same, but they are written in another way.
    Encoding {
        /// The first byte that differs.
        position: u64,
    },
}

/// Why two images cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError {
    /// A layout cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A layer cannot be read.
    #[error("a layer cannot be compared")]
    Layer(#[from] ArchiveError),
    /// A config or a manifest cannot be read.
    #[error("a config cannot be compared")]
    Json(#[from] serde_json::Error),
}

/// Returns where two images differ first: in their layers from the lowest up, then in their
/// configs, then in how layers are compressed, then in their manifests. Nothing where they are the
/// same.
pub fn first_difference(
    expected: &Layout,
    found: &Layout,
) -> Result<Option<Difference>, DifferenceError> {
    if expected.manifest_digest() == found.manifest_digest() {
        return Ok(None);
    }
    let (left, right) = (expected.manifest().layers(), found.manifest().layers());
    let mut compression = None;
    for (layer, (left, right)) in left.iter().zip(right).enumerate() {
        if left.digest == right.digest {
            continue;
        }
        let open = || Ok::<_, LayoutError>((tar(expected, left)?, tar(found, right)?));
        let (a, b) = open()?;
        let mut difference = first_layer_difference(a, b)?;
        if difference.is_none() {
            let (a, b) = open()?;
            let position = first_byte(a, b).map_err(ArchiveError::from)?;
            difference = position.map(|position| LayerDifference::Encoding { position });
        }
        if let Some(difference) = difference {
            return Ok(Some(Difference::Layer { layer, difference }));
        }
        // Another gzip compresses all of them in another way, and hides nothing else.
        compression.get_or_insert(layer);
    }
    if left.len() != right.len() {
        return Ok(Some(Difference::LayerCount {
            expected: left.len(),
            found: right.len(),
        }));
    }
    let configs = [expected.config(), found.config()].map(serde_json::from_slice);
    let manifests = [expected.manifest(), found.manifest()].map(serde_json::to_value);
    for (document, [left, right]) in [("config", configs), ("manifest", manifests)] {
        if document == "manifest"
            && let Some(layer) = compression
        {
            return Ok(Some(Difference::Compression { layer }));
        }
        let place = first_place(&left?, &right?);
        if let Some((place, expected, found)) = place {
            return Ok(Some(Difference::Json {
                document,
                place: place.trim_start_matches('.').to_owned(),
                expected,
                found,
            }));
        }
    }
    Ok(Some(Difference::Json {
        document: "manifest",
        place: "white space or the order of fields".to_owned(),
        expected: expected.manifest_digest().to_string(),
        found: found.manifest_digest().to_string(),
    }))
}

/// Returns where two layers, as plain tars, differ first. Nothing where all entries are the same.
pub fn first_layer_difference(
    expected: impl Read,
    found: impl Read,
) -> Result<Option<LayerDifference>, ArchiveError> {
    let mut expected = TarReader::new(Streamed(expected));
    let mut found = TarReader::new(Streamed(found));
    loop {
        let (left, right) = match (expected.next()?, found.next()?) {
            (None, None) => return Ok(None),
            (Some(left), Some(right)) if left.path == right.path => (left, right),
            (left, right) => {
                let name = |member: Option<Member>| member.map(|member| member.path.to_string());
                return Ok(Some(LayerDifference::Entry {
                    expected: name(left),
                    found: name(right),
                }));
            }
        };
        let differs = |(field, expected, found)| LayerDifference::Field {
            entry: left.path.to_string(),
            field,
            expected,
            found,
        };
        let fields = fields(&left).into_iter().zip(fields(&right));
        let mut fields = fields.map(|((field, left), (_, right))| (field, left, right));
        if let Some(field) = fields.find(|(_, left, right)| left != right) {
            return Ok(Some(differs(field)));
        }
        if let Some(position) = first_byte(expected.content(), found.content())? {
            let (left, right) = ("the same".to_owned(), format!("another byte at {position}"));
            return Ok(Some(differs(("content", left, right))));
        }
    }
}

/// Returns the fields of an entry as text. They are the same fields for every entry.
fn fields(member: &Member) -> Vec<(&'static str, String)> {
    let inode = match &member.body {
        Body::HardLink(target) => {
            let target = String::from_utf8_lossy(target).into_owned();
            return vec![("type", format!("hard link to `{target}`"))];
        }
        Body::New(inode) => inode,
    };
    let size = match &inode.kind {
        Kind::File { size, .. } => *size,
        _ => 0,
    };
    let capability = inode.capability.as_deref().unwrap_or_default();
    let time = inode.modified;
    vec![
        ("type", inode.kind.to_string()),
        ("mode", format!("{:04o}", inode.mode)),
        ("user", inode.user.to_string()),
        ("group", inode.group.to_string()),
        ("size", size.to_string()),
        ("time", format!("{}.{:09}", time.seconds, time.nanoseconds)),
        ("security.capability", format!("{capability:02x?}")),
    ]
}

/// Returns the first place at which two streams differ, in bytes.
fn first_byte(left: impl Read, right: impl Read) -> io::Result<Option<u64>> {
    let (mut left, mut right) = (BufReader::new(left), BufReader::new(right));
    let mut position = 0;
    loop {
        let (a, b) = (left.fill_buf()?, right.fill_buf()?);
        let length = a.len().min(b.len());
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        if same < length || a.is_empty() != b.is_empty() {
            return Ok(Some(position + same as u64));
        }
        if length == 0 {
            return Ok(None);
        }
        left.consume(length);
        right.consume(length);
        position += length as u64;
    }
}

/// Returns the first place at which two documents differ, and what is there in each.
fn first_place(expected: &Value, found: &Value) -> Option<(String, String, String)> {
    let below = |place: String, expected: Option<&Value>, found: Option<&Value>| {
        let none = Value::String("nothing".to_owned());
        let (left, right) = (expected.unwrap_or(&none), found.unwrap_or(&none));
        let (rest, left, right) = first_place(left, right)?;
        Some((place + &rest, left, right))
    };
    match (expected, found) {
        (left, right) if left == right => None,
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys());
            let mut places =
                names.map(|name| (format!(".{name}"), left.get(name), right.get(name)));
            places.find_map(|(place, left, right)| below(place, left, right))
        }
        (Value::Array(left), Value::Array(right)) => (0..left.len().max(right.len()))
            .find_map(|at| below(format!("[{at}]"), left.get(at), right.get(at))),
        (left, right) => Some((String::new(), left.to_string(), right.to_string())),
    }
}

fn tar(layout: &Layout, layer: &Descriptor) -> Result<impl Read, LayoutError> {
    let blob = layout.open_blob(layer)?;
    Ok(MultiGzDecoder::new(BufReader::new(blob)))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LayerCount { expected, found } => {
                write!(f, "expected {expected} layers, found {found}")
            }
            Self::Layer { layer, difference } => write!(f, "layer {layer}: {difference}"),
            Self::Compression { layer } => {
                write!(f, "layer {layer}: the same tar, compressed in another way")
            }
            Self::Json {
                document,
                place,
                expected,
                found,
            } => write!(f, "{document}: {place}: expected {expected}, found {found}"),
        }
    }
}

impl fmt::Display for LayerDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |name: &Option<String>| match name {
            Some(name) => format!("the entry `{name}`"),
            None => "the layer's end".to_owned(),
        };
        match self {
            Self::Entry { expected, found } => {
                write!(f, "expected {}, found {}", entry(expected), entry(found))
            }
            Self::Field {
                entry,
                field,
                expected,
                found,
            } => write!(f, "`{entry}`: {field}: expected {expected}, found {found}"),
            Self::Encoding { position } => write!(
                f,
                "the same entries, written in another way from byte {position} on"
            ),
        }
    }
}
