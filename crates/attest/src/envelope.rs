//! A statement with a signature: an envelope as DSSE defines it (<https://github.com/secure-systems-lab/dsse>), version 1.
//!
//! It knows the bytes that are signed. It does not know how a signature is made or verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Envelope, EnvelopeSignature};

/// The type of what is signed.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// Why a line is no envelope of a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvelope {
    /// It is no envelope.
    #[error("it is not an envelope of DSSE: {0}")]
    Form(String),
    /// There is something else than a statement in it.
    #[error("it has something of the type `{0}` in it, where a statement is expected")]
    Type(String),
    /// It has no signature, or more than one.
    #[error("it has {0} signatures, where one is expected")]
    Signatures(usize),
    /// A part of it is not Base64.
    #[error("its {0} is not Base64")]
    Base64(&'static str),
}

/// A statement and the signature of it, neither of which was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The statement, as JSON.
    pub statement: Vec<u8>,
    /// The bytes that are signed.
    pub to_sign: Vec<u8>,
    /// What says which key signed, as the signer has it.
    pub key: String,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Returns the bytes that are signed for a statement, as [`line`](crate::line) gives it.
pub fn to_sign(statement: &[u8]) -> Vec<u8> {
    let (of_type, of_statement) = (STATEMENT.len(), statement.len());
    let mut bytes = format!("DSSEv1 {of_type} {STATEMENT} {of_statement} ").into_bytes();
    bytes.extend_from_slice(statement);
    bytes
}

/// Puts a statement and a signature of [`to_sign`] together, as one line of JSON.
pub fn enclose(statement: &[u8], key: &str, signature: &[u8]) -> String {
    let envelope = Envelope {
        payload_type: STATEMENT.to_owned(),
        payload: STANDARD.encode(statement),
        signatures: vec![EnvelopeSignature {
            keyid: key.to_owned(),
            sig: STANDARD.encode(signature),
        }],
    };
    serde_json::to_string(&envelope).expect("an envelope is plain data")
}

/// Reads an envelope of one statement, with one signature.
///
/// # Errors
///
/// It is something else.
pub fn open(line: &str) -> Result<Opened, InvalidEnvelope> {
    let envelope: Envelope =
        serde_json::from_str(line).map_err(|error| InvalidEnvelope::Form(error.to_string()))?;
    if envelope.payload_type != STATEMENT {
        return Err(InvalidEnvelope::Type(envelope.payload_type));
    }
    let [signature] = envelope.signatures.as_slice() else {
        return Err(InvalidEnvelope::Signatures(envelope.signatures.len()));
    };
    let decoded = |text: &str, what| {
        STANDARD
            .decode(text)
            .map_err(|_| InvalidEnvelope::Base64(what))
    };
    let statement = decoded(&envelope.payload, "payload")?;
    Ok(Opened {
        to_sign: to_sign(&statement),
        statement,
        key: signature.keyid.clone(),
        signature: decoded(&signature.sig, "signature")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_dsse_says() {
        // The form of its example, with our type and another text.
        let signed = String::from_utf8(to_sign(b"hello world")).unwrap();
        assert_eq!(
            signed,
            "DSSEv1 28 application/vnd.in-toto+json 11 hello world"
        );
    }

    #[test]
    fn what_was_enclosed_is_found_again() {
        let line = enclose(b"{\"a\":1}", "AA", &[0, 255, 7]);
        assert!(!line.contains('\n'));
        let opened = open(&line).unwrap();
        assert_eq!(opened.statement, b"{\"a\":1}");
        assert_eq!(
            (opened.key.as_str(), opened.signature.as_slice()),
            ("AA", &[0, 255, 7][..])
        );
        assert_eq!(opened.to_sign, to_sign(b"{\"a\":1}"));
    }

    #[test]
    fn anything_else_is_refused() {
        let line = enclose(b"{}", "AA", &[7]);
        for (part, instead, is_it) in [
            (
                "vnd.in-toto",
                "other",
                InvalidEnvelope::Type("application/other+json".to_owned()),
            ),
            ("{", "[", InvalidEnvelope::Form(String::new())),
            ("e30=", "e30", InvalidEnvelope::Base64("payload")),
            ("Bw==", "B!==", InvalidEnvelope::Base64("signature")),
        ] {
            let changed = line.replacen(part, instead, 1);
            assert_ne!(changed, line, "{part}");
            let error = open(&changed).unwrap_err();
            let same_kind = std::mem::discriminant(&error) == std::mem::discriminant(&is_it);
            assert!(same_kind, "{part}: {error}");
        }
        let one = "{\"keyid\":\"AA\",\"sig\":\"Bw==\"}";
        for (signatures, found) in [("", 0), (&format!("{one},{one}") as &str, 2)] {
            let changed = line.replacen(one, signatures, 1);
            assert_eq!(open(&changed), Err(InvalidEnvelope::Signatures(found)));
        }
    }
}
