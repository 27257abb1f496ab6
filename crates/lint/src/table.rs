//! The one table of rules. `stagex check --list-rules` and docs/lint.md are made from it.
//!
//! It does not know how a rule is checked.

use crate::rule::RuleSet::{Tree2024, Tree2026};
use crate::rule::Severity::{Error, Note, Warning};
use crate::rule::{Rule, RuleSet};

const BOTH: &[RuleSet] = &[Tree2024, Tree2026];
const ONLY_2024: &[RuleSet] = &[Tree2024];
const ONLY_2026: &[RuleSet] = &[Tree2026];

/// Whether a breach can be repaired without a change to any image.
const FIX: bool = true;
const NO_FIX: bool = false;

macro_rules! rules {
    ($($name:ident: $id:literal $severity:ident $sets:ident $fix:ident $reason:literal $advice:literal)*) => {
        $(pub(crate) static $name: Rule = Rule {
            id: $id,
            severity: $severity,
            reason: $reason,
            advice: $advice,
            sets: $sets,
            has_fix: $fix,
        };)*

        /// Every rule, in the order of the documentation.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    // What is wrong with a tree, whoever builds it.
    INVALID_PACKAGE: "invalid-package" Error BOTH NO_FIX
        "a `package.toml` or a directory is not what a tree needs, so nothing can be built from it"
        "change what the message names; docs/names.md says which names are possible"
    INVALID_CONTAINERFILE: "invalid-containerfile" Error BOTH NO_FIX
        "a Containerfile cannot be read, or cannot be built for one of the package's outputs"
        "change what the message names"
    MISSING_MANIFEST: "missing-manifest" Warning BOTH NO_FIX
        "a Containerfile without a `package.toml` beside it is not built"
        "write the package.toml, or remove the Containerfile"
    UNKNOWN_IMAGE: "unknown-image" Error BOTH NO_FIX
        "a FROM or a --from that names neither a stage, a package, `fetch` nor a seed cannot be built, because nothing is pulled"
        "name a package as stagex/<stage>-<name>"
    UNPINNED_IMAGE: "unpinned-image" Warning BOTH NO_FIX
        "an image that is named without a digest may be another one tomorrow"
        "name it with its digest, as in image@sha256:<digest>"

    // The network, and what else a build can see of the world.
    NETWORK_IN_RUN: "network-in-run" Warning BOTH NO_FIX
        "a RUN that can reach the network may build something else tomorrow"
        "write RUN --network=none, and declare what the build needs as a source; or list the stage in `network` of [build] in package.toml, with the reason"
    ADD_URL: "add-url" Warning BOTH NO_FIX
        "an ADD of a URL reaches the network, and its mirror may serve something else tomorrow"
        "declare the file as a source in package.toml, and add it from fetch/"
    TIME: "time" Warning BOTH NO_FIX
        "the time at which a build runs differs in each build"
        "give the time: date -u --date=@${SOURCE_DATE_EPOCH}"
    PROCESSORS: "processors" Warning BOTH NO_FIX
        "the number of processors differs between machines"
        "use it for nothing but the number of jobs: make -j\"$(nproc)\""
    LOCALE: "locale" Warning BOTH NO_FIX
        "a locale decides how a build sorts and formats text, and it may be missing where the package is built"
        "use LC_ALL=C or LANG=C.UTF-8"
    USER_ID: "user-id" Warning BOTH NO_FIX
        "the user that a build runs as differs between engines and users"
        "write the name or the number into the build"
    HOST_NAME: "host-name" Warning BOTH NO_FIX
        "the host's name differs: `buildkitsandbox` with Docker, the machine's or a random one with Podman and Buildah"
        "give the build a fixed name, by its own option or variable"
    NETWORK_FILES: "network-files" Warning BOTH NO_FIX
        "each engine writes its own /etc/hosts, /etc/hostname and /etc/resolv.conf"
        "write what is needed to a file of the package"
    DEVICES: "devices" Warning BOTH NO_FIX
        "/dev has few devices with Docker, and may be the host's with Podman and Buildah"
        "name the devices that are needed: /dev/null, /dev/zero, /dev/urandom"
    ROOT: "root" Warning BOTH NO_FIX
        "the mode and the entries of / differ: some engines have /run, or mode 0555"
        "keep the contents of the image in a directory such as /rootfs"
    LIMITS: "limits" Warning BOTH NO_FIX
        "the limits differ: Docker before 23 has those of its daemon"
        "set what is needed with ulimit -S, below 2048 files"
    HEREDOC_NAME: "heredoc-name" Warning BOTH NO_FIX
        "Buildah 1.39 and Podman 5.4 cannot create a file with a non-ASCII name from a heredoc"
        "copy it under an ASCII name, and rename it in a RUN"

    // Sources.
    UNDECLARED_SOURCE: "undeclared-source" Error ONLY_2026 NO_FIX
        "a file of fetch/ that package.toml does not declare is not there when the package is built"
        "declare it in package.toml as [sources.<key>] with its hash and mirrors, or correct the name"
    UNMATCHED_PATTERN: "unmatched-pattern" Warning ONLY_2026 NO_FIX
        "a pattern that matches nothing gives an empty layer with one engine, and fails with another"
        "remove the pattern, or copy the directory that it looks into"
    UNUSED_SOURCE: "unused-source" Warning ONLY_2026 NO_FIX
        "a source that no instruction uses is downloaded and stored for nothing"
        "remove it from package.toml, or add it in the Containerfile"
    HTTP_MIRROR: "http-mirror" Note ONLY_2026 NO_FIX
        "a source that only plain http serves can be withheld or observed on the way; the hash protects its contents only"
        "add a mirror with https"

    // Seeds.
    SEED_OUTSIDE_BOOTSTRAP: "seed-outside-bootstrap" Warning ONLY_2026 NO_FIX
        "a seed is a root file system that somebody else made; only the bootstrap begins with one, and everything else with packages"
        "move the package to bootstrap, or build it from packages of the tree"
    SINGLE_SEED: "single-seed" Warning ONLY_2026 NO_FIX
        "what is built from one seed is what that seed makes it; two that have nothing in common show that neither left anything of its own in the image"
        "declare a second root file system, from somebody else, as another seed"

    // Stages and packages.
    SUBPACKAGE_WITHOUT_STAGE: "subpackage-without-stage" Error ONLY_2026 NO_FIX
        "a subpackage is built from the stage `package-<name>`, so without that stage it cannot be built"
        "add the stage, or remove the subpackage from package.toml"
    PACKAGE_NOT_LAST: "package-not-last" Error ONLY_2026 NO_FIX
        "the last stage of a Containerfile becomes the image, whatever it is called"
        "move the stage `package` to the end"
    STAGE_NAME: "stage-name" Note ONLY_2026 NO_FIX
        "the stage that becomes the image is called `package` everywhere else in the tree"
        "end the last FROM with AS package"
    UNREACHABLE_STAGE: "unreachable-stage" Warning BOTH NO_FIX
        "a stage that no output needs is never built"
        "remove the stage, or copy from it"
    LAYERING: "layering" Warning BOTH NO_FIX
        "core is built from core and bootstrap, and pallets use no user packages, so that what everything else needs stays small"
        "move one of the two packages to another stage"
    LINE_SCAN: "line-scan" Error ONLY_2026 NO_FIX
        "StageX's own tools find dependencies line by line, so this build needs something that they do not build before it"
        "write FROM stagex/NAME or COPY --from=stagex/NAME at the beginning of a line, without a tag and with no other option before it"
    STAGEX_SCRIPTS: "stagex-scripts" Warning ONLY_2026 NO_FIX
        "StageX's own tools cannot expand this name or version, or expand it to something else"
        "write the version out"
    LICENSE: "license" Warning BOTH NO_FIX
        "programs that collect licences read only SPDX expressions"
        "write an SPDX expression, such as MIT OR Apache-2.0, or LicenseRef-<name> for what has no identifier"

    // BuildKit's own checks, which StageX turns into errors.
    STAGE_NAME_CASING: "StageNameCasing" Error ONLY_2026 FIX
        "the names of stages are compared in lower case, so capitals in them mislead"
        "write the name in lower case"
    FROM_AS_CASING: "FromAsCasing" Error ONLY_2026 FIX
        "`as` in another case than `from` is hard to read"
        "write both in capitals"
    NO_EMPTY_CONTINUATION: "NoEmptyContinuation" Error ONLY_2026 FIX
        "an empty line within an instruction will be an error in a later Dockerfile syntax"
        "remove the line"
    CONSISTENT_INSTRUCTION_CASING: "ConsistentInstructionCasing" Error ONLY_2026 FIX
        "instructions in different cases are hard to read"
        "write all of them in capitals"
    DUPLICATE_STAGE_NAME: "DuplicateStageName" Error ONLY_2026 NO_FIX
        "of two stages with one name, only the last can be named"
        "give each stage its own name"
    RESERVED_STAGE_NAME: "ReservedStageName" Error ONLY_2026 NO_FIX
        "`scratch` and `context` mean something else than a stage"
        "give the stage another name"
    JSON_ARGS_RECOMMENDED: "JSONArgsRecommended" Error ONLY_2026 NO_FIX
        "a shell that runs the program does not hand signals on to it"
        "write the command as a JSON array"
    MAINTAINER_DEPRECATED: "MaintainerDeprecated" Error ONLY_2026 NO_FIX
        "MAINTAINER is deprecated"
        "write LABEL org.opencontainers.image.authors=<name>"
    UNDEFINED_ARG_IN_FROM: "UndefinedArgInFrom" Error ONLY_2026 NO_FIX
        "a FROM sees only arguments that are declared before the first FROM"
        "declare it with ARG before the first FROM, or correct the name"
    WORKDIR_RELATIVE_PATH: "WorkdirRelativePath" Error ONLY_2026 NO_FIX
        "a relative working directory depends on that of the base image"
        "begin the path with a slash"
    UNDEFINED_VAR: "UndefinedVar" Error ONLY_2026 NO_FIX
        "a variable that nothing defines stands for nothing"
        "define it with ARG or ENV before, or correct the name"
    MULTIPLE_INSTRUCTIONS_DISALLOWED: "MultipleInstructionsDisallowed" Error ONLY_2026 NO_FIX
        "of several CMD, ENTRYPOINT or HEALTHCHECK in one stage, only the last counts"
        "remove the earlier one"
    LEGACY_KEY_VALUE_FORMAT: "LegacyKeyValueFormat" Error ONLY_2026 NO_FIX
        "`ENV name value` and `LABEL name value` are deprecated"
        "write name=value"
    REDUNDANT_TARGET_PLATFORM: "RedundantTargetPlatform" Error ONLY_2026 FIX
        "$TARGETPLATFORM is the platform of a FROM anyway"
        "remove the option"
    SECRETS_USED_IN_ARG_OR_ENV: "SecretsUsedInArgOrEnv" Error ONLY_2026 NO_FIX
        "an ARG or ENV ends up in the image, where everyone can read it, and this one is named like a secret"
        "use RUN --mount=type=secret, or give the variable another name"
    INVALID_DEFAULT_ARG_IN_FROM: "InvalidDefaultArgInFrom" Error ONLY_2026 NO_FIX
        "without build arguments, this FROM names no image"
        "give the ARG a default"
    EXPOSE_PROTO_CASING: "ExposeProtoCasing" Error ONLY_2026 NO_FIX
        "protocols are written in lower case"
        "write tcp, udp or sctp"
    EXPOSE_INVALID_FORMAT: "ExposeInvalidFormat" Error ONLY_2026 NO_FIX
        "EXPOSE names ports of the container, and neither addresses nor ports of the host"
        "write nothing but the port of the container"

    // The rules of 2024.
    FIVE_STAGES: "five-stages" Error ONLY_2024 NO_FIX
        "each package has the stages base, fetch, build, install and package, in this order"
        "add the stage, or move it"
    USER_1000: "user-1000" Warning ONLY_2024 NO_FIX
        "base, fetch and build run as the unprivileged user 1000, and install runs as root"
        "write USER 1000:1000 in base, and USER 0:0 in install"
    EPOCH_TIMES: "epoch-times" Warning ONLY_2024 NO_FIX
        "install gives every file of the root file system the time 0, so that the package is the same in each build"
        "end install with RUN find /rootfs -exec touch -hcd \"@0\" {} +"
    PACKAGE_FROM_SCRATCH: "package-from-scratch" Warning ONLY_2024 NO_FIX
        "a package has nothing in it but what install made"
        "write FROM scratch AS package, and copy /rootfs into it"
    FETCH_WITHOUT_HASH: "fetch-without-hash" Warning ONLY_2024 NO_FIX
        "fetch verifies everything that it downloads against a hash in the Containerfile"
        "verify the file with sha256sum -c, or use ADD --checksum"

    // What suppresses findings.
    BAD_ALLOW: "bad-allow" Error BOTH NO_FIX
        "a comment that suppresses findings must name rules that exist, and a reason"
        "write # stagex: allow(RULE) REASON"
    UNUSED_ALLOW: "unused-allow" Warning BOTH FIX
        "what suppresses nothing hides the next finding"
        "remove the comment or the entry"
}

/// Returns the rule with a name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
