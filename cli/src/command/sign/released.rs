//! What has become of packages since the last release, for who signs elsewhere.
//!
//! It does not know what may be signed.

use camino::{Utf8Path, Utf8PathBuf};
use documents::SinceRelease;
use sign::Subject;
use state::Digests;
use tokio::sync::watch;

use super::candidates::Candidates;
use crate::arguments::Whom;
use crate::clock::now;
use crate::command::trust::{Believed, believed, policy_file};
use crate::context::Context;
use crate::failure::Failure;
use crate::place;
use crate::render;
use crate::wait;

/// The last release before what is checked out.
pub(super) struct Released {
    name: String,
    digests: Digests,
    /// The files that have changed since.
    changed: Vec<Utf8PathBuf>,
}

impl Released {
    /// Returns what has become of an image.
    pub(super) fn of(&self, found: &Candidates, subject: &Subject) -> SinceRelease {
        let name = subject.package.as_str();
        let stage = name.split_once('-').map_or("", |(stage, _)| stage);
        let digest = self.digests.of(stage, name, subject.platform.as_deref());
        let directory = found.directories.get(name);
        let is_of_it = |path: &&Utf8PathBuf| directory.is_some_and(|of| path.starts_with(of));
        let changed = self.changed.iter().filter(is_of_it);
        SinceRelease {
            release: self.name.clone(),
            digest: digest.map(Into::into),
            changed: changed.map(ToString::to_string).collect(),
        }
    }
}

/// Finds the last release that somebody has signed of a policy which is the user's own. Without such a policy nothing says
/// which tag is one.
pub(super) async fn find(
    context: &Context,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Option<Released>, Failure> {
    let root = &context.directory;
    let is_own = |path: &Utf8Path| Ok::<_, Failure>(!place::is_in_tree(root, path)?);
    if !policy_file(context, None).map_or(Ok(false), is_own)? {
        if !context.verbosity.quiet {
            render::note(
                "what has changed since the last release is not said: no policy of your own says whose tags count (`policy` in [trust])",
            );
        }
        return Ok(None);
    }
    let believed = believed(context, &Whom::default())?;
    let found = wait::unless(interrupted, last(root, &believed)).await?;
    let found = found?;
    if found.is_none() && !context.verbosity.quiet {
        render::note("no release before this commit is signed by somebody of the policy");
    }
    Ok(found)
}

async fn last(root: &Utf8Path, believed: &Believed) -> Result<Option<Released>, Failure> {
    let Believed { policy, keyring } = believed;
    let Some(head) = git::checked_out(root).await? else {
        return Ok(None);
    };
    let mut releases = trust::signed_releases(root, None, policy, keyring, now()).await?;
    releases.reverse();
    let commits: Vec<&str> = releases
        .iter()
        .map(|release| release.commit.as_str())
        .collect();
    let Some((last, _)) = history::last(root, &head.commit, &commits).await? else {
        return Ok(None);
    };
    let release = &releases[last];
    let texts = trust::digests_of(root, &release.commit).await?;
    let range = format!("{}..{}", release.commit, head.commit);
    Ok(Some(Released {
        name: release.number.to_string(),
        digests: Digests::of_texts(&texts.unwrap_or_default())?,
        changed: git::changed(root, &range).await?,
    }))
}
