//! What the tests look at: certificates and signatures of real gpg, made once. Nobody's agent runs any longer when a
//! test begins.

use std::sync::LazyLock;

use documents::Digest;
use trust::{Fingerprint, Keyring, Payload, Place, Policy, Registry};

use crate::gpg::Gpg;

/// When keys are made.
pub(crate) const MADE: &str = "20260101T000000";
/// When most signatures are.
pub(crate) const SIGNED: &str = "20260301T000000";
/// After keys have expired or were retired.
pub(crate) const LATE: &str = "20260601T000000";
/// When signatures are looked at: the first of July 2026.
pub(crate) const NOW: i64 = 1_782_864_000;

pub(crate) const PACKAGE: &str = "core-musl";
pub(crate) const TAG: &str = "1.2.4";

/// Whoever has a certificate.
pub(crate) struct Someone {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) certificate: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

pub(crate) struct Material {
    pub(crate) ada: Someone,
    /// The certificate that Ada has besides.
    pub(crate) ada_second: Someone,
    /// He signs with subkeys, and has two user ids.
    pub(crate) bob: Someone,
    pub(crate) bob_second_subkey: Vec<u8>,
    pub(crate) robot: Someone,
    /// In nobody's policy.
    pub(crate) mallory: Someone,
    /// The certificate expires in April.
    pub(crate) expired: Someone,
    pub(crate) signed_after_expiry: Vec<u8>,
    /// It was retired in April.
    pub(crate) retired: Someone,
    pub(crate) signed_after_retirement: Vec<u8>,
    pub(crate) compromised: Someone,
    pub(crate) revoked_without_reason: Someone,
    pub(crate) signed_before_the_key_was_made: Vec<u8>,
    pub(crate) signed_in_the_future: Vec<u8>,
    /// Ada's signatures that have another form.
    pub(crate) forms: Vec<(&'static str, Vec<u8>)>,
    pub(crate) armored: Vec<u8>,
    pub(crate) clear_text: Vec<u8>,
    pub(crate) detached: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) sha1: Vec<u8>,
    pub(crate) by_two: Vec<u8>,
    pub(crate) with_a_limit: Vec<u8>,
    /// Ada's signatures of other bytes.
    pub(crate) of: Vec<(&'static str, Vec<u8>)>,
    pub(crate) armored_certificates: Vec<u8>,
    pub(crate) secret: Vec<u8>,
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest::sha256(&[byte; 32])
}

pub(crate) fn registry() -> Registry {
    "stagex".parse().unwrap()
}

pub(crate) fn place() -> Place {
    Place::new(&registry(), PACKAGE, digest(7)).unwrap()
}

pub(crate) fn payload(package: &str, tag: &str, byte: u8) -> Vec<u8> {
    Payload::new(&registry(), package, tag, digest(byte))
        .unwrap()
        .to_bytes()
}

pub(crate) static MATERIAL: LazyLock<Material> = LazyLock::new(Material::make);

impl Material {
    #[expect(
        clippy::too_many_lines,
        reason = "it is a list: each thing is made in a line or two"
    )]
    fn make() -> Self {
        let gpg = Gpg::new();
        let good = payload(PACKAGE, TAG, 7);
        let someone = |user: &str, expires: &str| {
            let fingerprint = gpg.key(MADE, user, "sign", expires);
            Someone {
                certificate: gpg.export(MADE, &fingerprint),
                signature: gpg.sign(SIGNED, &fingerprint, &[], &good),
                fingerprint,
            }
        };
        let ada = someone("Ada <ada@example.org>", "never");
        let by_ada =
            |time: &str, more: &[&str], bytes: &[u8]| gpg.sign(time, &ada.fingerprint, more, bytes);

        let bob = gpg.key(MADE, "Bob <bob@example.org>", "cert", "never");
        let first = gpg.subkey(MADE, &bob);
        let second = gpg.subkey("20260102T000000", &bob);
        gpg.run(
            MADE,
            &[
                "--quick-add-uid",
                bob.as_str(),
                "Robert <robert@example.org>",
            ],
            b"",
        );
        let bob_second_subkey = gpg.sign(SIGNED, &second, &[], &good);
        let bob = Someone {
            certificate: gpg.export(MADE, &bob),
            signature: gpg.sign(SIGNED, &first, &[], &good),
            fingerprint: bob,
        };

        let expired = someone("Carol <carol@example.org>", "90d");
        // Only her own gpg knows that the key lives longer.
        gpg.run(
            SIGNED,
            &["--quick-set-expire", expired.fingerprint.as_str(), "0"],
            b"",
        );
        let signed_after_expiry = gpg.sign(LATE, &expired.fingerprint, &[], &good);

        let mut retired = someone("Dave <dave@example.org>", "never");
        let revocation = gpg.revocation("20260401T000000", &retired.fingerprint, 3);
        retired.certificate = gpg.revoked(LATE, &retired.fingerprint, &revocation);
        let signed_after_retirement = gpg.sign(LATE, &retired.fingerprint, &[], &good);

        let mut compromised = someone("Erin <erin@example.org>", "never");
        let revocation = gpg.revocation("20260401T000000", &compromised.fingerprint, 1);
        compromised.certificate = gpg.revoked(LATE, &compromised.fingerprint, &revocation);

        let mut revoked = someone("Frank <frank@example.org>", "never");
        let revocation = gpg.revocation_without_reason(&revoked.fingerprint);
        revoked.certificate = gpg.revoked(LATE, &revoked.fingerprint, &revocation);

        Self {
            bob_second_subkey,
            ada_second: someone("Ada at home <ada@example.com>", "never"),
            robot: someone("Robot <robot@example.org>", "never"),
            mallory: someone("Mallory <mallory@example.org>", "never"),
            signed_after_expiry,
            expired,
            signed_after_retirement,
            retired,
            compromised,
            revoked_without_reason: revoked,
            signed_before_the_key_was_made: by_ada("20251201T000000", &[], &good),
            signed_in_the_future: by_ada("20270101T000000", &[], &good),
            forms: forms(&gpg, &ada, &good),
            armored: gpg.run(
                SIGNED,
                &[
                    "--local-user",
                    ada.fingerprint.as_str(),
                    "--armor",
                    "--sign",
                ],
                &good,
            ),
            clear_text: gpg.run(
                SIGNED,
                &["--local-user", ada.fingerprint.as_str(), "--clear-sign"],
                &good,
            ),
            detached: gpg.run(
                SIGNED,
                &["--local-user", ada.fingerprint.as_str(), "--detach-sign"],
                &good,
            ),
            text: by_ada(SIGNED, &["--textmode"], &good),
            sha1: by_ada(SIGNED, &["--digest-algo", "SHA1"], &good),
            by_two: by_ada(SIGNED, &["--local-user", &format!("{first}!")], &good),
            with_a_limit: by_ada(SIGNED, &["--default-sig-expire", "30d"], &good),
            of: other_payloads(&gpg, &ada, &good),
            armored_certificates: [
                b"Ada, then Bob:\n".to_vec(),
                gpg.run(
                    MADE,
                    &["--armor", "--export", ada.fingerprint.as_str()],
                    b"",
                ),
                b"\nand\n".to_vec(),
                gpg.run(
                    MADE,
                    &["--armor", "--export", bob.fingerprint.as_str()],
                    b"",
                ),
            ]
            .concat(),
            secret: gpg.run(
                MADE,
                &["--export-secret-keys", ada.fingerprint.as_str()],
                b"",
            ),
            bob,
            ada,
        }
    }

    /// Returns the keyring with all certificates.
    pub(crate) fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::default();
        for someone in self.everybody() {
            keyring.add(&someone.certificate).unwrap();
        }
        keyring
    }

    fn everybody(&self) -> [&Someone; 9] {
        [
            &self.ada,
            &self.ada_second,
            &self.bob,
            &self.robot,
            &self.mallory,
            &self.expired,
            &self.retired,
            &self.compromised,
            &self.revoked_without_reason,
        ]
    }

    /// Returns the policy: two people of all but Mallory.
    pub(crate) fn policy(&self) -> Policy {
        Policy::read(&self.policy_text()).unwrap()
    }

    pub(crate) fn policy_text(&self) -> String {
        let person = |name: &str, certificates: &[&Someone], more: &str| {
            let certificates = certificates
                .iter()
                .map(|one| format!("{:?}", one.fingerprint.as_str()));
            let certificates: Vec<_> = certificates.collect();
            let certificates = certificates.join(", ");
            format!("[[people]]\nname = \"{name}\"\ncertificates = [{certificates}]\n{more}\n")
        };
        let people = [
            person("Ada", &[&self.ada, &self.ada_second], ""),
            person("Bob", &[&self.bob], ""),
            person("Carol", &[&self.expired], ""),
            person("Dave", &[&self.retired], ""),
            person("Erin", &[&self.compromised], ""),
            person("Frank", &[&self.revoked_without_reason], ""),
            person("Robot", &[&self.robot], "machine = true"),
        ];
        format!("threshold = 2\n{}", people.concat())
    }
}

