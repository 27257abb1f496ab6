//! Signing: with a key that was found, each image after the other, into its place and into the ledger.

use std::collections::BTreeSet;

use attest::REPRODUCTION;
use beneath::Directory;
use camino::Utf8Path;
use documents::{Attempt, Signing, Version};
use ledger::Ledger;
use sign::{Checker, Gpg, Signer, Subject};
use tokio::sync::watch;

use super::candidates::Candidates;
use super::told::{Told, list, warn_of_subkey};
use crate::arguments;
use crate::clock::now;
use crate::command::trust::{policy_file, read_policy};
use crate::context::Context;
use crate::environment;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::place;
use crate::render;
use crate::wait;

/// Where signatures are, in a tree.
const SIGNATURES: &str = "signatures";

/// Signing, with a key that was found.
pub(super) struct Work {
    gpg: Gpg,
    pub(super) signer: Signer,
    pub(super) checker: Checker,
    pub(super) signatures: Directory,
}

impl Work {
    /// Finds the key and the directory of signatures.
    pub(super) async fn begin(
        context: &Context,
        arguments: &arguments::Sign,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let gpg = gpg()?;
        let key = match &arguments.key {
            Some(key) => key.clone(),
            None => wait::unless(interrupted, git::signing_key())
                .await??
                .ok_or_else(|| {
                    let hint =
                        "name it with --key, or: git config --global user.signingkey FINGERPRINT";
                    usage("no key was chosen to sign with".to_owned(), Some(hint))
                })?,
        };
        let signer = wait::unless(interrupted, gpg.key(&key)).await??;
        let checker = wait::unless(interrupted, Checker::of_key(&gpg, &signer)).await??;
        Ok(Self {
            gpg,
            signer,
            checker,
            signatures: signatures(context, arguments.signatures.as_deref())?,
        })
    }

