//! `stagex verify --history`: prints which commits touch packages, who has signed them, and who has merged them.

use std::fmt::Write as _;

use documents::{CommitSignature, HistoryChange, HistoryMerge, SignatureForm, Version, rfc3339};
use history::{Change, History, Range};
use trust::{Form, Refusal, Signer};

use super::whom::{Believed, believed};
use crate::arguments::Whom;
use crate::clock::now;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::render;
use crate::wait;

/// How many hex digits of a commit are shown to people.
const SHOWN: usize = 12;

pub(super) fn run(context: &Context, whom: &Whom, range: &str) -> Result<Exit, Failure> {
    let range: Range = range.parse()?;
    let Believed { policy, keyring } = believed(context, whom)?;
    let judged = wait::block_on(async {
        let mut interrupted = wait::watch();
        let judging = history::judge(&context.directory, &range, (&policy, &keyring), now());
        wait::unless(&mut interrupted, judging).await
    })?;
    let document = document(judged?);
    match context.format {
        Format::Json => render::json(&document),
        Format::Human => {
            render::result(human(&document).trim_end());
            if !context.verbosity.quiet {
                let all = document.changes.len();
                let good = document.changes.iter().filter(|change| change.verified);
                render::note(&format!(
                    "{} of {} to packages verified ({} in {})",
                    good.count(),
                    render::count(all as u64, "change"),
                    render::count(document.commits, "commit"),
                    shown(&document),
                ));
            }
        }
    }
    Ok(if document.verified {
        Exit::Success
    } else {
        ErrorKind::NotVerified.into()
    })
}

fn document(history: History) -> documents::History {
    let changes: Vec<HistoryChange> = history.changes.into_iter().map(change).collect();
    documents::History {
        version: Version,
        from: history.from,
        to: history.to,
        commits: history.commits as u64,
        verified: history.missing.is_empty() && changes.iter().all(|change| change.verified),
        changes,
        missing: history.missing.into_iter().collect(),
    }
}

fn change(change: Change) -> HistoryChange {
    HistoryChange {
        commit: change.commit,
        subject: change.subject,
        is_merge: change.is_merge,
        verified: change.problem.is_none(),
        signature: signature(&change.signer),
        merged: change.merged.map(|merged| HistoryMerge {
            commit: merged.commit,
            signature: signature(&merged.signer),
        }),
        problem: change.problem,
    }
}

fn signature(signer: &Signer) -> CommitSignature {
    CommitSignature {
        form: signer.form.map(|form| match form {
            Form::OpenPgp => SignatureForm::Openpgp,
            Form::Ssh => SignatureForm::Ssh,
        }),
        key: signer.key.clone(),
        made: signer.made.map(rfc3339),
        person: signer.person.clone(),
        refusal: signer.refusal.as_ref().map(Refusal::kind),
        message: signer.refusal.as_ref().map(ToString::to_string),
    }
}

fn human(document: &documents::History) -> String {
    let mut text = String::new();
    for change in &document.changes {
        let verdict = if change.verified {
            "verified"
        } else {
            "not verified"
        };
        let mut line = format!("{verdict:<12} {}", &change.commit[..SHOWN]);
        if let Some(signer) = counted(&change.signature) {
            let _ = write!(line, " signed by {signer}");
            if let Some(merged) = &change.merged
                && let Some(merger) = counted(&merged.signature)
            {
                let _ = write!(line, ", merged by {merger}");
            }
        }
        let _ = write!(line, ": {}", change.subject);
        let _ = writeln!(text, "{}", printable::line(&line));
        if let Some(problem) = &change.problem {
            let _ = writeln!(text, "  {}", printable::line(problem));
        }
    }
    for name in &document.missing {
        let _ = writeln!(
            text,
            "not verified {} is not in this clone, or is not what its name says",
            &name[..SHOWN]
        );
    }
    text
}

/// Returns who has signed, if that counts.
fn counted(signature: &CommitSignature) -> Option<&str> {
    let person = signature.person.as_deref();
    person.filter(|_| signature.refusal.is_none())
}

/// Returns the range by the names of its commits.
fn shown(document: &documents::History) -> String {
    let to = &document.to[..SHOWN];
    match &document.from {
        Some(from) => format!("{}..{to}", &from[..SHOWN]),
        None => to.to_owned(),
    }
}
