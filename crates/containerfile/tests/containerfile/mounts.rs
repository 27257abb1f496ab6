//! The mounts of a RUN, lowered: what an engine would follow, or take for something else, is copied or refused.

use containerfile::{Dialect, ErrorKind, lower, parse};
use rstest::rstest;

use crate::lowering::{BARE, lines, lowered, lowered_with, options};
use crate::scope;

const MOUNTING: &str = "\
FROM scratch AS unused
FROM scratch AS a
RUN x
FROM scratch
COPY --from=1 /x /
RUN --mount=from=a,source=/x/../y,target=/t --mount=target=/c,ro y
RUN --mount=type=bind,src=b,dst=/t,rw --mount=source=b,target=/u,readonly=false y
RUN --mount=type=bind,from=a,source=/z,target=/t --mount=type=cache,target=/d/,uid=5 --mount=from=a,target=/r y
COPY --from=1 /x /
";

#[test]
fn sources_of_mounts_are_copied_where_an_engine_would_follow_their_links() {
    let (_, lowered) = lowered_with(MOUNTING, &options(BARE));
    assert_eq!(
        lowered.text,
        "
FROM scratch AS a
RUN [\"/bin/sh\", \"-c\", \"\\
x\"]

FROM scratch AS stagex-mount-0
COPY --from=a /y /mount

FROM scratch AS stagex-mount-1
COPY /b /mount

FROM scratch AS stagex-mount-2
COPY /b /mount

FROM scratch AS stagex-mount-3
COPY --from=a /z /mount

FROM scratch
COPY --from=0 /x /
RUN --mount=type=bind,from=stagex-mount-0,source=/mount,target=/t --mount=target=/c,ro [\"/bin/sh\", \"-c\", \"\\
y\"]
RUN --mount=type=bind,from=stagex-mount-1,source=/mount,rw,target=/t --mount=type=bind,from=stagex-mount-2,source=/mount,rw,target=/u [\"/bin/sh\", \"-c\", \"\\
y\"]
RUN --mount=type=bind,from=stagex-mount-3,source=/mount,target=/t --mount=type=cache,id=stagex-_2fd,target=/d/,uid=5 --mount=from=a,target=/r [\"/bin/sh\", \"-c\", \"\\
y\"]
COPY --from=0 /x /
"
    );
    let copied: Vec<_> = lowered
        .copied
        .iter()
        .map(|copied| (copied.stage.as_str(), copied.before.0, copied.step.index))
        .collect();
    assert_eq!(
        copied,
        [
            ("stagex-mount-0", 2, 1),
            ("stagex-mount-1", 2, 2),
            ("stagex-mount-2", 2, 2),
            ("stagex-mount-3", 2, 3)
        ]
    );
    let (_, lowered) = lowered_with(MOUNTING, &options(Dialect::FULL));
    assert!(lowered.copied.is_empty() && lowered.text.contains("source=/x/../y"));
}

#[rstest]
#[case(
    "type=cache,source=/x,target=/t",
    "type=cache,source=/x,target=/t,sharing=locked"
)]
#[case(
    "type=cache,source=x,sharing=SHARED,target=/t",
    "type=cache,source=x,target=/t,sharing=locked"
)]
#[case(
    "type=cache,source=/x,sharing=private,target=/t",
    "type=cache,source=/x,sharing=private,target=/t"
)]
#[case("type=cache,target=/t", "type=cache,target=/t")]
#[case("source=/x,target=/t", "source=/x,target=/t")]
fn a_part_of_a_cache_is_used_by_one_at_a_time(#[case] mount: &str, #[case] expected: &str) {
    let lowered = lowered(&format!("RUN --mount={mount} y\n"), Dialect::FULL);
    assert_eq!(
        lines(&lowered),
        format!("RUN --mount={expected} [\"/bin/sh\", \"-c\", \"\\\ny\"]\n")
    );
}

#[test]
fn a_stage_that_has_the_name_of_a_copy_is_not_taken_for_it() {
    let source = "FROM scratch AS stagex-mount-0\nRUN x\nFROM scratch\n\
                  RUN --mount=from=stagex-mount-0,source=/x,target=/t y\n\
                  FROM scratch AS b\nRUN x\nFROM scratch\n\
                  RUN --mount=from=stagex-mount-0,source=/x,target=/t --mount=from=b,source=/x,target=/u y\n";
    let (_, lowered) = lowered_with(source, &options(BARE));
    let stages: Vec<_> = lowered.copied.iter().map(|copied| &copied.stage).collect();
    assert_eq!(
        stages,
        ["stagex-mount-00", "stagex-mount-1"],
        "{}",
        lowered.text
    );
}

