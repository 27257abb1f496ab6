//! Reading what GnuPG lists of keys, and what it says while it signs: its `--with-colons` and `--status-fd`.
//!
//! It knows lines of text (GnuPG's doc/DETAILS), and starts nothing.

use crate::error::Error;

/// A key that signs: a certificate, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The fingerprint of the certificate's primary key, in upper-case hex.
    pub certificate: String,
    /// The first user id.
    pub user: String,
    /// The fingerprints of the keys of it that can sign.
    pub(crate) can_sign: Vec<String>,
    /// The one that was asked for with `!`, where no other will do.
    pub(crate) exactly: Option<String>,
}

impl Signer {
    /// Returns how GnuPG is told to use it.
    pub(crate) fn local_user(&self) -> String {
        match &self.exactly {
            Some(key) => format!("{key}!"),
            None => self.certificate.clone(),
        }
    }

    /// Tells whether a signature by a key, by its fingerprint, is one of it.
    pub(crate) fn is_of(&self, key: &str) -> bool {
        match &self.exactly {
            Some(exactly) => exactly == key,
            None => self.can_sign.iter().any(|known| known == key),
        }
    }
}

/// A key in a listing.
#[derive(Debug, Default, Clone)]
struct Listed {
    validity: String,
    capabilities: String,
    fingerprint: String,
}

/// Reads what `gpg --with-colons --list-keys` prints for `asked`, with or without a `!` at its end.
pub(crate) fn signing_key(listing: &str, asked: &str) -> Result<Signer, Error> {
    let mut certificates: Vec<(Vec<Listed>, Option<String>)> = Vec::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |place: usize| {
            fields
                .get(place - 1)
                .copied()
                .unwrap_or_default()
                .to_owned()
        };
        let listed = || Listed {
            validity: field(2),
            capabilities: field(12),
            fingerprint: String::new(),
        };
        match (fields[0], certificates.last_mut()) {
            ("pub", _) => certificates.push((vec![listed()], None)),
            ("sub", Some((keys, _))) => keys.push(listed()),
            ("fpr", Some((keys, _))) => {
                let last = keys.last_mut().filter(|key| key.fingerprint.is_empty());
                if let Some(key) = last {
                    key.fingerprint = field(10);
                }
            }
            ("uid", Some((_, user @ None))) => *user = Some(unescaped(&field(10))),
            _ => {}
        }
    }
    let key = asked.to_owned();
    let (keys, user) = match certificates.as_slice() {
        [] => return Err(Error::NoKey { key }),
        [only] => only,
        several => {
            let first = |(keys, _): &(Vec<Listed>, _)| keys[0].fingerprint.clone();
            let found = several.iter().map(first).collect();
            return Err(Error::Ambiguous { key, found });
        }
    };
    let primary = &keys[0];
    let unusable = |key: &Listed, why| Error::Unusable {
        fingerprint: key.fingerprint.clone(),
        why,
    };
    if let Some(why) = why_unusable(primary) {
        return Err(unusable(primary, why));
    }
    if primary.capabilities.contains('D') {
        return Err(unusable(primary, "is disabled"));
    }
    let can_sign: Vec<String> = keys
        .iter()
        .filter(|key| why_unusable(key).is_none() && key.capabilities.contains('s'))
        .map(|key| key.fingerprint.clone())
        .collect();
    if can_sign.is_empty() {
        return Err(unusable(primary, "has nothing that can sign now"));
    }
    let exactly = match asked.strip_suffix('!') {
        None => None,
        Some(asked) => {
            let asked = asked.trim_start_matches("0x").to_ascii_uppercase();
            let mut named = keys.iter().filter(|key| key.fingerprint.ends_with(&asked));
            let named = named.next().ok_or(Error::NoKey { key })?;
            if !can_sign.contains(&named.fingerprint) {
                return Err(unusable(named, "cannot sign now"));
            }
            Some(named.fingerprint.clone())
        }
    };
    Ok(Signer {
        certificate: primary.fingerprint.clone(),
        user: user.clone().unwrap_or_default(),
        can_sign,
        exactly,
    })
}

fn why_unusable(key: &Listed) -> Option<&'static str> {
    match key.validity.as_str() {
        "r" => Some("is revoked"),
        "e" => Some("has expired"),
        "d" => Some("is disabled"),
        "i" => Some("is invalid"),
        _ => None,
    }
}

/// Takes back what is escaped in a user id: `\x3a` for a colon.
fn unescaped(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x") {
        found.push_str(before);
        let code = behind
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            found.push(char::from(code));
            rest = &behind[2..];
        } else {
            found.push_str("\\x");
            rest = behind;
        }
    }
    found + rest
}