    /// Signs everything that may be signed, and was not before.
    pub(super) async fn sign(
        &self,
        context: &Context,
        arguments: &arguments::Sign,
        found: &Candidates,
        told: &mut Told<'_>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if arguments.ci {
            must_be_a_machine(context, arguments.policy.as_deref(), &self.signer, found)?;
        }
        told.by(&self.signer);
        let mut rest = Vec::new();
        for subject in found.subjects() {
            let bytes = subject.payload.to_bytes();
            match self.before(subject, &bytes)? {
                Some(number) => told.already(subject, number),
                None => rest.push((subject, bytes)),
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        if !arguments.yes && !arguments.ci {
            let subjects: Vec<&Subject> = rest.iter().map(|(subject, _)| *subject).collect();
            list(found, &subjects, &self.signer);
            let question = format!("sign {}?", render::count(subjects.len(), "image"));
            if !wait::ask(interrupted, &question).await? {
                return Ok(());
            }
        }
        let (state, secret) = place::state()?;
        let mut ledger = Ledger::open(&state, &secret)?;
        for (subject, bytes) in rest {
            if *interrupted.borrow() {
                return Ok(());
            }
            // What was begun is finished: a card that was touched has signed.
            let signed = self.gpg.sign(&self.signer, &bytes).await?;
            self.checker.check(&signed.bytes, &bytes, now())?;
            if told.first_by_subkey(&self.signer, &signed.key) && !context.verbosity.quiet {
                warn_of_subkey(&signed.key);
            }
            let mut evidence = Vec::new();
            if !arguments.no_evidence {
                for attempt in &subject.reproduced {
                    let line = self.evidence(attempt, &arguments.registry).await?;
                    evidence.extend(line.into_iter().flatten());
                }
            }
            let number = self.keep(&mut ledger, subject, &signed)?;
            if !evidence.is_empty() {
                let path = subject.place.attestation(number);
                let written = self.signatures.write(&path, &evidence);
                written.map_err(|error| place::cannot("write", &path, &error))?;
            }
            told.signed(subject, number, &signed.key);
        }
        Ok(())
    }

    /// Returns the number of a signature by the same certificate that is there already.
    pub(super) fn before(&self, subject: &Subject, bytes: &[u8]) -> Result<Option<u32>, Failure> {
        let found = self
            .checker
            .find(&self.signatures, &subject.place, bytes, now());
        found.map_err(|error| {
            let path = self.signatures.path().join(subject.place.path());
            place::cannot("read", &path, &error)
        })
    }

    /// Puts a signature into its place. It is in the ledger before.
    pub(super) fn keep(
        &self,
        ledger: &mut Ledger,
        subject: &Subject,
        signed: &sign::Signed,
    ) -> Result<u32, Failure> {
        let (runtimes, forced) = (subject.reproduced.iter(), subject.forced.as_ref());
        ledger.append_signing(&Signing {
            version: Version,
            package: subject.package.clone(),
            platform: subject.platform.clone(),
            reference: subject.payload.reference(),
            digest: subject.payload.digest().clone(),
            certificate: self.signer.certificate.clone(),
            key: signed.key.clone(),
            signed: ledger::now(),
            reproduced_by: runtimes
                .map(|attempt| attempt.runtime.name.clone())
                .collect(),
            forced: forced.map(|forced| forced.reason.clone()),
            against: forced.map(|forced| forced.against.clone()),
        })?;
        Ok(sign::keep(&self.signatures, &subject.place, &signed.bytes)?)
    }

    /// Returns the line with a statement on an attempt, signed by the same key.
    async fn evidence(
        &self,
        attempt: &Attempt,
        registry: &trust::Registry,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut statements = attest::statements(attempt, registry.as_str()).into_iter();
        let of_reproduction = |each: &documents::Statement| each.predicate_type == REPRODUCTION;
        let Some(statement) = statements.find(of_reproduction) else {
            return Ok(None);
        };
        let statement = attest::line(&statement).into_bytes();
        let to_sign = attest::to_sign(&statement);
        let signed = self.gpg.detach(&self.signer, &to_sign).await?;
        self.checker
            .check_detached(&signed.bytes, &to_sign, now())?;
        let line = attest::enclose(&statement, &signed.key, &signed.bytes);
        Ok(Some(format!("{line}\n").into_bytes()))
    }
}

/// Refuses a key that is not a machine's by a policy which is not the tree's, or that may not sign what was found: it
/// signs without anybody who looks, and must not count as somebody.
fn must_be_a_machine(
    context: &Context,
    policy: Option<&Utf8Path>,
    signer: &Signer,
    found: &Candidates,
) -> Result<(), Failure> {
    let Some(path) = policy_file(context, policy) else {
        return Err(usage(
            "no policy says which key is a machine's".to_owned(),
            Some("name it with --policy, or in [trust] of your own stagex.toml"),
        ));
    };
    if place::is_in_tree(&context.directory, path)? {
        return Err(usage(
            format!("the policy {path} lies in the tree, which does not decide who is a machine"),
            Some("name one of your own with --policy"),
        ));
    }
    let refused = |message: String, hint: &str| {
        Failure::of(ErrorKind::NotVerified, [(message, Some(hint.to_owned()))])
    };
    let policy = read_policy(context, path)?;
    let certificate = signer.certificate.parse().ok();
    let owner = certificate.and_then(|certificate| policy.owner(&certificate));
    let Some(machine) = owner.filter(|owner| owner.machine) else {
        let message = format!(
            "{} is not a machine's by the policy {path}",
            signer.certificate
        );
        let hint = "give it a key of its own, with `machine = true` in the policy: docs/trust.md";
        return Err(refused(message, hint));
    };
    let packages = found.subjects().map(|subject| subject.package.as_str());
    let not_allowed: BTreeSet<&str> = packages
        .filter(|package| !machine.may_sign(package))
        .collect();
    if not_allowed.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = not_allowed.into_iter().collect();
    let message = format!(
        "{} may not sign {} by the policy {path}",
        machine.name,
        packages.join(", ")
    );
    let hint = "name only packages that it may sign, or change its `packages` in the policy";
    Err(refused(message, hint))
}

/// Returns GnuPG's programs, with what they need of the environment.
fn gpg() -> Result<Gpg, Failure> {
    let list = environment::gpg()?.map(|(_, words)| words);
    let sign = environment::gpg_sign()?.map(|(_, words)| words);
    Ok(Gpg::new(
        list.as_deref(),
        sign.as_deref(),
        environment::of_gpg(),
    ))
}

/// Opens the directory of signatures, and makes it if it is not there. The one that the user's settings name is where
/// `stagex verify` looks; a server is nowhere that can be written to.
fn signatures(context: &Context, named: Option<&Utf8Path>) -> Result<Directory, Failure> {
    let root = &context.directory;
    let set = context.settings.trust.signatures.value.as_deref();
    let set = set.filter(|set| !set.contains("://")).map(Utf8Path::new);
    let Some(named) = named.or(set) else {
        let opened = Directory::open(root).and_then(|root| root.make_directory(SIGNATURES.into()));
        let path = root.join(SIGNATURES);
        return opened.map_err(|error| place::cannot("open the directory", &path, &error));
    };
    place::directory(root, named)
}
