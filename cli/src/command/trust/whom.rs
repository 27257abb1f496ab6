//! Who is believed: the certificates, and the people that they are of.

use beneath::Kind;
use camino::Utf8Path;
use trust::{InvalidKeyring, KEYRING_LIMIT, Keyring, Policy};

use super::agree;
use crate::arguments::Whom;
use crate::context::Context;
use crate::failure::{Failure, usage};
use crate::place::{self, ToRead};
use crate::render;

/// Where the keyring of a tree lies, if nobody says.
const KEYRING: &str = "signatures/stagex-keyring.pgp";

/// Who is believed.
pub(in crate::command) struct Believed {
    pub(in crate::command) policy: Policy,
    pub(in crate::command) keyring: Keyring,
}

/// Finds out who is believed: by a policy of the user's, or by what they agree to.
pub(in crate::command) fn believed(context: &Context, whom: &Whom) -> Result<Believed, Failure> {
    let settings = &context.settings.trust;
    let policy = policy_file(context, whom.policy.as_deref());
    if let (Some(file), Some(_)) = (policy, &whom.registry) {
        return Err(usage(
            format!("--registry cannot be used with the policy {file}, which names its own"),
            Some("leave --registry out, or name a policy of that registry with --policy"),
        ));
    }
    let path = whom.keyring.as_ref().or(settings.keyring.value.as_ref());
    let default = context.directory.join(KEYRING);
    let path = path.unwrap_or(&default);
    let keyring = read_keyring(context, path)?;
    let policy = match policy {
        Some(file) => {
            warn_of_revocations(context, path, file)?;
            let policy = read_policy(context, file)?;
            // The threshold of one run is no part of what is agreed to.
            let counted = match whom.threshold {
                Some(threshold) => policy.clone().with_threshold(threshold),
                None => Ok(policy.clone()),
            };
            let counted = counted.map_err(|error| does_not_hold(file, &error.to_string()))?;
            agree::to_policy(context, &keyring, &policy, file, &whom.fingerprints)?;
            counted
        }
        None => agree::to_keyring(context, &keyring, path, whom)?,
    };
    Ok(Believed { policy, keyring })
}

/// Returns where the policy is: the file that somebody names, or else that of the user's settings.
pub(in crate::command) fn policy_file<'a>(
    context: &'a Context,
    named: Option<&'a Utf8Path>,
) -> Option<&'a Utf8Path> {
    named.or(context.settings.trust.policy.value.as_deref())
}

/// Says to whom a policy is their own that the keyring is not: whoever wrote the tree may have left out of it that a key
/// was revoked.
fn warn_of_revocations(
    context: &Context,
    keyring: &Utf8Path,
    policy: &Utf8Path,
) -> Result<(), Failure> {
    let is_in_tree = |path| place::is_in_tree(&context.directory, path);
    if !context.verbosity.quiet && is_in_tree(keyring)? && !is_in_tree(policy)? {
        render::note(&format!(
            "the keyring {keyring} lies in the tree, and may lack the newest revocations: keep one of your own (`keyring` in [trust])"
        ));
    }
    Ok(())
}

fn does_not_hold(policy: &Utf8Path, why: &str) -> Failure {
    usage(
        format!("the policy {policy} does not hold: {why}"),
        Some("docs/trust.md says what stands in a policy"),
    )
}

pub(in crate::command) fn read_policy(
    context: &Context,
    path: &Utf8Path,
) -> Result<Policy, Failure> {
    let ToRead::File(file) = place::to_read(&context.directory, path)? else {
        let message = format!("cannot read the policy {path}: it is a directory");
        return Err(usage(
            message,
            Some("name a file in TOML; docs/trust.md has an example"),
        ));
    };
    let read = beneath::read_open(&file, beneath::TEXT);
    let bytes = read.map_err(|error| place::cannot("read", path, &error))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|error| does_not_hold(path, &error.to_string()))?;
    Policy::read(&text).map_err(|error| does_not_hold(path, &error.to_string()))
}

/// Reads a keyring: a file, or all files of a directory.
fn read_keyring(context: &Context, path: &Utf8Path) -> Result<Keyring, Failure> {
    let mut keyring = Keyring::default();
    let mut add = |path: &Utf8Path, bytes: &[u8]| {
        let added = keyring.add(bytes);
        added.map_err(|error: InvalidKeyring| {
            usage(
                format!("cannot read the keyring {path}: {error}"),
                Some(error.hint()),
            )
        })
    };
    match place::to_read(&context.directory, path)? {
        ToRead::File(file) => {
            let read = beneath::read_open(&file, KEYRING_LIMIT);
            add(
                path,
                &read.map_err(|error| place::cannot("read", path, &error))?,
            )?;
        }
        ToRead::Directory(directory) => {
            let entries = directory.entries();
            for entry in entries.map_err(|error| place::cannot("read", path, &error))? {
                if entry.kind == Kind::Directory || entry.name.starts_with('.') {
                    continue;
                }
                let file = path.join(&entry.name);
                let read = directory.read(Utf8Path::new(&entry.name), KEYRING_LIMIT);
                add(
                    &file,
                    &read.map_err(|error| place::cannot("read", &file, &error))?,
                )?;
            }
        }
    }
    Ok(keyring)
}
