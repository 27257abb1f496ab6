//! The grammar of names: what stages, packages, sources and their files may be called.
//!
//! Names come from a tree that somebody else made, and go into paths, references, build arguments, lines
//! of `digests/` and onto terminals: one that has the grammar is harmless in each. It knows texts, and
//! neither files nor packages. `docs/names.md` says the same for people.

/// The most bytes that the full name of an output has, `<stage>-<name>`: with what is put before and
/// behind it, it is still the name of a file.
const LONGEST_OUTPUT: usize = 128;

/// The most bytes that the name of a source's file has.
const LONGEST_FILE: usize = 200;

/// The most bytes that a URL has.
const LONGEST_URL: usize = 2048;

/// The most bytes that a source's key, version, format or commit has.
const LONGEST_WORD: usize = 128;

/// What the name of a stage is made of, for people.
pub(crate) const STAGE: &str = "lower-case letters and digits";

/// What the name of a package is made of, for people.
pub(crate) const PACKAGE: &str = "lower-case letters and digits, and between them `.`, `_`, `__` or \
    any number of `-`; with its stage at most 128 bytes";

/// The most bytes that the name of a build argument has: a source's key has what is put behind it.
const LONGEST_BUILD_ARGUMENT: usize = 256;

/// What the name of a build argument is made of, for people.
pub const BUILD_ARGUMENT: &str = "at most 256 letters, digits, `_`, `-` and `.`, with a letter, a digit or \
    `_` at the beginning";

/// What the key of a source is made of, for people.
pub(crate) const KEY: &str = "at most 128 letters, digits, `_` and `-`, with a letter or digit at the \
    beginning";

/// What the name of a source's file is made of, for people.
pub(crate) const FILE: &str = "at most 200 letters, digits, `.`, `_`, `-`, `+`, `~`, `@`, `%`, `=`, `,` \
    and `:`, with a letter, a digit or `_` at the beginning";

/// What the version of a source is made of, for people.
pub(crate) const SOURCE_VERSION: &str = "at most 128 letters, digits, `.`, `_`, `-`, `+` and `~`, and \
    neither `.` nor `-` at the beginning";

/// What the format of a source is made of, for people.
pub(crate) const FORMAT: &str = "at most 128 letters, digits, `.`, `_`, `-` and `+`";

/// What a mirror is made of, for people.
pub(crate) const MIRROR: &str = "https://HOST/PATH or http://HOST/PATH without a user name, file:PATH below \
    the tree, or file:///PATH; at most 2,048 bytes of printable ASCII without blanks";

/// What a tag is made of, for people.
pub const TAG: &str =
    "at most 128 letters, digits, `.`, `_` and `-`, and neither `.` nor `-` at the beginning";

/// Tells whether a text can be the full name of an output, `<stage>-<name>`: the names in `out/` and
/// `digests/`.
pub fn is_output(name: &str) -> bool {
    name.split_once('-')
        .is_some_and(|(stage, package)| is_stage(stage) && is_package(stage, package))
}

/// Tells whether a text can be an image's tag, as a package's version is: the rule of registries.
pub fn is_tag(text: &str) -> bool {
    is_version(text, b"._-")
}

/// Tells whether a text can be the name of a stage. It has no `-`: the first one in the name of an
/// output ends its stage.
pub(crate) fn is_stage(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_plain)
}

/// Tells whether a text can be the name of a package in a stage: the rule of registries for a part of
/// a repository's name.
pub(crate) fn is_package(stage: &str, name: &str) -> bool {
    let is_between = |between: &str| {
        matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
    };
    stage.len() + 1 + name.len() <= LONGEST_OUTPUT
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().last().is_some_and(is_plain)
        && name
            .split(|character: char| u8::try_from(character).is_ok_and(is_plain))
            .all(is_between)
}

/// Tells whether a text can be the name of a build argument.
pub fn is_build_argument(name: &str) -> bool {
    name.len() <= LONGEST_BUILD_ARGUMENT
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && has_only(name, b"_-.")
}

/// Tells whether a text can be the key of a source, which becomes a part of build arguments.
pub(crate) fn is_key(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_alphanumeric()) && is_word(key, b"_-")
}

/// Tells whether a text can be the name of a source's file.
pub(crate) fn is_file(name: &str) -> bool {
    name.len() <= LONGEST_FILE
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && has_only(name, b"._-+~@%=,:")
}

/// Tells whether a text can be the version of a source, which is no tag.
pub(crate) fn is_source_version(text: &str) -> bool {
    is_version(text, b"._-+~")
}

/// Tells whether a text can be the format of a source, such as `tar.gz`; it may be empty.
pub(crate) fn is_format(text: &str) -> bool {
    text.is_empty() || is_word(text, b"._-+")
}

