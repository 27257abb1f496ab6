//! Reads what the builder wrote to standard error when it failed. Knows its messages and those
//! of what it starts; whatever is not known is kept whole by the caller.

use backend_api::ErrorKind;

/// What is known of a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The builder's last word on it, in one line.
    pub(crate) message: String,
    pub(crate) kind: ErrorKind,
    pub(crate) hint: Option<&'static str>,
}

/// A failure that is known: what the output has in it, all of it, and what that means.
type Known = (&'static [&'static str], ErrorKind, &'static str);

const KNOWN: [Known; 13] = [
    (
        &["unable to connect to", "socket"],
        ErrorKind::DaemonUnreachable,
        "see whether the engine's service runs where the connection leads",
    ),
    (
        &["no space left on device"],
        ErrorKind::Storage,
        "free some space on the file system of the work directory",
    ),
    (
        &["overlay", "is not supported over"],
        ErrorKind::Storage,
        "put the work directory on a file system that overlayfs supports (ext4, xfs, btrfs, tmpfs), with \
         --out DIR or STAGEX_OUT, or build without an engine: --runtime native",
    ),
    (
        &["newuidmap", "executable file not found"],
        ErrorKind::PermissionDenied,
        "install newuidmap and newgidmap (Debian: apt-get install uidmap), or run as root",
    ),
    (
        &["no subuid ranges found"],
        ErrorKind::PermissionDenied,
        "give the user a range of IDs in /etc/subuid and /etc/subgid (usermod --add-subuids), or \
         run as root",
    ),
    (
        &["cannot clone: Operation not permitted"],
        ErrorKind::PermissionDenied,
        "allow user namespaces to this user (sysctl kernel.unprivileged_userns_clone), or run as \
         root",
    ),
    (
        &["unshare", "failed: Operation not permitted"],
        ErrorKind::PermissionDenied,
        "run where namespaces can be created: as root with CAP_SYS_ADMIN, or as a user who may make \
         user namespaces",
    ),
    (
        &["rlimit_nofile"],
        ErrorKind::PermissionDenied,
        "raise the hard limit of open files (ulimit -Hn), or run with CAP_SYS_RESOURCE",
    ),
    (
        &["error setting rlimit type 7"],
        ErrorKind::PermissionDenied,
        "raise the hard limit of open files (ulimit -Hn), or run with CAP_SYS_RESOURCE",
    ),
    (
        &["rlimit_nproc"],
        ErrorKind::PermissionDenied,
        "raise the hard limit of processes (ulimit -Hu), or run with CAP_SYS_RESOURCE",
    ),
    (
        &["cgroups in hybrid mode not supported"],
        ErrorKind::EngineFailed,
        "install runc, which supports hybrid control groups (Debian: apt-get install runc)",
    ),
    (
        &["netavark"],
        ErrorKind::EngineFailed,
        "install what the engine's network needs (Debian: apt-get install netavark nftables), or \
         build offline",
    ),
    (
        &["policy.json", "no such file"],
        ErrorKind::EngineFailed,
        "install the file /etc/containers/policy.json (Debian: apt-get install \
         golang-github-containers-common)",
    ),
];

/// What `unshare` of util-linux 2.38 says when the engine that it has started was killed: it wants to end in the same way,
/// and asks for what there is not for SIGKILL. Later ones end in the same way.
const KILLED: &str = "unshare: sigprocmask unblock failed";
/// What Buildah says last, as an ordinary user, when what it has started in its user namespace was ended by a signal:
/// itself, or another program.
const SIGNALLED: [&str; 2] = [
    "msg=\"signal: ",
    "msg=\"(Unable to determine exit status)\"",
];
/// How Podman exits then, without a word: as a shell does for itself, and with -1 for another program.
const SIGNALLED_CODES: [i32; 2] = [128 + 9, 255];
/// How a line begins that says why the builder has failed.
const ERROR: &str = "Error: ";
/// What the builder says when an instruction failed.
const AT_STEP: &str = "building at STEP ";

impl Failure {
    /// Reads all that was written to standard error, of a program that exited with a code.
    ///
    /// A RUN's own words come on the same channel, so only the end of the output is searched.
    pub(crate) fn of(code: Option<i32>, stderr: &str) -> Self {
        let lines: Vec<&str> = stderr.lines().filter(|line| !line.is_empty()).collect();
        if let Some(message) = killed(code, &lines) {
            return Self {
                message: message.to_owned(),
                kind: ErrorKind::EngineKilled,
                hint: Some(process::KILLED_HINT),
            };
        }
        let said = lines.iter().rposition(|line| line.starts_with(ERROR));
        let message = match said {
            Some(place) => message(&lines[place..]),
            None => (*lines.last().unwrap_or(&"it failed without a message")).to_owned(),
        };

        let end = lines[lines.len().saturating_sub(5)..].join("\n");
        let end = end.to_ascii_lowercase();
        let has = |needle: &&str| end.contains(&needle.to_ascii_lowercase());
        if let Some((_, kind, hint)) = KNOWN
            .into_iter()
            .find(|(needles, ..)| needles.iter().all(has))
        {
            let hint = Some(hint);
            return Self {
                message,
                kind,
                hint,
            };
        }
        let kind = if message.contains(AT_STEP) {
            ErrorKind::BuildFailed
        } else {
            ErrorKind::EngineFailed
        };
        Self {
            message,
            kind,
            hint: None,
        }
    }
}

