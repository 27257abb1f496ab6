//! Which mirrors of a source work: asked for what they say of it, or for all of it. Nothing is kept.

use std::sync::Arc;
use std::time::Duration;

use beneath::Directory;

use crate::mirror::{Mirror, allowed};
use crate::newest::newest;
use crate::report::Why;
use crate::shared::Shared;
use crate::wanted::Wanted;

/// How mirrors are checked.
#[derive(Debug, Clone, Copy)]
pub struct Checking {
    /// Whether each file is downloaded and hashed.
    pub full: bool,
    /// How long an answer takes that is slow.
    pub slow: Duration,
}

/// A source, and its mirrors in their order.
#[derive(Debug)]
pub struct CheckedSource {
    /// The source.
    pub wanted: Wanted,
    /// Its mirrors.
    pub mirrors: Vec<CheckedMirror>,
}

/// A mirror, and what it has.
#[derive(Debug)]
pub struct CheckedMirror {
    /// The mirror.
    pub mirror: String,
    /// Whether it works.
    pub state: MirrorState,
    /// How many bytes it has, if that is known.
    pub bytes: Option<u64>,
    /// Where it has moved for good.
    pub moved: Option<String>,
}

/// Whether a mirror works.
#[derive(Debug)]
pub enum MirrorState {
    /// It has the source, as far as was asked.
    Works,
    /// It does, and its answer took so long.
    Slow(Duration),
    /// It has a file of another length than the source, which has so many bytes.
    OtherLength(u64),
    /// It has a file with another hash.
    OtherBytes(String),
    /// It does not give a file.
    Dead(Why),
}

impl MirrorState {
    /// Tells whether a source can be had there.
    pub fn works(&self) -> bool {
        matches!(self, Self::Works | Self::Slow(_))
    }
}

/// Checks a mirror of a source, which has so many bytes if that is known.
pub(crate) async fn check(
    shared: &Arc<Shared>,
    wanted: &Wanted,
    mirror: String,
    expected: Option<u64>,
    checking: Checking,
) -> CheckedMirror {
    let (mut bytes, mut moved, mut took) = (None, None, Duration::ZERO);
    let asked = match probe(shared, &mirror).await {
        Ok((length, to, time)) => {
            (bytes, moved, took) = (length, to, time);
            Ok(())
        }
        Err(why) => Err(why),
    };
    let state = match (asked, bytes.zip(expected)) {
        (Err(why), _) => MirrorState::Dead(why),
        (Ok(()), Some((found, expected))) if found != expected => {
            MirrorState::OtherLength(expected)
        }
        (Ok(()), _) if checking.full => match newest(shared, &mirror).await {
            Err(why) => MirrorState::Dead(why),
            Ok(newest) => {
                bytes = Some(newest.bytes);
                if newest.hash == wanted.source.hash {
                    answered(took, checking)
                } else {
                    MirrorState::OtherBytes(newest.hash)
                }
            }
        },
        (Ok(()), _) => answered(took, checking),
    };
    CheckedMirror {
        mirror,
        state,
        bytes,
        moved,
    }
}

fn answered(took: Duration, checking: Checking) -> MirrorState {
    if took > checking.slow {
        MirrorState::Slow(took)
    } else {
        MirrorState::Works
    }
}

type Probed = (Option<u64>, Option<String>, Duration);

async fn probe(shared: &Shared, mirror: &str) -> Result<Probed, Why> {
    let config = &shared.config;
    let file = match Mirror::parse(mirror)? {
        Mirror::Address(_) if config.offline => return Err(Why::Offline),
        Mirror::Address(address) => {
            let found = shared.client.probe(&address).await?;
            let moved = found.moved.map(|to| to.to_string());
            return Ok((found.length, moved, found.took));
        }
        Mirror::InTree(path) => Directory::open(&config.tree).and_then(|tree| tree.file(&path)),
        Mirror::Elsewhere(path) => {
            let (directory, path) = allowed(&config.directories, &path).ok_or(Why::NotAllowed)?;
            Directory::open(directory).and_then(|directory| directory.file(path))
        }
    };
    let found = file.and_then(|file| file.metadata()).map_err(Why::File)?;
    Ok((Some(found.len()), None, Duration::ZERO))
}
