//! What lowering refuses for a dialect, and what it says of it.

use containerfile::{Dialect, ErrorKind, lower, parse};
use rstest::rstest;

use crate::lowering::{BARE, lines, lowered, options};
use crate::scope;

/// Each line is refused, and is accepted by who has what it asks for.
#[rstest]
#[case::exclude("COPY --exclude=*.o a /", "COPY --exclude", Dialect { copy_exclude: true, ..BARE })]
#[case::exclude_of_add("ADD --exclude=*.o a /", "ADD --exclude", Dialect { copy_exclude: true, ..BARE })]
#[case::parents("COPY --parents a/b /", "COPY --parents", Dialect { copy_parents: true, ..BARE })]
#[case::link("COPY --link a /", "COPY --link", Dialect { copy_link: true, ..BARE })]
#[case::link_of_add("ADD --link a /", "ADD --link", Dialect { copy_link: true, ..BARE })]
#[case::letters("COPY --chmod=u+x a /", "COPY --chmod=u+x", Dialect { symbolic_modes: true, ..BARE })]
#[case::letters_of_a_heredoc("COPY --chmod=+x <<E /a\nE", "COPY --chmod=+x", Dialect { symbolic_modes: true, ..BARE })]
#[case::expanded("ARG m=a=r\nADD --chmod=$m a /", "ADD --chmod=a=r", Dialect { symbolic_modes: true, ..BARE })]
#[case::two_stars("COPY a/**/b /", "COPY a/**/b", Dialect { copy_patterns: true, ..BARE })]
#[case::two_stars_at_last("COPY a/b** /", "COPY a/b**", Dialect { copy_patterns: true, ..BARE })]
#[case::a_class_of_a_class("ADD a/[[]b /", "ADD a/[[]b", Dialect { copy_patterns: true, ..BARE })]
#[case::a_class_of_others("ADD a/[^a]b /", "ADD a/[^a]b", Dialect { copy_patterns: true, ..BARE })]
#[case::a_class("COPY --from=b a/[ab] /", "COPY a/[ab]", Dialect { copy_patterns: true, ..BARE })]
#[case::an_escape("COPY a/\\\\* /", "COPY a/\\*", Dialect { copy_patterns: true, ..BARE })]
#[case::a_directory("COPY --from=b a?/b /", "COPY a?/b", Dialect { copy_patterns: true, ..BARE })]
#[case::of_the_network("ADD https://a.example/b /", "ADD https://a.example/b", Dialect { add_remote: true, ..BARE })]
#[case::a_checksum("ADD --checksum=sha256:1 a /", "ADD --checksum", Dialect { add_remote: true, ..BARE })]
#[case::size("RUN --mount=type=tmpfs,target=/t,size=1m x", "RUN --mount=type=tmpfs,size=", Dialect { tmpfs_size: true, ..BARE })]
#[case::private(
    "RUN --mount=type=cache,target=/t,sharing=private x",
    "RUN --mount=type=cache,sharing=private",
    Dialect { private_caches: true, ..BARE }
)]
#[case::two_mounts(
    "WORKDIR /w\nRUN --mount=type=tmpfs,target=t --mount=type=cache,dst=/w/./t/ x",
    "two mounts at /w/t",
    Dialect { stacked_mounts: true, ..BARE }
)]
#[case::of_the_engine(
    "RUN --mount=type=tmpfs,target=/dev/shm x",
    "a mount at /dev/shm",
    Dialect { stacked_mounts: true, ..BARE }
)]
fn what_a_dialect_lacks_is_refused(
    #[case] body: &str,
    #[case] expected: &str,
    #[case] dialect: Dialect,
) {
    let file = parse(&format!("FROM scratch\nLABEL a=b\n{body}\n")).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let errors = lower(&file, &build, &options(BARE)).unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    let ErrorKind::Unsupported { what, .. } = &error.kind else {
        panic!("{error}");
    };
    assert_eq!(what, expected);
    let line = file.source.lines().nth(error.position.line - 1).unwrap();
    let keyword = expected.split(' ').next().unwrap();
    assert!(
        line.starts_with(keyword) || line.starts_with("RUN"),
        "{line}"
    );
    assert!(error.hint().is_some());
    assert!(file.may_be_refused());
    lower(&file, &build, &options(dialect)).unwrap();
}