/// What GnuPG said of a signature that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// The fingerprint of the key, in upper-case hex.
    pub key: String,
    /// Its number of the hash algorithm.
    pub hash: String,
}

/// Finds in the status lines what was created; nothing where not exactly one signature was.
pub(crate) fn created(status: &str) -> Option<Created> {
    let mut found = status.lines().filter_map(|line| {
        let words = line.trim().strip_prefix("[GNUPG:] SIG_CREATED ")?;
        let words: Vec<&str> = words.split(' ').collect();
        // Its kind, the algorithms of the key and of the hash, the class, the time, and the key.
        let [_, _, hash, _, _, key] = words.as_slice() else {
            return None;
        };
        Some(Created {
            key: (*key).to_owned(),
            hash: (*hash).to_owned(),
        })
    });
    let one = found.next();
    one.filter(|_| found.next().is_none())
}

/// Returns the name of a hash algorithm, by OpenPGP's number, that nobody should sign with.
pub(crate) fn weak_hash(number: &str) -> Option<&'static str> {
    match number {
        "1" => Some("MD5"),
        "2" => Some("SHA-1"),
        "3" => Some("RIPEMD-160"),
        _ => None,
    }
}

/// Returns what GnuPG said to people, without the status lines.
pub(crate) fn messages(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| !line.starts_with("[GNUPG:] "));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ONE: &str = "\
pub:u:255:22:1111111111111111:1700000000:::u:::scSC:::::ed25519:::0:
fpr:::::::::AAAA1111111111111111:
uid:u::::1700000000::0000::Ann\\x3a One <ann@example.org>::::::::::0:
uid:u::::1700000000::0000::Another::::::::::0:
sub:u:255:22:2222222222222222:1700000000::::::s:::::ed25519::
fpr:::::::::AAAA2222222222222222:
sub:u:255:18:3333333333333333:1700000000::::::e:::::cv25519::
fpr:::::::::AAAA3333333333333333:
";

    #[test]
    fn a_certificate_has_keys_that_can_sign() {
        let key = signing_key(ONE, "ann").unwrap();
        assert_eq!(key.certificate, "AAAA1111111111111111");
        assert_eq!(key.user, "Ann: One <ann@example.org>");
        assert_eq!(
            key.can_sign,
            ["AAAA1111111111111111", "AAAA2222222222222222"]
        );
        assert!(key.is_of("AAAA2222222222222222") && !key.is_of("AAAA3333333333333333"));
        assert_eq!(key.local_user(), "AAAA1111111111111111");

        let exactly = signing_key(ONE, "0x2222222222222222!").unwrap();
        assert_eq!(exactly.local_user(), "AAAA2222222222222222!");
        assert!(exactly.is_of("AAAA2222222222222222") && !exactly.is_of("AAAA1111111111111111"));
    }

    #[rstest]
    #[case::revoked("pub:u:", "pub:r:", "ann", "is revoked")]
    #[case::expired("pub:u:", "pub:e:", "ann", "has expired")]
    #[case::disabled(":scSC:", ":scSCD:", "ann", "is disabled")]
    #[case::only_for_encryption(
        "3333333333333333",
        "3333333333333333",
        "3333333333333333!",
        "cannot sign"
    )]
    #[case::no_such_subkey("pub:u:", "pub:u:", "4444444444444444!", "knows no key")]
    #[case::nothing("pub:", "rvs:", "ann", "knows no key")]
    fn one_that_cannot_sign_is_refused(
        #[case] part: &str,
        #[case] instead: &str,
        #[case] asked: &str,
        #[case] said: &str,
    ) {
        let listing = ONE.replacen(part, instead, 1);
        let error = signing_key(&listing, asked).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn a_name_of_two_is_refused_with_both() {
        let two = format!("{ONE}{}", ONE.replace("AAAA", "BBBB"));
        let error = signing_key(&two, "ann").unwrap_err().to_string();
        assert!(
            error.contains("AAAA1111111111111111, BBBB1111111111111111"),
            "{error}"
        );
    }

    #[test]
    fn one_signature_is_created_or_none() {
        let line = "[GNUPG:] SIG_CREATED S 22 10 00 1700000000 AAAA2222222222222222\n";
        let found = created(&format!("gpg: a\n{line}[GNUPG:] END\n")).unwrap();
        assert_eq!(
            (found.key.as_str(), found.hash.as_str()),
            ("AAAA2222222222222222", "10")
        );
        assert_eq!(created(&line.repeat(2)), None);
        assert_eq!(created("[GNUPG:] INV_SGNR 9 x\n"), None);
    }
}
