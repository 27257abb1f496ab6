//! `stagex fetch --verify` and `--update-hash`: hashing what is here, and what mirrors have.

use documents::{DamageOutcome, DamagedSource, FetchHashes, FetchVerify, FoundHash, Version};
use fetch::{Verified, Wanted, Which};
use indicatif::HumanBytes;
use package_tree::Plan;

use super::fetching::{exit, fetcher, is_offline};
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::{Format, Progress};
use crate::render::{self, Unit};
use crate::wait;

/// Hashes the sources of a plan, or with `Which::All` everything that the store has too, and mends what is damaged.
pub(super) fn verify(
    context: &Context,
    plan: &Plan,
    which: Which,
    progress: Progress,
) -> Result<Exit, Failure> {
    let wanted = Wanted::of(&plan.packages);
    let fetcher = fetcher(context)?;
    let meter = render::amount(context.verbosity, progress, "hashing", Unit::Bytes);
    let listener = render::fetching(context.verbosity, progress);
    let verified = wait::block_on(async {
        let mut interrupted = wait::watch();
        let verifying = fetcher.verify(&wanted, which, meter, &listener);
        Ok(wait::unless(&mut interrupted, verifying).await??)
    });
    drop(listener);
    let verified = verified?;
    let damaged = damaged(&verified);
    match context.format {
        Format::Json => render::json(&FetchVerify {
            version: Version,
            files: verified.files,
            bytes: verified.bytes,
            damaged,
        }),
        Format::Human => {
            for one in &damaged {
                render::result(&line(one));
            }
            render::result(&format!(
                "{} hashed ({}), {} damaged",
                render::count(verified.files, "file"),
                HumanBytes(verified.bytes),
                damaged.len(),
            ));
        }
    }
    Ok(exit(&verified.fetched))
}

fn damaged(verified: &Verified) -> Vec<DamagedSource> {
    let outcome = |hash: &str| {
        let mut fetched = verified.fetched.sources.iter();
        match fetched.find(|(wanted, _)| wanted.source.hash == hash) {
            Some((_, Ok(_))) => DamageOutcome::Mended,
            Some((_, Err(_))) => DamageOutcome::Missing,
            None => DamageOutcome::Unneeded,
        }
    };
    let damaged = verified.damaged.iter().map(|one| DamagedSource {
        path: one.path.to_string(),
        hash: one.expected.clone(),
        found: one.found.clone(),
        kept: one.kept.as_ref().map(ToString::to_string),
        outcome: outcome(&one.expected),
    });
    damaged.collect()
}

fn line(one: &DamagedSource) -> String {
    let found = one.found.as_ref().map_or_else(
        || "is not a source".to_owned(),
        |found| format!("had other contents, sha256 {found}"),
    );
    let kept = one.kept.as_ref().map_or_else(
        || "is removed".to_owned(),
        |kept| format!("is kept as {kept}"),
    );
    let came = match one.outcome {
        DamageOutcome::Mended => "the right one is there again",
        DamageOutcome::Missing => "the right one cannot be had",
        DamageOutcome::Unneeded => "no selected package needs it",
    };
    format!("{} {found}; it {kept}, and {came}", one.path)
}

/// Prints the lines that would have to be changed for what the mirrors of the selected packages have now.
pub(super) fn update_hash(context: &Context, plan: &Plan) -> Result<Exit, Failure> {
    if is_offline(context) {
        let message = "cannot ask mirrors: nothing may reach the network".to_owned();
        let hint = "leave out --offline, or set offline = false";
        return Err(usage(message, Some(hint)));
    }
    let requested = plan.packages.iter().filter(|package| package.requested);
    let wanted = Wanted::of(requested);
    if wanted.is_empty() {
        let message = "cannot ask mirrors: the selected packages have no sources".to_owned();
        return Err(usage(message, Some("name packages that have sources")));
    }
    let fetcher = fetcher(context)?;
    let answers = wait::block_on(async {
        let mut interrupted = wait::watch();
        let asking = async {
            let mut answers = Vec::new();
            for one in &wanted {
                answers.push((one, fetcher.newest(one).await));
            }
            answers
        };
        wait::unless(&mut interrupted, asking).await
    })?;
    let mut exit = Exit::Success;
    let mut sources = Vec::new();
    for (one, answer) in answers {
        match answer {
            Ok((mirror, newest)) => sources.push(FoundHash {
                package: one.package.clone(),
                key: one.source.key.clone(),
                line: fetcher.line(one),
                mirror,
                bytes: newest.bytes,
                before: one.source.hash.clone(),
                now: newest.hash,
            }),
            Err(unfetched) => {
                exit = ErrorKind::Package.into();
                print_problem("error", &unfetched.to_string(), None);
            }
        }
    }
    match context.format {
        Format::Json => render::json(&FetchHashes {
            version: Version,
            sources,
        }),
        Format::Human => {
            for one in &sources {
                if one.before == one.now {
                    render::note(&format!("{}: unchanged, {}", one.line, one.mirror));
                } else {
                    render::result(&format!("{}: hash = \"{}\"", one.line, one.now));
                }
            }
        }
    }
    Ok(exit)
}
