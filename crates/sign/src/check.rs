//! Whether a signature is the one that it should be: by the certificate that was chosen, of the bytes that were to be
//! signed.

use std::io;

use beneath::Directory;
use trust::{Keyring, Place, read, verify, verify_detached};

use crate::error::Error;
use crate::gpg::Gpg;
use crate::keys::Signer;

/// What tells signatures by one certificate.
#[derive(Debug)]
pub struct Checker {
    keyring: Keyring,
}

impl Checker {
    /// Asks GnuPG for the certificate of a key.
    ///
    /// # Errors
    ///
    /// It does not give it, or it is no certificate.
    pub async fn of_key(gpg: &Gpg, key: &Signer) -> Result<Self, Error> {
        let mut keyring = Keyring::default();
        keyring.add(&gpg.certificate(key).await?)?;
        Ok(Self { keyring })
    }

    /// Checks that a signed message is a signature of `bytes`, good now. Returns the fingerprint of its key.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check(&self, message: &[u8], bytes: &[u8], now: i64) -> Result<String, Error> {
        let signed = verify(&self.keyring, message, now).map_err(Error::NotVerified)?;
        if signed.bytes != bytes {
            return Err(Error::OtherBytes);
        }
        good_now(&signed)
    }

    /// Checks that a signature that stands apart is one of `bytes`, good now.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check_detached(&self, signature: &[u8], bytes: &[u8], now: i64) -> Result<(), Error> {
        let signed = verify_detached(&self.keyring, bytes, signature, now);
        good_now(&signed.map_err(Error::NotVerified)?).map(|_| ())
    }

    /// Returns the number of a signature of `bytes` in a place that is good now, if there is one.
    ///
    /// # Errors
    ///
    /// The place cannot be read.
    pub fn find(
        &self,
        signatures: &Directory,
        place: &Place,
        bytes: &[u8],
        now: i64,
    ) -> io::Result<Option<u32>> {
        let found = read(signatures, place)?.signatures.into_iter();
        let mut good = found.filter(|(_, message)| self.check(message, bytes, now).is_ok());
        Ok(good.next().map(|(number, _)| number))
    }
}

/// Returns the fingerprint of the key of a signature, if that is good now.
fn good_now(signed: &trust::Signed) -> Result<String, Error> {
    match signed.lapse {
        Some(lapse) => Err(Error::Lapsed(lapse.why)),
        None => Ok(signed.key.as_str().to_owned()),
    }
}
