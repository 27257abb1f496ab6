//! Lowering: what an engine with fewer features is given, and that it means the same.

use std::collections::BTreeMap;

use containerfile::{
    Build, Dialect, ErrorKind, ImageFacts, Instruction, LowerOptions, Lowered, NetworkMode, Notice,
    Step, lower, parse,
};
use rstest::rstest;

use crate::scope;

/// An engine that has nothing of what may be missing.
pub(crate) const BARE: Dialect = Dialect::NONE;

pub(crate) fn options(dialect: Dialect) -> LowerOptions {
    LowerOptions {
        dialect,
        side_context: "side".to_owned(),
        references: BTreeMap::new(),
        given: vec![("given".to_owned(), "7".to_owned())],
        offline: true,
    }
}

pub(crate) fn lowered_with(source: &str, options: &LowerOptions) -> (Build, Lowered) {
    let file = parse(source).unwrap_or_else(|error| panic!("{error}"));
    let mut scope = scope();
    scope.build_args = vec![("given".to_owned(), "7".to_owned())];
    let build = file
        .resolve(&scope)
        .unwrap_or_else(|error| panic!("{error}"));
    let lowered = lower(&file, &build, options).unwrap_or_else(|errors| panic!("{errors:?}"));
    (build, lowered)
}

pub(crate) fn lowered(body: &str, dialect: Dialect) -> Lowered {
    lowered_with(&format!("FROM scratch\n{body}"), &options(dialect)).1
}

/// Returns the lines of the only stage.
pub(crate) fn lines(lowered: &Lowered) -> &str {
    lowered
        .text
        .strip_prefix("\nFROM scratch\n")
        .expect("one stage")
}

/// Lowers what is denied the network but in the stage `a`.
fn denied(source: &str, dialect: Dialect) -> (Build, Lowered) {
    let file = parse(source).unwrap_or_else(|error| panic!("{error}"));
    let mut build = file
        .resolve(&scope())
        .unwrap_or_else(|error| panic!("{error}"));
    build.deny_network(|stage| stage.name.as_deref() == Some("a"));
    let lowered = lower(&file, &build, &options(dialect));
    (build, lowered.unwrap_or_else(|errors| panic!("{errors:?}")))
}

#[test]
fn a_run_that_is_denied_the_network_says_so_to_the_engine() {
    let source = "FROM scratch AS A\nRUN get\nFROM a\nRUN --mount=target=/x \\\n  make\nRUN [\"b\"]\n\
                  RUN --network=none c\nRUN --network=default <<-E\n\td\n\tE\n";
    let full = Dialect {
        run_network: true,
        heredocs: true,
        ..BARE
    };
    let (_, lowered) = denied(source, full);
    for run in [
        "\nRUN [\"/bin/sh\", \"-c\", \"\\\nget\"]\n",
        "\nRUN --mount=target=/x --network=none [\"/bin/sh\", \"-c\", \"\\\nmake\"]\n",
        "\nRUN --network=none [\"b\"]\n",
        "\nRUN --network=none [\"/bin/sh\", \"-c\", \"\\\nc\"]\n",
        "\nRUN --network=none <<-E\n\td\nE\n",
    ] {
        assert!(
            lowered.text.contains(run),
            "{run} is not in {}",
            lowered.text
        );
    }
    // Where an engine denies it to the whole build, it is not told of each.
    let (build, lowered) = denied("FROM scratch\nRUN a\nRUN b\n", BARE);
    assert_eq!(
        lines(&lowered),
        "RUN [\"/bin/sh\", \"-c\", \"\\\na\"]\nRUN [\"/bin/sh\", \"-c\", \"\\\nb\"]\n"
    );
    assert!(build.network().all(|run| run.mode == NetworkMode::None));
}

/// An engine is given a base without triggers, and each of them as an instruction.
#[test]
fn triggers_of_an_image_are_written_out() {
    let mut scope = scope();
    let facts = ImageFacts {
        triggers: ["WORKDIR $T/b", "RUN --mount=source=x,target=$T y", "RUN c"]
            .map(str::to_owned)
            .to_vec(),
        environment: vec![("T".to_owned(), "/t".to_owned())],
        ..ImageFacts::default()
    };
    scope.images.insert("base".to_owned(), facts);
    let file = parse("FROM base\nRUN d\n").unwrap();
    let mut build = file.resolve(&scope).unwrap();
    build.deny_network(|_| false);
    let dialect = Dialect {
        run_network: true,
        ..BARE
    };
    let lowered = lower(&file, &build, &options(dialect)).unwrap();
    assert_eq!(
        lowered.text,
        "\nFROM scratch AS stagex-mount-0\nCOPY /x /mount\n\nFROM base\nCOPY --from=side /empty/ /t/b/\nWORKDIR /t/b\n\
         RUN --mount=type=bind,from=stagex-mount-0,source=/mount,target=/t --network=none [\"/bin/sh\", \"-c\", \"\\\ny\"]\n\
         RUN --network=none [\"/bin/sh\", \"-c\", \"\\\nc\"]\nRUN --network=none [\"/bin/sh\", \"-c\", \"\\\nd\"]\n"
    );
    let makes_layer = lowered.steps.iter().filter(|step| step.makes_layer);
    assert_eq!(makes_layer.count(), 4);
}

