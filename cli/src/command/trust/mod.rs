//! Who has signed what: `stagex verify` and `stagex keys`.

mod agree;
mod beside;
mod history;
mod judged;
mod keys;
mod podman;
mod signatures;
mod verify;
mod whom;

pub(super) use beside::{Beside, beside};
pub(super) use judged::{Pinned, judged, judged_by, judged_pinned, released_as, unverified};
pub(super) use keys::run as keys;
pub(super) use verify::run as verify;
pub(super) use whom::{Believed, believed, policy_file, read_policy};