/// Tells whether a text can be a mirror: a place that is downloaded from, or the path of a file.
pub(crate) fn is_mirror(url: &str) -> bool {
    let plain = url.len() <= LONGEST_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
    let remote = || {
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '\\']))
    };
    let file = || {
        let path = url.strip_prefix("file:")?;
        let path = path.strip_prefix("///").unwrap_or(path);
        // A URL would say some characters in another way than a path does.
        let plain = !path.contains(['%', '?', '#']);
        let name = |name: &str| !matches!(name, "" | "." | "..");
        Some(plain && path.split('/').all(name))
    };
    plain && (remote() || file().unwrap_or(false))
}

fn is_version(text: &str, marks: &[u8]) -> bool {
    is_word(text, marks) && !text.starts_with(['.', '-'])
}

fn is_word(text: &str, marks: &[u8]) -> bool {
    matches!(text.len(), 1..=LONGEST_WORD) && has_only(text, marks)
}

fn has_only(text: &str, marks: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("core-musl", true)]
    #[case("bootstrap-stage0", true)]
    #[case("core-cross-x86_64-gnu-gcc", true)]
    #[case("user-py3.12", true)]
    #[case("user-a--b__c", true)]
    #[case("core", false)]
    #[case("core-", false)]
    #[case("-musl", false)]
    #[case("core--musl", false)]
    #[case("core-Musl", false)]
    #[case("core-musl-", false)]
    #[case("core-.musl", false)]
    #[case("core-a..b", false)]
    #[case("core-a___b", false)]
    #[case("core-a.-b", false)]
    #[case("core-a/b", false)]
    #[case("core-a b", false)]
    #[case("core-a\nb", false)]
    #[case("core-a\u{1b}b", false)]
    #[case("core-\u{fc}", false)]
    #[case("core-a\u{202e}b", false)]
    #[case("\u{1b}-a", false)]
    #[case("", false)]
    fn an_output_is_named_as_a_repository_is(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_output(name), expected);
    }

    #[test]
    fn the_longest_name_is_that_of_a_file_too() {
        let stage = "s".repeat(27);
        assert!(is_output(&format!("{stage}-{}", "n".repeat(100))));
        assert!(!is_output(&format!("{stage}-{}", "n".repeat(101))));
    }

    #[rstest]
    #[case("musl-1.2.4.tar.gz", true)]
    #[case("v1.2%2B3.tar.gz", true)]
    #[case("_file", true)]
    #[case("", false)]
    #[case(".", false)]
    #[case("..", false)]
    #[case(".hashes", false)]
    #[case("-rf", false)]
    #[case("../x", false)]
    #[case("/etc/passwd", false)]
    #[case("a/b", false)]
    #[case("a\\b", false)]
    #[case("a*b", false)]
    #[case("a b", false)]
    #[case("a\0b", false)]
    #[case("a\nb", false)]
    #[case("a\u{9b}b", false)]
    #[case("a\u{200b}b", false)]
    fn a_file_of_a_source_is_plain(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_file(name), expected);
        assert!(is_file(&"a".repeat(LONGEST_FILE)) && !is_file(&"a".repeat(LONGEST_FILE + 1)));
    }

    #[rstest]
    #[case("1.2.3", true)]
    #[case("0.0.1-abc", true)]
    #[case("20240101", true)]
    #[case("_5f3a9c1", true)]
    #[case("", false)]
    #[case(".1", false)]
    #[case("-1", false)]
    #[case("a b", false)]
    #[case("../x", false)]
    #[case("1.2+git", false)]
    #[case("1\u{1b}", false)]
    #[case("\u{fc}", false)]
    fn a_version_is_a_tag(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_tag(text), expected);
        assert!(is_tag(&"1".repeat(128)) && !is_tag(&"1".repeat(129)));
    }

    #[rstest]
    #[case(is_key, &["bash-completion", "py-prompt_toolkit", "9p"], &["", "-a", "_a", "a.b", "a=b", "a\nb"])]
    #[case(is_build_argument, &["VERSION", "_a", "PY-X_VERSION", "a.b"], &["", "-a", ".a", "a b", "a\nb", "a\u{1b}", "$a"])]
    #[case(is_source_version, &["1.2+git", "2~rc1"], &["", "../x", "a/b", "-a", "1\t"])]
    #[case(is_format, &["", "pl02.tar.gz"], &["a/b", "\u{1b}", "a b"])]
    #[case(
        is_mirror,
        &["https://a.org/x?y=%20#z", "http://[::1]:80/a@b", "file:a/b.tar", "file:///a/b.tar"],
        &[
            "", "u", "a b", "a\nb", "https://a.org/\u{1b}", "https://", "https:/a.org/b", "ftp://a.org/b",
            "https://user:word@a.org/b", "https://a.org\\@b.org/", "file:", "file:../a", "file:a/../b",
            "file:/a", "file://host/a", "file:///a/../b", "file:a//b", "file:a%2fb"
        ]
    )]
    fn what_a_source_says_is_plain(
        #[case] is: fn(&str) -> bool,
        #[case] good: &[&str],
        #[case] bad: &[&str],
    ) {
        let taken = |text: &&&str| is(text);
        assert_eq!(good.iter().filter(taken).count(), good.len());
        assert_eq!(bad.iter().filter(taken).count(), 0);
    }
}
