//! What a RUN finds in its environment, lowered: written before it, and nothing that engines read each in their own way.

use containerfile::{Dialect, ErrorKind, lower, parse};
use rstest::rstest;

use crate::lowering::{BARE, lines, lowered, lowered_with, options};
use crate::scope;

#[test]
fn inherited_arguments_are_told_where_a_run_needs_them() {
    let source = "\
ARG global=g
FROM scratch AS a
ARG v=\"1 2\" given=0 none
ARG global TARGETARCH
ARG env=3
ENV env=4
FROM a AS b
ARG v=5
FROM b
RUN c
";
    let (build, lowered) = lowered_with(source, &options(Dialect::FULL));
    let (_, rest) = lowered.text.split_once("FROM b\n").unwrap();
    assert_eq!(
        rest,
        "ARG v=\"5\"\nARG given=\"7\"\nARG global=\"g\"\nARG TARGETARCH=\"amd64\"\nENV env=\"4\"\n\
         RUN [\"/bin/sh\", \"-c\", \"\\\nc\"]\n"
    );
    assert!(
        !build.stages[0].steps.is_empty()
            && !lowered.text[..lowered.text.len() - rest.len()].contains("ARG"),
        "{}",
        lowered.text
    );
}

/// Engines do not agree which of both counts.
#[test]
fn a_name_is_never_both_an_argument_and_a_variable() {
    let source = "\
FROM scratch AS base
ARG late=1
RUN a
ENV late=2
RUN b
FROM base
RUN c
ARG late=3
RUN d
ENV other=$late
ARG other=4
RUN e
";
    let (_, lowered) = lowered_with(source, &options(BARE));
    let told = lowered.text.lines();
    let told: Vec<_> = told
        .filter(|line| line.starts_with("ENV") || line.starts_with("ARG"))
        .collect();
    assert_eq!(
        told,
        [
            "ENV late=\"1\"",
            "ENV late=\"2\"",
            "ENV late=\"3\"",
            "ENV other=\"4\""
        ]
    );
}

#[rstest]
#[case("ARG TARGETARCH=x\nRUN a", "ENV TARGETARCH=\"x\"")]
#[case("ARG TARGETARCH\nRUN a", "ARG TARGETARCH=\"amd64\"")]
fn what_an_engine_says_of_its_platform_by_itself_is_not_asked_of_it(
    #[case] body: &str,
    #[case] expected: &str,
) {
    let lowered = lowered(body, BARE);
    assert!(lines(&lowered).contains(expected), "{}", lowered.text);
}

#[rstest]
#[case::stays("ARG TARGETARCH=x\nRUN a\nFROM b\nCOPY a /\nFROM scratch", None)]
#[case::lines("RUN a", Some(("given", "1\n2")))]
fn what_an_engine_cannot_be_told_is_refused(
    #[case] body: &str,
    #[case] given: Option<(&str, &str)>,
) {
    let file = parse(&format!(
        "FROM scratch AS b\nARG given\nENV x=$given\n{body}"
    ))
    .unwrap();
    let mut scope = scope();
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    scope.build_args = given.iter().cloned().collect();
    let build = file.resolve(&scope).unwrap();
    let mut options = options(BARE);
    options.given = scope.build_args.clone();
    let result = lower(&file, &build, &options);
    assert_eq!(
        result.err().map(|mut errors| errors.remove(0).kind),
        given.map(|_| ErrorKind::VariableOfLines("x".to_owned()))
    );
}
