//! References: what a file takes from outside, and where each name stands.

use containerfile::{ErrorKind, ReferenceKind, parse};
use rstest::rstest;

use crate::scope;

#[test]
fn every_reference_of_the_file_is_found_whatever_the_target_needs() {
    let source = "\
ARG base=tree/root
FROM ${base} AS one
copy --chmod=755 --from=tree/tool \\
  /bin/tool /
FROM --platform=linux/386 tree/old AS two
RUN --mount=type=bind,from=tree/cache,target=/c \\
    --mount=from=one,target=/d true
COPY --from=0 / /
FROM scratch
COPY <<EOF /x
COPY --from=tree/not-this / /
EOF
  COPY --from=two / /
COPY --from=fetch a b
";
    let file = parse(source).unwrap();
    let references = file.references(&scope()).unwrap();
    let found: Vec<_> = references
        .iter()
        .map(|reference| {
            (
                reference.name.as_str(),
                reference.kind,
                reference.stage.0,
                reference.span.of(source),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("tree/root", ReferenceKind::Base, 0, "${base}"),
            ("tree/tool", ReferenceKind::Copy, 0, "--from=tree/tool"),
            ("tree/old", ReferenceKind::Base, 1, "tree/old"),
            (
                "tree/cache",
                ReferenceKind::Mount,
                1,
                "--mount=type=bind,from=tree/cache,target=/c"
            ),
            ("fetch", ReferenceKind::Copy, 2, "--from=fetch"),
        ]
    );
}

#[test]
fn a_build_argument_replaces_the_default_of_a_global_argument() {
    let file = parse("ARG a=x/\nARG b=${a}y\nFROM $b").unwrap();
    let mut scope = scope();
    scope.build_args = vec![
        ("a".to_owned(), "first/".to_owned()),
        ("a".to_owned(), "last/".to_owned()),
    ];
    assert_eq!(file.references(&scope).unwrap()[0].name, "last/y");
}

#[rstest]
#[case("FROM $nothing", ErrorKind::Blank("$nothing".to_owned()), 1, 6)]
#[case("FROM a\nCOPY --from=1 / /", ErrorKind::UnknownStageNumber { number: "1".to_owned(), count: 1 }, 2, 6)]
#[case("FROM a\nCOPY --from=-1 / /", ErrorKind::UnknownStageNumber { number: "-1".to_owned(), count: 1 }, 2, 6)]
#[case("FROM a\nCOPY --from=$b / /", ErrorKind::VariableInReference("$b".to_owned()), 2, 6)]
#[case("FROM a\nRUN --mount=from=$b x", ErrorKind::VariableInReference("$b".to_owned()), 2, 5)]
#[case("FROM a`b", ErrorKind::BadReference("a`b".to_owned()), 1, 6)]
#[case("FROM a\nCOPY --from=é / /", ErrorKind::BadReference("Ã©".to_owned()), 2, 6)]
#[case("FROM name::linux/amd64", ErrorKind::BadReference("name::linux/amd64".to_owned()), 1, 6)]
#[case("FROM Tools", ErrorKind::BadReference("Tools".to_owned()), 1, 6)]
#[case("FROM tools@sha256:0", ErrorKind::BadReference("tools@sha256:0".to_owned()), 1, 6)]
#[case("FROM a\nRUN --mount=from=0 x", ErrorKind::UnknownStageNumber { number: "0".to_owned(), count: 1 }, 2, 5)]
fn a_reference_that_cannot_be_resolved_is_refused(
    #[case] source: &str,
    #[case] kind: ErrorKind,
    #[case] line: usize,
    #[case] column: usize,
) {
    let error = parse(source).unwrap().references(&scope()).unwrap_err();
    assert_eq!(error.kind, kind);
    assert_eq!((error.position.line, error.position.column), (line, column));
}
