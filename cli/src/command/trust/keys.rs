//! `stagex keys`: who may sign, by which certificates, and who has signed how much.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use documents::{CertificateState, KeyState, Person, Version, rfc3339};
use trust::{Certificate, Fingerprint, Payload, Revoked, places};

use super::agree::only;
use super::signatures::{Source, signatures, source};
use super::whom::{Believed, believed};
use crate::arguments;
use crate::clock::now;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render;

pub(in crate::command) fn run(
    context: &Context,
    arguments: &arguments::Keys,
) -> Result<Exit, Failure> {
    let believed = believed(context, &arguments.whom)?;
    let signed = signed(&source(context, &arguments.whom)?, &believed)?;
    let Believed { policy, keyring } = &believed;
    let now = now();
    let all = keyring.certificates(now);
    let find = |fingerprint: &Fingerprint| {
        let found = all.iter().find(|one| one.fingerprint == *fingerprint);
        found.map_or_else(|| missing(fingerprint), |found| state(found, now))
    };
    let people = policy.people().iter().map(|member| Person {
        name: member.name.clone(),
        machine: member.machine,
        packages: member.packages.clone(),
        signed: signed.as_ref().map(|signed| {
            let packages = signed.get(&member.name).map_or(0, BTreeSet::len);
            u32::try_from(packages).unwrap_or(u32::MAX)
        }),
        certificates: member.certificates.iter().map(find).collect(),
        ssh: member.ssh.iter().map(ToString::to_string).collect(),
    });
    let unlisted = all
        .iter()
        .filter(|one| policy.owner(&one.fingerprint).is_none());
    let document = documents::Keys {
        version: Version,
        registry: policy.registry.to_string(),
        threshold: policy.threshold.get(),
        people: people.collect(),
        unlisted: unlisted.map(|one| state(one, now)).collect(),
    };
    match context.format {
        Format::Json => render::json(&document),
        Format::Human => render::result(human(&document).trim_end()),
    }
    Ok(Exit::Success)
}

/// Returns of each person the packages that they have signed; nothing where a server has the signatures, which lists
/// none.
fn signed(
    source: &Source,
    believed: &Believed,
) -> Result<Option<BTreeMap<String, BTreeSet<String>>>, Failure> {
    let mut signed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let directory = match source {
        Source::Directory(directory) => directory,
        Source::Nowhere => return Ok(Some(signed)),
        Source::Server(_) => return Ok(None),
    };
    let all = places(directory, &believed.policy.registry);
    let all = all.map_err(|error| place::cannot("read", directory.path(), &error))?;
    let found = signatures(source, all.clone())?;
    for (place, found) in all.iter().zip(found) {
        for (_, bytes) in found.signatures {
            let Ok(one) = trust::verify(&believed.keyring, &bytes, now()) else {
                continue;
            };
            let is_here = Payload::read(&one.bytes).is_ok_and(|payload| place.is_of(&payload));
            if let (true, Some(member)) = (is_here, believed.policy.owner(&one.certificate)) {
                let packages = signed.entry(member.name.clone()).or_default();
                packages.insert(place.package().to_owned());
            }
        }
    }
    Ok(Some(signed))
}

fn state(certificate: &Certificate, now: i64) -> CertificateState {
    let state = match certificate.revoked {
        Some(Revoked::Hard) => KeyState::Revoked,
        Some(Revoked::Soft(_)) => KeyState::Retired,
        None if certificate.expires.is_some_and(|expires| expires <= now) => KeyState::Expired,
        None if certificate.signing_keys.is_empty() => KeyState::Unable,
        None => KeyState::Good,
    };
    let keys = certificate.signing_keys.iter();
    CertificateState {
        fingerprint: certificate.fingerprint.to_string(),
        found: true,
        user_ids: certificate.user_ids.clone(),
        made: Some(rfc3339(certificate.made)),
        expires: certificate.expires.map(rfc3339),
        state,
        signing_keys: keys.map(|key| key.fingerprint.to_string()).collect(),
    }
}

fn missing(fingerprint: &Fingerprint) -> CertificateState {
    CertificateState {
        fingerprint: fingerprint.to_string(),
        found: false,
        user_ids: Vec::new(),
        made: None,
        expires: None,
        state: KeyState::Missing,
        signing_keys: Vec::new(),
    }
}

fn human(keys: &documents::Keys) -> String {
    let mut text = format!(
        "{}: {} of {}\n",
        keys.registry,
        keys.threshold,
        render::count(
            keys.people.iter().filter(|person| !person.machine).count(),
            "signer"
        ),
    );
    for person in &keys.people {
        let machine = if person.machine { " (a machine)" } else { "" };
        let only = only(&person.packages);
        let signed = match person.signed {
            Some(signed) => format!("{} signed", render::count(signed, "package")),
            None => "not counted: a server lists nothing".to_owned(),
        };
        let line = format!("{}{machine}{only}: {signed}", person.name);
        let _ = writeln!(text, "{}", printable::line(&line));
        for certificate in &person.certificates {
            list(certificate, &mut text);
        }
        for key in &person.ssh {
            let _ = writeln!(text, "  {key}  SSH, for commits");
        }
    }
    if !keys.unlisted.is_empty() {
        text.push_str("in the keyring, and nobody's:\n");
        for certificate in &keys.unlisted {
            list(certificate, &mut text);
        }
    }
    text
}

fn list(certificate: &CertificateState, text: &mut String) {
    let state = match certificate.state {
        KeyState::Good => "good",
        KeyState::Expired => "expired",
        KeyState::Retired => "retired",
        KeyState::Revoked => "revoked",
        KeyState::Unable => "cannot sign",
        KeyState::Missing => "not in the keyring",
    };
    let until = match &certificate.expires {
        Some(expires) if certificate.state == KeyState::Good => {
            format!(" until {}", &expires[..10])
        }
        Some(expires) if certificate.state == KeyState::Expired => {
            format!(" on {}", &expires[..10])
        }
        _ => String::new(),
    };
    let users = certificate.user_ids.join(", ");
    let line = format!("  {}  {state}{until}  {users}", certificate.fingerprint);
    let _ = writeln!(text, "{}", printable::line(line.trim_end()));
}
