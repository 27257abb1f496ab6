//! The options of `docker build` that `stagex build` does not take, each with what to do instead.

use clap::error::{ContextKind, ContextValue, ErrorKind as Refusal};

use crate::exit::ErrorKind;
use crate::failure::Failure;

/// What a `docker build` can be asked for, and is not taken here: with what to do instead.
const NOT_TAKEN: [(&str, &str); 41] = [
    ("--add-host", SURROUNDINGS),
    ("--allow", SURROUNDINGS),
    ("--annotation", LABELS),
    ("--attest", "leave it out: stagex makes no attestations"),
    (
        "--builder",
        "select the runtime instead: stagex --runtime NAME build",
    ),
    ("--cache-from", CACHE),
    ("--cache-to", CACHE),
    ("--call", "use --check"),
    ("--cgroup-parent", SURROUNDINGS),
    (
        "--compress",
        "leave it out: the context is not sent anywhere",
    ),
    ("--cpu-period", LIMITS),
    ("--cpu-quota", LIMITS),
    ("--cpu-shares", LIMITS),
    ("-c", LIMITS),
    ("--cpuset-cpus", LIMITS),
    ("--cpuset-mems", LIMITS),
    ("--debug", "use --verbose"),
    ("-D", "use --verbose"),
    (
        "--detach",
        "leave it out: run stagex itself in the background",
    ),
    (
        "--disable-content-trust",
        "leave it out: every image is compared with its digest",
    ),
    ("--force-rm", NOTHING_LEFT),
    (
        "--invoke",
        "leave it out: build with --load, and run the image",
    ),
    ("--isolation", SURROUNDINGS),
    ("--label", LABELS),
    ("--memory", LIMITS),
    ("-m", LIMITS),
    ("--memory-swap", LIMITS),
    ("--no-cache-filter", CACHE),
    ("--policy", SURROUNDINGS),
    ("--print", "use --check, or stagex plan for a tree"),
    (
        "--pull",
        "leave it out: nothing is pulled, every image is given with --build-context",
    ),
    ("--resource", LIMITS),
    ("--rm", NOTHING_LEFT),
    (
        "--root",
        "leave it out: select the runtime with stagex --runtime NAME build",
    ),
    ("--secret", SURROUNDINGS),
    ("--security-opt", SURROUNDINGS),
    (
        "--server-config",
        "leave it out: select the runtime with stagex --runtime NAME build",
    ),
    ("--shm-size", SURROUNDINGS),
    (
        "--squash",
        "leave it out: each instruction keeps its layer; stages and COPY --from make fewer layers",
    ),
    ("--ssh", SURROUNDINGS),
    ("--stream", "leave it out: the context is not sent anywhere"),
];
const SURROUNDINGS: &str = "leave it out: an image may depend only on the Containerfile, its contexts and its build arguments";
const LIMITS: &str = "leave it out, and run stagex within limits: systemd-run --scope -p MemoryMax=4G stagex build ...";
const NOTHING_LEFT: &str = "leave it out: no container is left of a build";
const LABELS: &str = "use LABEL in the Containerfile: nothing else decides what is in the image";
const CACHE: &str = "leave it out: the engine's own cache is used, or none with --no-cache";

/// Returns what to say of a flag of `docker build` that `stagex build` does not take.
pub(crate) fn refused(error: &clap::Error) -> Option<Failure> {
    let of_build = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains("stagex build"),
        _ => false,
    };
    if error.kind() != Refusal::UnknownArgument || !of_build {
        return None;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (flag, hint) = NOT_TAKEN.iter().find(|(known, _)| known == flag)?;
    let message = format!("{flag} is not supported");
    Some(Failure::of(
        ErrorKind::Usage,
        [(message, Some((*hint).to_owned()))],
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn every_flag_that_is_not_taken_is_named() {
        for (flag, _) in NOT_TAKEN {
            let error = Arguments::try_parse_from(["stagex", "build", flag, "x", "."]).unwrap_err();
            let failure = refused(&error).unwrap_or_else(|| panic!("{flag}: {error}"));
            assert_eq!(failure.exit(), ErrorKind::Usage.into());
        }
        let of_make = Arguments::try_parse_from(["stagex", "make", "--pull"]).unwrap_err();
        assert!(refused(&of_make).is_none());
    }
}
