//! What Podman is told of whom the user believes: `stagex verify --print-podman-policy` and
//! `--print-podman-registries`.

use trust::{podman_policy, podman_registries};

use super::signatures::address;
use super::whom::{Believed, believed};
use crate::arguments::Whom;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::render;

/// Prints the `policy.json` that comes nearest, and says how it differs.
pub(super) fn policy(context: &Context, whom: &Whom) -> Result<Exit, Failure> {
    let Believed { policy, keyring } = believed(context, whom)?;
    let printed = podman_policy(&policy, &keyring);
    let (podman, differences) = printed.map_err(|error| {
        let hint =
            "name a policy with people who may sign all packages, and a keyring that has them";
        Failure::new(ErrorKind::Usage, &error, Some(hint.to_owned()))
    })?;
    if !context.verbosity.quiet {
        for difference in differences {
            print_problem("warning", &difference.to_string(), None);
        }
    }
    render::foreign(&podman);
    Ok(Exit::Success)
}

/// Prints the file for `registries.d`.
pub(super) fn registries(context: &Context, whom: &Whom) -> Result<Exit, Failure> {
    let Believed { policy, .. } = believed(context, whom)?;
    let base = address(context, whom)?;
    render::result(&podman_registries(&policy.registry, &base));
    Ok(Exit::Success)
}