/// Says that the engine was killed, where what was started is another program that outlives it.
fn killed(code: Option<i32>, lines: &[&str]) -> Option<&'static str> {
    let is_of_code = code.is_some_and(|code| SIGNALLED_CODES.contains(&code));
    match lines {
        [.., last] if last.starts_with(KILLED) => Some("it was ended by signal 9"),
        [.., signal, last] if signal.contains(SIGNALLED[0]) && last.contains(SIGNALLED[1]) => {
            Some("it was ended by a signal")
        }
        // The code may also be that of a RUN, of which it is said then that it has failed.
        _ if is_of_code && !lines.iter().any(|line| line.starts_with(ERROR)) => {
            Some("it was ended by a signal")
        }
        _ => None,
    }
}

/// Returns the message that begins with the first of some lines: that alone, or where an instruction of
/// several lines is quoted in it, up to the end of what is said of that.
fn message(lines: &[&str]) -> String {
    let first = lines[0].trim_start_matches(ERROR);
    let is_whole = |line: &str| line.contains("\": ");
    if !first.starts_with(AT_STEP) || is_whole(first) {
        return first.to_owned();
    }
    let last = lines.iter().position(|line| is_whole(line));
    let more = last.map_or(&[][..], |last| &lines[1..=last]);
    [&[first], more].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn of(code: i32, stderr: &str) -> Failure {
        Failure::of(Some(code), stderr)
    }

    #[rstest]
    #[case::exit(
        "make: *** [all] Error 1\n\
         Error: building at STEP \"RUN make\": while running runtime: exit status 2\n",
        ErrorKind::BuildFailed,
        "building at STEP \"RUN make\": while running runtime: exit status 2"
    )]
    #[case::several_lines(
        "Error: building at STEP \"RUN /bin/run one\ntwo\n\": while running runtime: exit status 3\n\
         time=now level=warning msg=\"something else\"\n",
        ErrorKind::BuildFailed,
        "building at STEP \"RUN /bin/run one\ntwo\n\": while running runtime: exit status 3"
    )]
    #[case::half_of_several_lines(
        "Error: building at STEP \"RUN /bin/run one\ntwo\n",
        ErrorKind::BuildFailed,
        "building at STEP \"RUN /bin/run one"
    )]
    #[case::limit(
        "Error: building at STEP \"RUN true\": setting \"RLIMIT_NPROC\" limit to \
         soft=1048576,hard=1048576 (was soft=9,hard=9): operation not permitted\n",
        ErrorKind::PermissionDenied,
        "building at STEP \"RUN true\": setting \"RLIMIT_NPROC\" limit to \
         soft=1048576,hard=1048576 (was soft=9,hard=9): operation not permitted"
    )]
    #[case::hybrid(
        "error running container: from /usr/bin/crun creating container for [true]: cgroups in \
         hybrid mode not supported, drop all controllers from cgroupv2\n: exit status 1\n\
         Error: building at STEP \"RUN true\": while running runtime: exit status 1\n",
        ErrorKind::EngineFailed,
        "building at STEP \"RUN true\": while running runtime: exit status 1"
    )]
    #[case::network(
        "Error: building at STEP \"RUN true\": setup network: netavark: nftables error: unable \
         to execute nft: No such file or directory (os error 2)\n",
        ErrorKind::EngineFailed,
        "building at STEP \"RUN true\": setup network: netavark: nftables error: unable to \
         execute nft: No such file or directory (os error 2)"
    )]
    #[case::space(
        "Error: committing container for step {X}: write /x: no space left on device\n",
        ErrorKind::Storage,
        "committing container for step {X}: write /x: no space left on device"
    )]
    #[case::killed(
        "STEP 2/2: RUN make\nunshare: sigprocmask unblock failed: Invalid argument\n",
        ErrorKind::EngineKilled,
        "it was ended by signal 9"
    )]
    #[case::signalled(
        "STEP 2/2: RUN make\n\
         time=\"2026-11-30T14:35:21Z\" level=error msg=\"signal: killed\"\n\
         time=\"2026-11-30T14:35:21Z\" level=error msg=\"(Unable to determine exit status)\"\n",
        ErrorKind::EngineKilled,
        "it was ended by a signal"
    )]
    #[case::silent("", ErrorKind::EngineFailed, "it failed without a message")]
    #[case::unknown("oh\n", ErrorKind::EngineFailed, "oh")]
    fn failures(#[case] stderr: &str, #[case] kind: ErrorKind, #[case] message: &str) {
        let found = of(1, stderr);
        assert_eq!((found.kind, found.message.as_str()), (kind, message));
        let is_known = !matches!(kind, ErrorKind::BuildFailed) && !matches!(stderr, "" | "oh\n");
        assert_eq!(found.hint.is_some(), is_known, "{:?}", found.hint);
    }

    #[test]
    fn what_a_run_printed_long_before_is_not_the_failure() {
        let stderr = format!(
            "no space left on device\n{}Error: building at STEP \"RUN x\": exit status 1\n",
            "compiling\n".repeat(10)
        );
        assert_eq!(of(1, &stderr).kind, ErrorKind::BuildFailed);
    }

    /// Podman has the code of a RUN that was killed, too, and says so.
    #[rstest]
    #[case(137, "STEP 2/2: RUN make\n", ErrorKind::EngineKilled)]
    #[case(255, "", ErrorKind::EngineKilled)]
    #[case(125, "STEP 2/2: RUN make\n", ErrorKind::EngineFailed)]
    #[case(
        137,
        "Error: building at STEP \"RUN make\": while running runtime: exit status 137\n",
        ErrorKind::BuildFailed
    )]
    fn an_engine_that_ends_without_a_word_was_killed(
        #[case] code: i32,
        #[case] stderr: &str,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(of(code, stderr).kind, kind);
    }
}
