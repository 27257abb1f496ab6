//! For which platforms images can be built: those whose programs an engine runs.
//!
//! It does not know which engine that is, nor what makes it run them.

use backend_api::Ready;

use crate::error::Error;

/// The platforms whose programs run without an emulator, and whose images have been compared with
/// published digests.
pub(crate) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/386"];

/// Refuses platforms whose programs an engine does not run.
///
/// # Errors
///
/// [`Error::Platform`] with those that it does.
pub fn check_platforms(ready: &Ready, platforms: &[impl AsRef<str>]) -> Result<(), Error> {
    let emulated = ready.capabilities.platforms.iter().cloned();
    let own = PLATFORMS.iter().map(|platform| (*platform).to_owned());
    let expected: Vec<String> = own.chain(emulated).collect();
    let mut platforms = platforms.iter().map(AsRef::as_ref);
    match platforms.find(|platform| !expected.iter().any(|known| known == platform)) {
        Some(platform) => Err(Error::Platform {
            platform: platform.to_owned(),
            expected,
        }),
        None => Ok(()),
    }
}
