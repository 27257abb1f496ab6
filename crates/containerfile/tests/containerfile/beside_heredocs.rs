//! Copies of heredocs and of other files in one instruction: they stay as they are, where an engine knows heredocs.

use containerfile::{Dialect, ErrorKind, lower, parse};
use rstest::rstest;

use crate::lowering::{BARE, lines, lowered, options};
use crate::scope;

#[rstest]
#[case(
    "COPY --chmod=6 a <<EOF <<-x /d/\nb\nEOF\n\tc\n\tx",
    "COPY --chmod=6 a <<\"EOF\" <<\"x\" /d/\nb\nEOF\nc\nx"
)]
#[case("ADD a b <<EOF /d/\nEOF", "ADD a b <<\"EOF\" /d/\nEOF")]
#[case(
    "COPY --from=x a <<EOF /\n$v\nEOF",
    "COPY --from=x a <<\"EOF\" /\n\nEOF"
)]
fn heredocs_beside_other_sources_stay(#[case] body: &str, #[case] expected: &str) {
    let dialect = Dialect {
        heredocs: true,
        ..BARE
    };
    assert_eq!(lines(&lowered(body, dialect)), format!("{expected}\n"));
}

#[rstest]
#[case("COPY a <<EOF /x/\n${v:-EOF}\nEOF")]
#[case("ARG v='a b'\nCOPY $v <<EOF /x/\nb\nEOF")]
fn heredocs_that_cannot_stand_beside_others_are_refused(#[case] body: &str) {
    let file = parse(&format!("FROM scratch\n{body}")).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let dialect = Dialect {
        heredocs: true,
        ..BARE
    };
    let error = lower(&file, &build, &options(dialect))
        .unwrap_err()
        .remove(0);
    assert_eq!(error.kind, ErrorKind::MixedSources);
}