/// Returns a good signature in each form that gpg writes.
fn forms(gpg: &Gpg, ada: &Someone, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let file = gpg.file(good);
    let form = |name: &'static str, algorithm: &str, from_file: bool| {
        let more = ["--compress-algo", algorithm];
        let key = format!("{}!", ada.fingerprint);
        let usual = [
            "--local-user",
            &key,
            "--output",
            "-",
            "--no-armor",
            "--sign",
            file.as_str(),
        ];
        let bytes = if from_file {
            gpg.run(SIGNED, &[&more[..], &usual].concat(), b"")
        } else {
            gpg.sign(SIGNED, &ada.fingerprint, &more, good)
        };
        (name, bytes)
    };
    vec![
        form("zip, from standard input", "zip", false),
        form("zip, from a file", "zip", true),
        form("zlib, from standard input", "zlib", false),
        form("zlib, from a file", "zlib", true),
        form("not compressed, from standard input", "uncompressed", false),
        form("not compressed, from a file", "uncompressed", true),
    ]
}

/// Returns Ada's signatures of other bytes.
fn other_payloads(gpg: &Gpg, ada: &Someone, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = String::from_utf8(good.to_vec()).unwrap();
    let spoilt = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let of = [
        ("another package", payload("core-gcc", TAG, 7)),
        ("another digest", payload(PACKAGE, TAG, 8)),
        ("another version", payload(PACKAGE, "1.2.3", 7)),
        ("another registry", spoilt("stagex/", "evil/")),
        ("no JSON", b"docker.io/stagex/core-musl\n".to_vec()),
        ("nothing", Vec::new()),
        ("a blank in it", spoilt("{\"critical\"", "{ \"critical\"")),
        (
            "a member twice",
            spoilt(
                "\"image\":{",
                "\"image\":{\"docker-manifest-digest\":\"x\"},\"image\":{",
            ),
        ),
        (
            "an unknown critical member",
            spoilt("\"critical\":{", "\"critical\":{\"x\":1,"),
        ),
        ("an empty digest", spoilt(digest(7).hex(), "")),
        ("no tag", spoilt(":1.2.4", ":null")),
        ("more than a payload has", vec![b' '; 100_000]),
        (
            "a payload with a gigabyte behind it",
            [good, &[b' '; 5000]].concat(),
        ),
    ];
    let sign = |bytes: &[u8]| gpg.sign(SIGNED, &ada.fingerprint, &[], bytes);
    of.map(|(name, bytes)| (name, sign(&bytes))).into()
}