#[test]
fn a_copied_heredoc_becomes_a_file() {
    let lowered = lowered(
        "ARG v=1\nCOPY --chmod=755 --chown=2:3 <<-one <<'two' /x/\n\ta $v\n\tone\n\tb $v\ntwo",
        BARE,
    );
    assert_eq!(
        lines(&lowered),
        "COPY --from=side --chown=2:3 --chmod=755 /0-1/one /0-1/two /x/\n"
    );
    let files: Vec<_> = lowered
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.mode, file.contents.as_str()))
        .collect();
    assert_eq!(
        files,
        [("0-1/one", 0o644, "a 1\n"), ("0-1/two", 0o644, "\tb $v\n")]
    );
}

#[test]
fn an_added_heredoc_is_copied() {
    let lowered = lowered("ADD <<EOF \"/a\"\nb\nEOF", BARE);
    assert_eq!(lines(&lowered), "COPY --from=side /0-0/EOF /a\n");
}

#[test]
fn a_run_with_a_heredoc_becomes_an_exec_form() {
    let lowered = lowered(
        "SHELL [\"/bin/sh\", \"-l\", \"-c\"]\nRUN --network=none <<-EOF\n\tset -e\n\n\t# \"$x\" \\\n\ty\n\tEOF",
        BARE,
    );
    assert_eq!(
        lines(&lowered),
        "SHELL [\"/bin/sh\", \"-l\", \"-c\"]\n\
         RUN [\"/bin/sh\", \"-l\", \"-c\", \"\\\n\
         set -e\\n\\\n\
         \\n\\\n\
         \\u0023 \\\"$x\\\" \\\\\\n\\\n\
         y\\n\"]\n"
    );
    assert!(matches!(
        lowered.notices.as_slice(),
        [Notice::NetworkOfBuild { .. }]
    ));
}

#[test]
fn a_full_dialect_reads_the_heredocs_of_a_run_itself() {
    let body = "RUN --network=none <<-EOF\n\ta\n\tEOF\nWORKDIR /a\n";
    let lowered = lowered(body, Dialect::FULL);
    assert_eq!(
        lines(&lowered),
        "RUN --network=none <<-EOF\n\ta\nEOF\nWORKDIR /a\n"
    );
    assert!(!lowered.needs_side_context());
    assert_eq!(lowered.notices, []);
}

#[rstest]
#[case("RUN a", "RUN [\"b\", \"\\\na\"]\n")]
#[case(
    "RUN --network=none a <<E\n\tc\nE",
    "RUN --network=none [\"b\", \"\\\na <<E\\n\\\n\\tc\\n\\\nE\"]\n"
)]
#[case("RUN [\"a\"]", "RUN [\"a\"]\n")]
#[case("RUN <<E\n#!/c\nE", "RUN <<E\n#!/c\nE\n")]
fn a_shell_is_written_out_because_engines_forget_it(#[case] body: &str, #[case] expected: &str) {
    let lowered = lowered(&format!("SHELL [\"b\"]\n{body}"), Dialect::FULL);
    assert_eq!(lines(&lowered), format!("SHELL [\"b\"]\n{expected}"));
}

#[test]
fn what_only_the_config_shows_is_not_the_engines_matter() {
    let body = "VOLUME /v\nLABEL a=b\nEXPOSE 80\nCOPY a /\nSTOPSIGNAL 9\nHEALTHCHECK NONE\n\
                MAINTAINER me\nENTRYPOINT a\nCMD b\nUSER 1\nENV c=d\n";
    let lowered = lowered(body, Dialect::FULL);
    assert_eq!(lines(&lowered), "COPY a /\nUSER 1\n");
    assert_eq!(lowered.steps.len(), 2);
}

#[test]
fn only_the_flag_of_the_network_goes() {
    let lowered = lowered(
        "RUN --network=none --mount=type=tmpfs,target=/t \\\n  a \\\n# c\n  b",
        BARE,
    );
    assert_eq!(
        lines(&lowered),
        "RUN --mount=type=tmpfs,target=/t [\"/bin/sh\", \"-c\", \"\\\na   b\"]\n"
    );
}

