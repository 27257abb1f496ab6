//! What is carried to a machine that signs and has no network, and what comes back: a directory with the bytes that are
//! signed, a list of them for people, and another for programs.

use std::fmt::Write as _;
use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use documents::{BatchImage, Digest, SignBatch, SinceRelease, Version};
use trust::{FILE_LIMIT, Malformed, Payload};

/// The list for programs.
const LIST: &str = "batch.json";
/// The list for people.
const READ_ME: &str = "README.txt";
/// The directory of what is signed.
const PAYLOADS: &str = "payloads";
/// What gpg puts behind the name of what it signs.
const SIGNATURE: &str = "gpg";

/// How many files that have changed are shown to people.
const MOST: usize = 20;

/// What came back.
#[derive(Debug)]
pub struct Batch {
    /// The images with the bytes that were to be signed, and the signed message if one came back.
    pub images: Vec<(BatchImage, Payload, Option<Vec<u8>>)>,
}

/// Why a directory is no batch.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBatch {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The list cannot be understood.
    #[error("{path} is not a list that `stagex sign --export` wrote")]
    List {
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// What is to be signed is no payload.
    #[error("{path} is not a payload that can be signed")]
    Payload {
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: Malformed,
    },
    /// What is to be signed is not what the list says.
    #[error("{path} says {found}, and the list says {listed}")]
    Other {
        /// The file.
        path: Utf8PathBuf,
        /// What it says.
        found: String,
        /// What the list says.
        listed: String,
    },
}

/// Writes what is to be signed into an empty directory. `images` have no paths of payloads yet.
///
/// # Errors
///
/// It cannot be written.
pub fn write_batch(directory: &Directory, images: Vec<(BatchImage, Payload)>) -> io::Result<()> {
    let mut listed = Vec::new();
    let mut text = String::from(READ);
    for (mut image, payload) in images {
        let name = format!("{}@sha256={}", image.package, image.digest.hex());
        image.payload = format!("{PAYLOADS}/{name}");
        directory.write(image.payload.as_str().into(), &payload.to_bytes())?;
        describe(&image, &mut text);
        listed.push(image);
    }
    let list = SignBatch {
        version: Version,
        images: listed,
    };
    let list = serde_json::to_string_pretty(&list).expect("a batch is plain data");
    directory.write(READ_ME.into(), text.as_bytes())?;
    directory.write(LIST.into(), format!("{list}\n").as_bytes())
}

const READ: &str = "\
What is listed here is to be signed, if you have reproduced it or trust who has.
Look at each file in payloads/, then sign all of them in this directory:

    for file in payloads/*; do gpg --no-armor --compress-algo none --sign \"$file\"; done

Carry the directory back, and put the signatures into their places:

    stagex sign --import DIRECTORY --key YOUR-KEY

";

fn describe(image: &BatchImage, text: &mut String) {
    let platform = image.platform.as_deref().unwrap_or_default();
    let _ = writeln!(text, "{} {platform}", image.reference);
    let _ = writeln!(text, "    {}", image.digest);
    let by = image.reproduced_by.join(", ");
    let _ = match &image.forced {
        Some(reason) => {
            let against = image.against.as_deref().unwrap_or_default();
            let said = format!("{against}: {reason}");
            writeln!(text, "    NOT reproduced: {}", printable::line(&said))
        }
        None => writeln!(text, "    reproduced by {by}"),
    };
    if let Some(since) = &image.since {
        let _ = writeln!(text, "    recorded since {} ({})", since.date, since.commit);
    }
    if let Some(released) = &image.released {
        let said = since(released, &image.digest);
        let _ = writeln!(
            text,
            "    since {}: {}",
            released.release,
            printable::line(&said)
        );
    }
}

/// Says what has become of an image with this digest since a release.
fn since(released: &SinceRelease, digest: &Digest) -> String {
    let digest = match &released.digest {
        Some(before) if before == digest => "the same digest".to_owned(),
        Some(before) => format!("another digest, before {before}"),
        None => "it was not there".to_owned(),
    };
    let shown: Vec<&str> = released
        .changed
        .iter()
        .map(String::as_str)
        .take(MOST)
        .collect();
    match released.changed.len() {
        0 => format!("{digest}; none of its own files has changed"),
        all if all > shown.len() => format!(
            "{digest}; changed: {} and more, {all} files",
            shown.join(" ")
        ),
        _ => format!("{digest}; changed: {}", shown.join(" ")),
    }
}

/// Reads a directory that [`write_batch`] wrote, with the signatures that were put into it.
///
/// # Errors
///
/// It is none, or was changed.
pub fn read_batch(directory: &Directory) -> Result<Batch, InvalidBatch> {
    let full = |path: &Utf8Path| directory.path().join(path);
    let list = Utf8Path::new(LIST);
    let text = directory.read_text(list, beneath::DOCUMENT);
    let text = text.map_err(|source| InvalidBatch::Read {
        path: full(list),
        source,
    })?;
    let read: SignBatch = serde_json::from_str(&text).map_err(|source| InvalidBatch::List {
        path: full(list),
        source,
    })?;
    let mut images = Vec::new();
    for image in read.images {
        let path = Utf8PathBuf::from(&image.payload);
        let unread = |path: &Utf8Path| {
            let path = full(path);
            move |source| InvalidBatch::Read { path, source }
        };
        let bytes = directory.read(&path, FILE_LIMIT).map_err(unread(&path))?;
        let payload = Payload::read(&bytes).map_err(|source| InvalidBatch::Payload {
            path: full(&path),
            source,
        })?;
        let says = |reference: &str, digest: &documents::Digest| format!("{reference} {digest}");
        let found = says(&payload.reference(), payload.digest());
        let listed = says(&image.reference, &image.digest);
        if found != listed || payload.package() != image.package {
            let path = full(&path);
            return Err(InvalidBatch::Other {
                path,
                found,
                listed,
            });
        }
        let signature = Utf8PathBuf::from(format!("{path}.{SIGNATURE}"));
        let message = match directory.read(&signature, FILE_LIMIT) {
            Ok(message) => Some(message),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unread(&signature)(error)),
        };
        images.push((image, payload, message));
    }
    Ok(Batch { images })
}
