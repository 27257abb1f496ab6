//! On which processors and with which runtimes the people who signed a package have reproduced it: what each says
//! themselves, in statements that the same key has signed.
//!
//! It is what signers say, and no proof. It knows statements, and not where they come from.

use std::collections::BTreeSet;

use attest::{Opened, open};
use documents::{AttemptVerdict, Predicate, Reproduction, Statement};
use serde::Deserialize;

use crate::fingerprint::Fingerprint;
use crate::keyring::Keyring;
use crate::message::verify_detached;
use crate::place::Place;

/// How many bytes the statements that belong to a signature have at most.
pub const STATEMENTS_LIMIT: u64 = 1 << 20;

/// How many of them are looked at.
const MOST_STATEMENTS: usize = 64;

/// How different the machines have to be on which those who signed have reproduced a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Diversity {
    /// From how many vendors their processors have to be.
    pub cpu_vendors: u32,
    /// How many different runtimes there have to be.
    pub runtimes: u32,
}

/// On what a package was reproduced, as those say who signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reproduced {
    /// The vendors of processors.
    pub cpu_vendors: BTreeSet<String>,
    /// The runtimes, without labels.
    pub runtimes: BTreeSet<String>,
}

impl Diversity {
    /// Returns what is missing, in words.
    pub fn missing(self, found: &Reproduced) -> Vec<String> {
        let parts = [
            (
                self.cpu_vendors,
                &found.cpu_vendors,
                "processors of",
                "vendors",
            ),
            (self.runtimes, &found.runtimes, "", "runtimes"),
        ];
        let missing = parts
            .into_iter()
            .filter(|(needed, found, ..)| found.len() < *needed as usize);
        let said = missing.map(|(needed, found, of, what)| {
            let names: Vec<&str> = found.iter().map(String::as_str).collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let of = if of.is_empty() { String::new() } else { format!("{of} ") };
            format!("it has to be reproduced with {of}{needed} {what}, and those who signed say: {names}")
        });
        said.collect()
    }
}

impl Reproduced {
    /// Adds what the statements say that belong to a signature by a certificate: an envelope in each line. Returns what
    /// was wrong with those that say nothing.
    pub fn add(
        &mut self,
        keyring: &Keyring,
        place: &Place,
        certificate: &Fingerprint,
        lines: &str,
        now: i64,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            if number == MOST_STATEMENTS {
                wrong.push(format!("there are more than {MOST_STATEMENTS} statements"));
                break;
            }
            match read(keyring, place, certificate, line, now) {
                Ok(found) => {
                    self.runtimes.insert(found.runtime.engine().to_owned());
                    let vendor = found.machine.cpu_vendor;
                    if !vendor.is_empty() {
                        self.cpu_vendors.insert(vendor);
                    }
                }
                Err(why) => wrong.push(format!(
                    "the statement in line {} does not count: {why}",
                    number + 1
                )),
            }
        }
        wrong
    }
}

/// Reads one statement, if it is about this image, and signed by this certificate.
fn read(
    keyring: &Keyring,
    place: &Place,
    certificate: &Fingerprint,
    line: &str,
    now: i64,
) -> Result<Reproduction, String> {
    let Opened {
        statement,
        to_sign,
        signature,
        ..
    } = open(line).map_err(|error| error.to_string())?;
    let signed = verify_detached(keyring, &to_sign, &signature, now);
    let signed = signed.map_err(|refusal| refusal.to_string())?;
    if signed.certificate != *certificate {
        return Err(format!("it is signed by {}", signed.certificate));
    }
    if let Some(lapse) = signed.lapse {
        return Err(format!("its key {}", lapse.why));
    }
    let statement: Statement =
        serde_json::from_slice(&statement).map_err(|error| error.to_string())?;
    let Predicate::Reproduction(found) = statement.predicate else {
        return Err("it does not say how the package was reproduced".to_owned());
    };
    let is_of_image = |subject: &documents::ResourceDescriptor| {
        subject.name == place.package()
            && subject.digest.get("sha256").map(String::as_str) == Some(place.digest().hex())
    };
    let [subject] = statement.subject.as_slice() else {
        return Err("it is not about one image".to_owned());
    };
    if !is_of_image(subject) || found.digest != *place.digest() {
        return Err(format!("it is about {}, another image", subject.name));
    }
    if found.verdict != AttemptVerdict::Reproduced || found.machine.whose.is_some() {
        return Err("it does not say that the signer has reproduced the package".to_owned());
    }
    Ok(*found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Diversity {
            cpu_vendors: 2,
            runtimes: 2,
        };
        let found = Reproduced {
            cpu_vendors: set(&["GenuineIntel"]),
            runtimes: set(&["native", "podman"]),
        };
        let said = "it has to be reproduced with processors of 2 vendors, and those who signed say: GenuineIntel";
        assert_eq!(wanted.missing(&found), [said]);
        assert_eq!(wanted.missing(&Reproduced::default()).len(), 2);
        assert!(
            Diversity::default()
                .missing(&Reproduced::default())
                .is_empty()
        );
    }
}
