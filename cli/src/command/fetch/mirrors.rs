//! `stagex fetch --check-mirrors`: which mirrors work, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use documents::{FetchMirrors, MirrorCheck, MirrorCheckState, Version};
use fetch::{CheckedMirror, CheckedSource, Checking, MirrorState, Wanted};
use package_tree::Plan;

use super::fetching::{fetcher, is_offline};
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::{Format, MirrorDepth, Progress};
use crate::render::{self, Unit};
use crate::wait;

/// How long an answer takes that is slow.
const SLOW: Duration = Duration::from_secs(3);

/// Checks the mirrors of the sources of a plan.
pub(super) fn check(
    context: &Context,
    plan: &Plan,
    depth: MirrorDepth,
    progress: Progress,
) -> Result<Exit, Failure> {
    if is_offline(context) {
        let message = "cannot check mirrors: nothing may reach the network".to_owned();
        let hint = "leave out --offline, or set offline = false";
        return Err(usage(message, Some(hint)));
    }
    let wanted = Wanted::of(&plan.packages);
    let fetcher = fetcher(context)?;
    let checking = Checking {
        full: depth == MirrorDepth::Full,
        slow: SLOW,
    };
    let meter = render::amount(
        context.verbosity,
        progress,
        "checking mirrors",
        Unit::Mirrors,
    );
    let checked = wait::block_on(async {
        let mut interrupted = wait::watch();
        let checking = fetcher.check_mirrors(&wanted, checking, &*meter);
        Ok(wait::unless(&mut interrupted, checking).await??)
    });
    drop(meter);
    let checked = checked?;
    let mirrors: Vec<_> = checked.iter().flat_map(of_source).collect();
    match context.format {
        Format::Json => render::json(&FetchMirrors {
            version: Version,
            mirrors,
        }),
        Format::Human => mirrors.iter().for_each(|one| render::result(&line(one))),
    }
    let mut exit = Exit::Success;
    for source in &checked {
        if !source.mirrors.iter().any(|mirror| mirror.state.works()) {
            let message = format!("{}: no mirror works", source.wanted);
            let hint = format!("name another in {}", source.wanted.declared);
            print_problem("error", &message, Some(&hint));
            exit = ErrorKind::Package.into();
        }
    }
    Ok(exit)
}

fn of_source(source: &CheckedSource) -> impl Iterator<Item = MirrorCheck> {
    let of = |one: &CheckedMirror| {
        let (state, message) = match &one.state {
            MirrorState::Works => (MirrorCheckState::Works, None),
            MirrorState::Slow(took) => (
                MirrorCheckState::Slow,
                Some(format!("it answered after {:.1} s", took.as_secs_f64())),
            ),
            MirrorState::OtherLength(expected) => (
                MirrorCheckState::OtherLength,
                Some(format!("the source has {expected} bytes")),
            ),
            MirrorState::OtherBytes(found) => (
                MirrorCheckState::OtherBytes,
                Some(format!("the contents are others: sha256 {found}")),
            ),
            MirrorState::Dead(why) => (MirrorCheckState::Dead, Some(why.to_string())),
        };
        MirrorCheck {
            package: source.wanted.package.clone(),
            key: source.wanted.source.key.clone(),
            mirror: one.mirror.clone(),
            state,
            bytes: one.bytes,
            moved: one.moved.clone(),
            message,
        }
    };
    source.mirrors.iter().map(of)
}

fn line(one: &MirrorCheck) -> String {
    let state = match one.state {
        MirrorCheckState::Works => "works",
        MirrorCheckState::Slow => "slow",
        MirrorCheckState::OtherLength => "other length",
        MirrorCheckState::OtherBytes => "other bytes",
        MirrorCheckState::Dead => "dead",
    };
    let mut text = format!("{state:<12} {} {} {}", one.package, one.key, one.mirror);
    if let Some(bytes) = one.bytes {
        let _ = write!(text, ", {bytes} bytes");
    }
    if let Some(moved) = &one.moved {
        let _ = write!(text, ", moved to {moved}");
    }
    if let Some(message) = &one.message {
        let _ = write!(text, ": {message}");
    }
    text
}