#[rstest]
#[case("COPY a/*.patch b?c /x/")]
#[case("COPY a/*/ /x/")]
#[case("COPY f*/fol* a/[a-b3]* /x/")]
#[case("COPY --from=b /a/*.so.? /x/")]
#[case("COPY --chmod=0755 --chown=1:a a /x")]
#[case("RUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/u,sharing=locked x")]
#[case("RUN --mount=type=tmpfs,target=/devices x")]
fn what_all_engines_do_alike_is_not_refused(#[case] body: &str) {
    lowered(body, BARE);
    let file = parse(&format!("FROM scratch\n{body}\n")).unwrap();
    assert_eq!(file.may_be_refused(), body.contains("--mount"));
}

#[test]
fn everything_that_is_refused_is_said_at_once() {
    let source = "FROM scratch AS a\nCOPY --link --exclude=x y* /\nFROM scratch AS b\nRUN --network=host z\n\
                  FROM a\nCOPY --from=b --parents /x/[y] /\nRUN --security=insecure --device=d x\n";
    let file = parse(source).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let errors = lower(&file, &build, &options(BARE)).unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.position.line).collect();
    assert_eq!(lines, [2, 2, 4, 6, 6, 7, 7], "{errors:?}");
    // Of no other stage is anything built.
    let mut scope = scope();
    scope.target = Some("b".to_owned());
    let build = file.resolve(&scope).unwrap();
    assert_eq!(lower(&file, &build, &options(BARE)).unwrap_err().len(), 1);
}

#[rstest]
#[case("ADD --unpack=false a.tar /x/", "COPY a.tar /x/")]
#[case("ADD --unpack=true --keep-git-dir=true a.tar /x/", "ADD a.tar /x/")]
#[case("RUN --security=sandbox [\"x\"]", "RUN [\"x\"]")]
#[case("RUN --mount=type=secret,id=a --mount=type=ssh [\"x\"]", "RUN [\"x\"]")]
#[case(
    "WORKDIR /\nRUN --mount=type=tmpfs,target=t [\"x\"]",
    "WORKDIR /\nRUN --mount=type=tmpfs,target=/t [\"x\"]"
)]
fn what_a_dialect_lacks_is_said_in_another_way(#[case] body: &str, #[case] expected: &str) {
    assert_eq!(lines(&lowered(body, BARE)), format!("{expected}\n"));
}

#[rstest]
#[case("secret,required")]
#[case("ssh,required=true")]
fn what_must_be_given_and_is_not_is_refused(#[case] mount: &str) {
    let file = parse(&format!("FROM scratch\nRUN --mount=type={mount} x\n")).unwrap();
    let build = file.resolve(&scope()).unwrap();
    for dialect in [BARE, Dialect::FULL] {
        let error = lower(&file, &build, &options(dialect))
            .unwrap_err()
            .remove(0);
        assert!(matches!(error.kind, ErrorKind::SecretOfRun(_)), "{error}");
    }
}

/// Some engines read such an owner as a number and some as a name, whatever else they have.
#[rstest]
#[case("COPY --chown=+5 a /", "COPY --chown=+5")]
#[case("ADD --chown=1:-5 a /", "ADD --chown=-5")]
#[case("COPY --chown=2147483648:1 a /", "COPY --chown=2147483648")]
fn an_owner_that_is_no_usual_number_is_refused(#[case] body: &str, #[case] expected: &str) {
    let file = parse(&format!("FROM scratch\n{body}\n")).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let errors = lower(&file, &build, &options(Dialect::FULL)).unwrap_err();
    assert!(errors[0].to_string().contains(expected), "{errors:?}");
}
