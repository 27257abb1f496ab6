//! The content security policy of a page: nothing is loaded, and only this style and this script count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The style of every page.
pub(crate) const STYLE: &str = include_str!("../templates/style.css");
/// The script of the pages that have a table to search. Without it, everything can be read.
pub(crate) const SCRIPT: &str = include_str!("../templates/script.js");

/// Returns the policy of every page.
pub(crate) fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