#[rstest]
#[case::propagation("target=/t,bind-propagation=rshared", false)]
#[case::relabelled("target=/t,Z", false)]
#[case::owners("target=/t,U=true", false)]
#[case::other_type("type=volume,target=/t", false)]
#[case::pattern("source=a*,target=/t", true)]
#[case::cache_of_a_stage("type=cache,from=a,source=/x,target=/t", true)]
#[case::part_of_a_cache("type=cache,source=/x,target=/t", true)]
fn a_mount_that_could_reach_the_machine_is_refused(#[case] mount: &str, #[case] only_bare: bool) {
    let source = format!("FROM scratch AS a\nRUN x\nFROM scratch\nRUN --mount={mount} y\n");
    let file = parse(&source).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let refused = |dialect| {
        let error = lower(&file, &build, &options(dialect)).err()?.remove(0);
        assert_eq!(error.position.line, 4);
        matches!(
            error.kind,
            ErrorKind::MountField(_) | ErrorKind::MountType(_) | ErrorKind::MountOfRun(_)
        )
        .then_some(())
    };
    assert!(refused(BARE).is_some());
    assert_eq!(refused(Dialect::FULL).is_none(), only_bare);
}

/// Podman and Buildah expand variables first, and look for commas afterwards.
#[rstest]
#[case::bind("type=bind,source=d,target=$T", "/x,src=/mount/evil,rw")]
#[case::of_memory("type=tmpfs,target=$T", "/x,type=bind,src=/d/evil")]
#[case::cache("type=cache,target=$T", "/x,from=stagex-mount-0,source=/mount/evil")]
#[case::id("type=cache,id=$T,target=/t", "a,target=/etc")]
#[case::a_key("type=bind,$T,target=/t", "rw,source=d")]
#[case::quoted("type=tmpfs,target=$T", "/x\\\"")]
#[case::expanded_again("type=tmpfs,target=$T", "/x\\$T")]
#[case::two_words("type=tmpfs,target=$T", "\"/x --mount=target=/y\"")]
fn a_variable_brings_no_field_into_a_mount(#[case] mount: &str, #[case] value: &str) {
    let source = format!("FROM scratch\nARG T={value}\nRUN --mount={mount} y\n");
    let file = parse(&source).unwrap();
    let build = file.resolve(&scope()).unwrap();
    for dialect in [BARE, Dialect::FULL] {
        let error = lower(&file, &build, &options(dialect))
            .unwrap_err()
            .remove(0);
        assert_eq!(error.position.line, 3);
        let is_refused = matches!(
            error.kind,
            ErrorKind::MountValue(_) | ErrorKind::MountField(_)
        );
        assert!(is_refused, "{error}");
    }
}

#[rstest]
#[case::bind("source=d,target=$T", "source=d,target=/x")]
#[case::of_memory("type=tmpfs,target=/t/$T", "type=tmpfs,target=/t//x")]
fn a_mount_is_written_without_variables(#[case] mount: &str, #[case] expected: &str) {
    let lowered = lowered(&format!("ARG T=/x\nRUN --mount={mount} y\n"), Dialect::FULL);
    let text = lines(&lowered);
    assert!(
        text.ends_with(&format!(
            "RUN --mount={expected} [\"/bin/sh\", \"-c\", \"\\\ny\"]\n"
        )),
        "{text}"
    );
}

/// Buildah 1.39 and Podman 5.4 take no value for `readonly`.
#[rstest]
#[case::read("target=/t,readonly=true", "target=/t,ro")]
#[case::written("readonly=false,target=/t", "target=/t,rw")]
#[case::written_too("target=/t,readwrite=1", "target=/t,rw")]
#[case::not_written("target=/t,rw=F", "target=/t,ro")]
#[case::the_last("target=/t,rw,ro=0,readonly", "target=/t,ro")]
#[case::of_memory("type=tmpfs,ro=T,target=/t", "type=tmpfs,target=/t,ro")]
#[case::as_it_is("type=cache,target=/t,rw=true", "type=cache,target=/t")]
fn who_writes_to_a_mount_is_said_by_one_word(#[case] mount: &str, #[case] expected: &str) {
    let lowered = lowered(&format!("RUN --mount={mount} y\n"), Dialect::FULL);
    let expected = format!("RUN --mount={expected} [\"/bin/sh\", \"-c\", \"\\\ny\"]\n");
    assert_eq!(lines(&lowered), expected);
}

#[rstest]
#[case("target=/t,ro=yes")]
#[case("type=tmpfs,target=/t,readwrite=")]
fn what_is_neither_true_nor_false_is_refused(#[case] mount: &str) {
    let source = format!("FROM scratch\nRUN --mount={mount} y\n");
    let file = parse(&source).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let error = lower(&file, &build, &options(Dialect::FULL))
        .unwrap_err()
        .remove(0);
    assert!(matches!(error.kind, ErrorKind::MountTruth(_)), "{error}");
}
