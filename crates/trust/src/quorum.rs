//! Whether enough people have signed: each signature is looked at by itself, and then people are counted, not keys and
//! not files.
//!
//! It knows signatures and the policy. It does not know where signatures come from.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::keyring::Keyring;
use crate::message::{Lapse, Signed, verify};
use crate::payload::Payload;
use crate::place::Place;
use crate::policy::{Policy, Reference};
use crate::refusal::Refusal;

/// What must be signed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The package and its digest, and where its signatures lie.
    pub place: &'a Place,
    /// The package's version, as its image is tagged; without it, any.
    pub tag: Option<&'a str>,
    /// Its signatures, with their numbers.
    pub signatures: &'a [(u32, Vec<u8>)],
    /// For the numbers of signatures that somebody else has seen, when that was, in seconds since 1970.
    pub seen: &'a BTreeMap<u32, i64>,
}

/// What came of the signatures of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Each signature.
    pub signatures: Vec<Judged>,
    /// The names of the people who count, in the order of their signatures.
    pub people: Vec<String>,
    /// How many more are needed.
    pub missing: u32,
}

/// What came of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its number.
    pub number: u32,
    /// What it says, if it holds.
    pub signed: Option<Signed>,
    /// Whose it is, if it is somebody's in the policy.
    pub person: Option<String>,
    /// Why it does not count, if it does not.
    pub refusal: Option<Refusal>,
}

/// Judges the signatures of a package, at the moment `now` in seconds since 1970.
pub fn judge(policy: &Policy, keyring: &Keyring, wanted: Wanted<'_>, now: i64) -> Judgement {
    let mut people: Vec<String> = Vec::new();
    let mut judged = Vec::new();
    for (number, bytes) in wanted.signatures {
        let mut one = Judged {
            number: *number,
            signed: None,
            person: None,
            refusal: None,
        };
        match verify(keyring, bytes, now) {
            Err(refusal) => one.refusal = Some(refusal),
            Ok(signed) => {
                let member = policy.owner(&signed.certificate);
                one.person = member.map(|member| member.name.clone());
                let counted = of_wanted(policy.reference, wanted, &signed).and_then(|()| {
                    let Some(member) = member else {
                        return Err(Refusal::Unlisted(signed.certificate.clone()));
                    };
                    let name = || member.name.clone();
                    if !member.may_sign(wanted.place.package()) {
                        return Err(Refusal::NotAllowed(name()));
                    }
                    let was_seen_before = |lapse: &Lapse| {
                        wanted
                            .seen
                            .get(number)
                            .is_some_and(|seen| *seen < lapse.since)
                    };
                    if let Some(lapse) = signed.lapse
                        && !was_seen_before(&lapse)
                    {
                        return Err(Refusal::Lapsed {
                            why: lapse.why,
                            since: lapse.since,
                        });
                    }
                    if member.machine {
                        return Err(Refusal::Machine(name()));
                    }
                    if people.contains(&member.name) {
                        return Err(Refusal::Again(name()));
                    }
                    people.push(name());
                    Ok(())
                });
                one.refusal = counted.err();
                one.signed = Some(signed);
            }
        }
        judged.push(one);
    }
    let have = u32::try_from(people.len()).unwrap_or(u32::MAX);
    Judgement {
        signatures: judged,
        people,
        missing: policy.threshold.get().saturating_sub(have),
    }
}

/// Judges the signatures of many packages, on all cores.
pub fn judge_all(
    policy: &Policy,
    keyring: &Keyring,
    packages: &[Wanted<'_>],
    now: i64,
) -> Vec<Judgement> {
    let packages = packages.par_iter();
    let judged = packages.map(|wanted| judge(policy, keyring, *wanted, now));
    judged.collect()
}

/// Refuses what is signed if it is not what is wanted.
fn of_wanted(reference: Reference, wanted: Wanted<'_>, signed: &Signed) -> Result<(), Refusal> {
    let payload = Payload::read(&signed.bytes)?;
    if !wanted.place.is_of(&payload) {
        let signed = format!("{} with {}", payload.reference(), payload.digest());
        return Err(Refusal::Moved { signed });
    }
    if let (Reference::Exact, Some(tag)) = (reference, wanted.tag)
        && payload.tag() != tag
    {
        return Err(Refusal::Tag {
            signed: payload.reference(),
            expected: tag.to_owned(),
        });
    }
    Ok(())
}
