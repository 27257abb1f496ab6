//! Whom the user agrees to: what is shown to them once, and not asked for again.

use std::collections::BTreeSet;

use camino::Utf8Path;
use documents::rfc3339;
use trust::{Certificate, Diversity, Fingerprint, Keyring, Pins, Policy, Reference, Registry};

use crate::arguments::Whom;
use crate::clock::now;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::place;
use crate::render;
use crate::wait;

/// Returns the policy of a keyring that has none: that of the certificates which the user names, has agreed to, or
/// agrees to now.
pub(super) fn to_keyring(
    context: &Context,
    keyring: &Keyring,
    path: &Utf8Path,
    whom: &Whom,
) -> Result<Policy, Failure> {
    let registry: Registry = match &whom.registry {
        Some(registry) => registry.clone(),
        None => Policy::DEFAULT_REGISTRY.parse().expect("it is one"),
    };
    let (state, secret) = place::state()?;
    let mut pins = Pins::open(&state, &secret)?;
    let policy = |keys: &BTreeSet<Fingerprint>| {
        Policy::of_certificates(Some(registry.clone()), whom.threshold, keys)
    };
    let named: BTreeSet<Fingerprint> = whom.fingerprints.iter().cloned().collect();
    let known = pins.keys(&registry);
    if named.is_empty()
        && let Some(known) = known
    {
        return Ok(policy(known)?);
    }
    if let Some(absent) = named
        .iter()
        .find(|one| !keyring.fingerprints().any(|has| has == *one))
    {
        let message = format!("the keyring {path} has no certificate {absent}");
        return Err(usage(
            message,
            Some("name the fingerprint of a certificate, not of a subkey"),
        ));
    }
    let all = keyring.fingerprints().cloned().collect();
    let agreed = if named.is_empty() { &all } else { &named };
    let policy = policy(agreed)?;
    if named.is_empty() {
        show(keyring, agreed);
        let what = format!("the certificates in {path} for {registry}, each of another person");
        confirm(&what)?;
    }
    if pins.keys(&registry) != Some(agreed) {
        let agreed = agreed.clone();
        pins.agree_to_keys(&registry, agreed)?;
        say_kept(context, &pins);
    }
    Ok(policy)
}

/// Refuses a policy unless it is the user's, or they have agreed to it, or agree to it now. One that lies in the tree
/// was written by whoever wrote the tree.
pub(super) fn to_policy(
    context: &Context,
    keyring: &Keyring,
    policy: &Policy,
    path: &Utf8Path,
    named: &[Fingerprint],
) -> Result<(), Failure> {
    let certificates = policy
        .people()
        .iter()
        .flat_map(|member| &member.certificates);
    let certificates: BTreeSet<Fingerprint> = certificates.cloned().collect();
    let named: BTreeSet<Fingerprint> = named.iter().cloned().collect();
    if let Some(other) = named.symmetric_difference(&certificates).next()
        && !named.is_empty()
    {
        let message = if named.contains(other) {
            format!("the policy {path} has no certificate {other}")
        } else {
            format!("the policy {path} has the certificate {other} as well")
        };
        let hint = "with a policy, name all of its certificates with --fingerprint, or none";
        return Err(usage(message, Some(hint)));
    }
    if !place::is_in_tree(&context.directory, path)? {
        return Ok(());
    }
    let (state, secret) = place::state()?;
    let mut pins = Pins::open(&state, &secret)?;
    if !pins.has_policy(policy) {
        if let Some(what) = not_named(policy)
            && !named.is_empty()
        {
            let message = format!(
                "the policy {path} lies in the tree and has {what}, which --fingerprint does not name"
            );
            let hint =
                "agree to it on a terminal, or keep a policy of your own outside of the tree";
            return Err(usage(message, Some(hint)));
        }
        if named.is_empty() {
            for member in policy.people() {
                let machine = if member.machine { " (a machine)" } else { "" };
                let only = only(&member.packages);
                let line = format!("{}{machine}{only}:", member.name);
                render::note(&printable::line(&line));
                show(keyring, &member.certificates.iter().cloned().collect());
                for key in &member.ssh {
                    render::note(&format!("  {key}  SSH, for commits"));
                }
            }
            for line in conditions(policy) {
                render::note(&line);
            }
            let threshold = render::count(policy.threshold.get(), "signature");
            confirm(&format!(
                "the policy {path} of this tree for {}, which needs {threshold}",
                policy.registry
            ))?;
        }
        pins.agree_to_policy(policy)?;
        say_kept(context, &pins);
    }
    Ok(())
}