#[test]
fn a_directory_is_made_where_workdir_makes_none() {
    let lowered = lowered(
        "WORKDIR /a\nUSER 5:6\nWORKDIR b/\nWORKDIR \"/c d\"\nWORKDIR /\nRUN x",
        BARE,
    );
    assert_eq!(
        lines(&lowered),
        "COPY --from=side /empty/ /a/\n\
         WORKDIR /a\n\
         USER 5:6\n\
         COPY --from=side --chown=5:6 /empty/ /a/b/\n\
         WORKDIR /a/b\n\
         COPY --from=side --chown=5:6 [\"/empty/\", \"/c d/\"]\n\
         WORKDIR /c d\n\
         WORKDIR /\n\
         RUN [\"/bin/sh\", \"-c\", \"\\\nx\"]\n"
    );
    assert_eq!(lowered.directories.len(), 1);
    let placed: Vec<_> = lowered
        .steps
        .iter()
        .map(|step| (step.step.index, step.makes_layer))
        .collect();
    assert_eq!(
        placed,
        [
            (0, true),
            (0, false),
            (1, false),
            (2, true),
            (2, false),
            (3, true),
            (3, false),
            (4, false),
            (5, true)
        ]
    );
}

#[test]
fn stages_that_are_not_needed_go_and_names_change() {
    let source = "\
# syntax=other/frontend
# escape=`
ARG tag=x
FROM tree/a-${tag} AS a
FROM tree/unused
COPY --from=fetch b c
FROM scratch
COPY --from=a / /
FROM a AS d
COPY --link --from=2 `
  b c
COPY --from=fetch --chown=\"$o p\" [\"e f\", \"g\"]
RUN --mount=from=tree/tool,target=/t,source=/x --mount=from=a,target=/a d
";
    let mut options = options(Dialect::FULL);
    options.references = [
        ("tree/a-x", "local/1"),
        ("tree/tool", "local/2"),
        ("fetch", "local/3"),
    ]
    .into_iter()
    .map(|(old, new)| (old.to_owned(), new.to_owned()))
    .collect();
    let (_, lowered) = lowered_with(source, &options);
    assert_eq!(
        lowered.text,
        "
FROM local/1 AS a

FROM scratch
COPY --from=a / /

FROM a AS d
COPY --from=1 --link b c
COPY --from=local/3 --chown=\" p\" [\"e f\", \"g\"]
ENV PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"
RUN --mount=from=local/2,target=/t,source=/x --mount=from=a,target=/a [\"/bin/sh\", \"-c\", \"\\
d\"]
"
    );
    assert_eq!(
        lowered.notices,
        [Notice::SyntaxIgnored("other/frontend".to_owned())]
    );
}

#[test]
fn triggers_of_a_stage_are_written_out() {
    let source = "FROM scratch AS a\nONBUILD RUN <<EOF\nb\nEOF\nONBUILD COPY x y\nFROM a\nRUN c";
    let (_, lowered) = lowered_with(source, &options(BARE));
    assert_eq!(
        lowered.text,
        "\nFROM scratch AS a\n\nFROM a\nRUN [\"/bin/sh\", \"-c\", \"\\\nb\\n\"]\nCOPY x y\nRUN [\"/bin/sh\", \"-c\", \"\\\nc\"]\n"
    );
    let stages: Vec<_> = lowered
        .steps
        .iter()
        .map(|step| (step.step.stage.0, step.step.index))
        .collect();
    assert_eq!(stages, [(1, 0), (1, 1), (1, 2)]);
}

#[rstest]
#[case::run("WORKDIR /a\nENV b=c\nRUN x", false)]
#[case::nothing("WORKDIR /a", true)]
#[case::copy("WORKDIR /a\nCOPY x y\nRUN x", true)]
#[case::elsewhere("WORKDIR /a\nWORKDIR /\nRUN x", true)]
#[case::mount("WORKDIR /a\nRUN --mount=type=tmpfs,target=/a x", true)]
#[case::of_a_user("USER 5\nWORKDIR /a\nUSER 0\nRUN x", true)]
#[case::by_a_user("WORKDIR /a\nUSER 5\nRUN x", true)]
fn a_directory_that_only_a_run_needs_is_left_to_it(#[case] steps: &str, #[case] copied: bool) {
    let copy = "COPY --from=side";
    let source = format!("FROM scratch AS b\n{steps}\nFROM scratch\nCOPY --from=b / /\n");
    let (build, lowered) = lowered_with(&source, &options(BARE));
    assert_eq!(lowered.text.contains(copy), copied, "{}", lowered.text);
    let is_workdir = |id| matches!(build.step(id).unwrap().instruction, Instruction::Workdir(_));
    let layers = lowered.steps.iter().filter(|step| step.makes_layer);
    let layers = layers.filter(|step| is_workdir(step.step)).count();
    assert_eq!(layers, usize::from(copied));

    // The image has a layer of each WORKDIR in its own stages.
    let source = format!("FROM scratch AS b\n{steps}\nFROM b\n");
    let (_, lowered) = lowered_with(&source, &options(BARE));
    assert!(lowered.text.contains(copy), "{}", lowered.text);
}

#[test]
fn a_script_is_mounted_where_it_can_be() {
    let dialect = Dialect {
        script_mounts: true,
        ..BARE
    };
    let lowered = lowered("RUN <<run\n#!/bin/x\ny\nrun", dialect);
    assert_eq!(
        lines(&lowered),
        "RUN --mount=type=bind,from=side,source=/0-0,target=/dev/pipes [\"/bin/sh\", \"-c\", \"\\\n/dev/pipes/run\"]\n"
    );
    assert_eq!(lowered.files[0].mode, 0o755);
    assert_eq!(lowered.files[0].contents, "#!/bin/x\ny\n");
}

#[test]
fn an_archive_that_the_engine_does_not_unpack_is_named() {
    let lowered = lowered("ADD a.tar.gz b.tar.zst /", BARE);
    let [Notice::ZstdArchive { path, .. }] = lowered.notices.as_slice() else {
        panic!("{:?}", lowered.notices);
    };
    assert_eq!(path, "b.tar.zst");
}

#[rstest]
#[case("COPY a <<EOF /x/\nb\nEOF", ErrorKind::MixedSources)]
#[case("COPY <<$x /x/\nb\n$x", ErrorKind::UnusualHeredocName("$x".to_owned()))]
#[case("RUN --network=host a", ErrorKind::NetworkOfRun("host"))]
#[case("RUN <<EOF\n#!/bin/x\nEOF", ErrorKind::ScriptOfRun("EOF".to_owned()))]
fn what_the_dialect_cannot_say_is_refused(#[case] body: &str, #[case] kind: ErrorKind) {
    let file = parse(&format!("FROM scratch\n{body}")).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let error = lower(&file, &build, &options(BARE)).unwrap_err().remove(0);
    assert_eq!((error.kind, error.position.line), (kind, 2));
}

#[test]
fn a_run_without_network_is_refused_unless_the_build_is_offline() {
    let file = parse("FROM scratch\nRUN --network=none a").unwrap();
    let build = file.resolve(&scope()).unwrap();
    let mut options = options(BARE);
    options.offline = false;
    let error = lower(&file, &build, &options).unwrap_err().remove(0);
    assert_eq!(error.kind, ErrorKind::NetworkOfRun("none"));
    assert!(error.hint().unwrap().contains("offline"));
}

#[test]
fn rare_forms_of_variables_are_written_out() {
    let source = "\
ARG version=1.2.3
ARG major=${version%%.*}
FROM scratch
ARG version major
ARG minor=${version#*.} last=${minor##*.}
ENV a='\"'${version//./-} b=$major
WORKDIR /x-${version/./ }
COPY --from=tree/x --chown=${unset-1}:2 a${major?}* '$b' /${minor%.*}/
COPY --chmod=${mode:-644} <<EOF /${minor%.*}
${version%.3}
EOF
USER ${a-b}
";
    let mut options = options(BARE);
    options
        .references
        .insert("tree/x".to_owned(), "local/x".to_owned());
    let (_, lowered) = lowered_with(source, &options);
    assert_eq!(
        lowered.text,
        "
FROM scratch
COPY --from=side [\"/empty/\", \"/x-1 2.3/\"]
WORKDIR /x-1 2.3
COPY --from=local/x --chown=1:2 a1* \\$b /2/
COPY --from=side --chmod=644 /0-5/EOF /2
USER \\\"1-2-3
"
    );
    assert_eq!(lowered.files[0].contents, "1.2\n");
}

/// What a step does, in words that do not change when it is lowered.
fn meaning(build: &Build, files: &BTreeMap<String, String>) -> Vec<String> {
    build
        .stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(|step| !is_made_directory(step) && !step.instruction.is_only_in_config())
        // Their values are written out where they are used.
        .filter(|step| !matches!(step.instruction, Instruction::Arg(_) | Instruction::Env(_)))
        .map(|step| {
            let what = match &step.instruction {
                Instruction::Run(_) => format!(
                    "run {:?} {:?}",
                    step.invocation().map(|run| run.words),
                    step.environment
                ),
                Instruction::Copy(copy) => {
                    let contents: Vec<_> = copy
                        .sources
                        .paths
                        .iter()
                        .filter_map(|path| files.get(path.trim_start_matches('/')).cloned())
                        .chain(
                            copy.sources
                                .heredocs
                                .iter()
                                .map(|heredoc| heredoc.body.clone()),
                        )
                        .collect();
                    format!(
                        "copy {:?} {contents:?} {:?} {:?}",
                        copy.sources.destination, copy.chown, copy.chmod
                    )
                }
                other => format!("{other:?}"),
            };
            format!(
                "{what} {} {} {:?}",
                step.working_directory, step.user, step.shell
            )
        })
        .collect()
}

fn is_made_directory(step: &Step) -> bool {
    matches!(&step.instruction, Instruction::Copy(copy) if copy.sources.paths == ["/empty/"])
}

#[rstest]
#[case(BARE)]
#[case(Dialect::FULL)]
#[case(Dialect { heredocs: true, ..BARE })]
fn a_lowered_file_means_the_same(#[case] dialect: Dialect) {
    let source = "\
# escape=\\
ARG base=tree/base
FROM --platform=linux/386 ${base} AS build
ARG TARGETARCH
ARG given
ARG version=1.2.3 major=${version%%.*}
ENV PATH=/build:$PATH NAME=\"a b\"
WORKDIR /src-${version}
COPY <<-EOF conf/$major
	version = ${version}
		\"quoted\" \\$kept
EOF
RUN --network=none <<EOF
  # first

\techo \"$given\" 'x' \\
    `backtick` \u{a0}é \\\\
EOF
RUN cat <<-A > /a && \\
  # gone
  cat <<'B' > /b
	one
	A
two $x
B
USER 1000:1000
WORKDIR out
SHELL [\"/bin/sh\", \"-l\", \"-c\"]
RUN [\"/bin/a\", \"b c\"]
RUN --network=none make \\
  install
FROM scratch AS unused
RUN <<EOF
never
EOF
FROM scratch
COPY --from=build /src-* /
LABEL a=$given
ENTRYPOINT [\"/bin/a\"]
";
    let (build, lowered) = lowered_with(source, &options(dialect));
    let files = lowered
        .files
        .iter()
        .map(|file| (file.path.clone(), file.contents.clone()))
        .collect();
    // Whatever the engine has been given: nothing in the file asks for it.
    for given in ["", "given=7"] {
        let mut scope = scope();
        let given = given.split_once('=').into_iter();
        scope.build_args = given
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let again = parse(&lowered.text)
            .and_then(|file| file.resolve(&scope))
            .unwrap_or_else(|error| panic!("{error}\n{}", lowered.text));
        assert_eq!(meaning(&again, &files), meaning(&build, &BTreeMap::new()));
        let steps = again.stages.iter().flat_map(|stage| &stage.steps);
        let steps = steps
            .filter(|step| !matches!(step.instruction, Instruction::Arg(_) | Instruction::Env(_)));
        assert_eq!(lowered.steps.len(), steps.count());
    }
}

/// As with BuildKit: by the name in any case of letters, and by the number.
#[rstest]
#[case("COPY --from=made /f /")]
#[case("COPY --from=Made /f /")]
#[case("COPY --from=0 /f /")]
fn a_context_takes_the_place_of_a_stage_of_its_name(#[case] copy: &str) {
    let source = format!("FROM scratch AS made\nRUN x\nFROM scratch\n{copy}\n");
    let mut file = parse(&source).unwrap();
    file.replace_stages(|name| (name == "made").then(|| "Made".to_owned()));
    let build = file.resolve(&scope()).unwrap();
    assert_eq!(build.references[0].name, "Made");
    let mut options = options(BARE);
    options.references = [("Made".to_owned(), "local/1".to_owned())].into();
    let lowered = lower(&file, &build, &options).unwrap();
    assert_eq!(lowered.text, "\nFROM scratch\nCOPY --from=local/1 /f /\n");
    // What is built is a stage.
    let mut scope = scope();
    scope.target = Some("made".to_owned());
    assert!(file.resolve(&scope).is_err());
}

#[test]
fn where_one_image_is_behind_a_name_no_from_says_a_platform() {
    let source = "FROM --platform=linux/386 tree/base\nCOPY a /\n";
    let text = |dialect| lowered_with(source, &options(dialect)).1.text;
    assert!(text(Dialect::FULL).contains("FROM --platform=linux/386 tree/base"));
    assert!(text(BARE).contains("\nFROM tree/base\n"));
}
