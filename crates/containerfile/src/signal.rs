//! Signals as `STOPSIGNAL` takes them: `9`, `KILL`, `SIGKILL`, `RTMIN+3`.
//!
//! It does not know variables, and gives no signal a number: which word is one is all that
//! matters, since an image has it as it is written.

/// The names of Linux's signals, without those of real time.
const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Tells whether a word is a signal. A number may be any but 0.
pub(crate) fn is_signal(word: &str) -> bool {
    if let Ok(number) = word.parse::<i64>() {
        return number != 0;
    }
    let name = word.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let above = |start: &str| name.strip_prefix(start).unwrap_or_default();
    NAMES.contains(&name)
        || name == "RTMAX"
        || (1..=15).any(|step| above("RTMIN+") == step.to_string())
        || (1..=14).any(|step| above("RTMAX-") == step.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("9", true)]
    #[case("+9", true)]
    #[case("65", true)]
    #[case("SIGKILL", true)]
    #[case("sigterm", true)]
    #[case("WINCH", true)]
    #[case("RTMIN+15", true)]
    #[case("SIGRTMAX-14", true)]
    #[case("0", false)]
    #[case("00", false)]
    #[case("", false)]
    #[case("9.5", false)]
    #[case("\"9\"", false)]
    #[case("SIGSIGKILL", false)]
    #[case("RTMIN+0", false)]
    #[case("RTMIN+01", false)]
    #[case("RTMIN+16", false)]
    #[case("RTMAX-15", false)]
    fn words_that_are_signals(#[case] word: &str, #[case] expected: bool) {
        assert_eq!(is_signal(word), expected);
    }
}