/// Returns what a policy has that lets more count than two people by their certificates, if it has something.
fn not_named(policy: &Policy) -> Option<&'static str> {
    if policy.people().iter().any(|member| !member.ssh.is_empty()) {
        return Some("SSH keys");
    }
    if policy.threshold < Policy::DEFAULT_THRESHOLD {
        return Some("a threshold of 1");
    }
    let is_exact = policy.reference == Reference::Exact;
    (!is_exact).then_some("`reference = \"repository\"`")
}

/// Returns what somebody may sign, if that is not everything.
pub(super) fn only(packages: &[String]) -> String {
    if packages.is_empty() {
        return String::new();
    }
    format!(", only {}", packages.join(" "))
}

/// Returns what a policy asks of signatures and of the tree, in lines: each of them whatever it asks, so that what is
/// asked no longer is seen as well.
fn conditions(policy: &Policy) -> [String; 3] {
    let reference = match policy.reference {
        Reference::Exact => "of the package's version",
        Reference::Repository => "of any version of the package",
    };
    let Diversity {
        cpu_vendors,
        runtimes,
    } = policy.diversity;
    let releases = match &policy.releases {
        None => "may be any".to_owned(),
        Some(releases) => {
            let lowest = releases.lowest.as_ref();
            let lowest = lowest.map(|lowest| format!(", not before {lowest}"));
            let longest = releases.longest_age;
            let longest = longest.map(|days| {
                let days = render::count(days.get(), "day");
                format!(", signed no longer than {days} ago")
            });
            let [lowest, longest] = [lowest, longest].map(Option::unwrap_or_default);
            format!("has to be a signed release{lowest}{longest}")
        }
    };
    [
        format!("signatures: {reference}"),
        format!(
            "different machines: processors of at least {}, at least {}",
            render::count(cpu_vendors, "vendor"),
            render::count(runtimes, "runtime")
        ),
        format!("the tree: {releases}"),
    ]
}

/// Shows certificates to somebody who is to compare them.
fn show(keyring: &Keyring, certificates: &BTreeSet<Fingerprint>) {
    let known = keyring.certificates(now());
    for fingerprint in certificates {
        let known = known.iter().find(|one| one.fingerprint == *fingerprint);
        let text = known.map_or_else(|| "not in the keyring".to_owned(), described);
        let line = format!("  {}  {text}", fingerprint.in_groups());
        // A name in a certificate may have the end of a line in it, and what looks like another certificate behind that.
        render::note(&printable::line(&line));
    }
}

fn described(certificate: &Certificate) -> String {
    let users = certificate.user_ids.join(", ");
    format!("{users}, made on {}", &rfc3339(certificate.made)[..10])
}

/// Asks the user on a terminal. Anywhere else nobody agrees to anything.
fn confirm(what: &str) -> Result<(), Failure> {
    let refused = |message: String| {
        let hint = "compare each fingerprint with what its owner says elsewhere, and name it with --fingerprint";
        Failure::of(ErrorKind::NotVerified, [(message, Some(hint.to_owned()))])
    };
    if !wait::can_ask() {
        return Err(refused(format!("nobody has agreed to {what}")));
    }
    render::note("Compare each fingerprint with what its owner says elsewhere.");
    let question = format!("Agree to {what}?");
    let agreed = wait::block_on(async {
        let mut interrupted = wait::watch();
        wait::ask(&mut interrupted, &question).await
    })?;
    if agreed {
        Ok(())
    } else {
        Err(refused(format!("you have not agreed to {what}")))
    }
}

fn say_kept(context: &Context, pins: &Pins) {
    if !context.verbosity.quiet {
        render::note(&format!("what you agreed to is kept in {}", pins.path()));
    }
}
