//! Resolution: which stages a target needs, and what each instruction says there.

use containerfile::{
    Argument, Base, Build, Command, Dialect, ErrorKind, ImageFacts, Instruction, NetworkMode,
    Origin, Pair, StageId, Step, lower, parse,
};
use rstest::rstest;

use crate::lowering::{BARE, options};
use crate::{platform, scope};

fn build(source: &str) -> Build {
    build_with(source, &[])
}

fn build_with(source: &str, args: &[(&str, &str)]) -> Build {
    let mut scope = scope();
    scope.build_args = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    parse(source)
        .and_then(|file| file.resolve(&scope))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the steps of the target.
fn steps(build: &Build) -> &[Step] {
    &build.stage(build.target).expect("the target").steps
}

fn last(build: &Build) -> &Instruction {
    &steps(build).last().expect("a step").instruction
}

fn run_arguments(build: &Build) -> Vec<(&str, &str)> {
    let run = steps(build)
        .iter()
        .find(|step| matches!(step.instruction, Instruction::Run(_)))
        .expect("a RUN");
    run.arguments
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

const TREE: &str = "\
FROM tree/base AS base
RUN --network=none a
FROM scratch AS unused
COPY --from=tree/never / /
FROM base AS build
RUN b
FROM scratch AS data
COPY --from=1 / /
FROM base AS package
COPY --from=build / /
RUN --network=host c
FROM scratch AS other
COPY --from=data / /
";

#[test]
fn only_what_the_target_needs_is_there_in_file_order() {
    let mut scope = scope();
    scope.target = Some("Package".to_owned());
    let build = parse(TREE).unwrap().resolve(&scope).unwrap();
    let ids: Vec<_> = build.stages.iter().map(|stage| stage.id.0).collect();
    assert_eq!(ids, [0, 2, 4]);
    let chain: Vec<_> = build.chain().iter().map(|stage| stage.id.0).collect();
    assert_eq!(chain, [0, 4]);
    assert_eq!(build.base_image(), Some("tree/base"));
    assert_eq!(
        build.images().into_iter().collect::<Vec<_>>(),
        ["tree/base"]
    );
    let modes: Vec<_> = build.network().map(|run| run.mode).collect();
    assert_eq!(
        modes,
        [NetworkMode::None, NetworkMode::Default, NetworkMode::Host]
    );
}

#[test]
fn the_last_stage_is_the_target_where_nothing_is_said() {
    let build = build(TREE);
    assert_eq!(build.target, StageId(5));
    assert_eq!(build.base_image(), None);
    let ids: Vec<_> = build.stages.iter().map(|stage| stage.id.0).collect();
    // `data` copies from stage 1, by its number.
    assert_eq!(ids, [1, 3, 5]);
}

#[test]
fn an_unknown_target_comes_with_the_nearest_names() {
    let mut scope = scope();
    scope.target = Some("packege".to_owned());
    let error = parse(TREE).unwrap().resolve(&scope).unwrap_err();
    assert_eq!(error.to_string(), "12:1: no stage is called `packege`");
    assert_eq!(error.hint().unwrap(), "the nearest names: package");
}

#[rstest]
#[case("FROM a AS b\nCOPY --from=b / /", ErrorKind::SelfReference("b".to_owned()), 2)]
#[case("FROM a AS b\nFROM b AS b\nCOPY --from=b / /\nFROM scratch", ErrorKind::SelfReference("b".to_owned()), 3)]
#[case("FROM a AS b\nCOPY --from=c / /\nFROM a AS c\nCOPY --from=b / /\nFROM scratch", ErrorKind::SelfReference("b".to_owned()), 4)]
#[case("FROM a AS b\nRUN true\nCOPY --from=c / /\nFROM b AS c", ErrorKind::UsedBeforeBuilt { used: "c".to_owned(), user: "b".to_owned() }, 3)]
#[case("FROM a\nWORKDIR ${x:?is needed}", ErrorKind::Expansion(containerfile::ExpansionError::Required { name: "x".to_owned(), message: "is needed".to_owned() }), 2)]
#[case("FROM a\nEXPOSE x", ErrorKind::BadPort("x".to_owned()), 2)]
#[case("FROM a\nSTOPSIGNAL ${x:-SIGNAL}", ErrorKind::BadSignal("SIGNAL".to_owned()), 2)]
#[case("FROM a\nVOLUME /a $x", ErrorKind::Blank("$x".to_owned()), 2)]
#[case("FROM --platform=linux a", ErrorKind::BadPlatform("linux".to_owned()), 1)]
#[case(
    "FROM --platform=$none a AS unused\nFROM scratch",
    ErrorKind::BadPlatform(String::new()),
    1
)]
fn what_cannot_be_resolved_is_refused(
    #[case] source: &str,
    #[case] kind: ErrorKind,
    #[case] line: usize,
) {
    let error = parse(source).unwrap().resolve(&scope()).unwrap_err();
    assert_eq!(error.kind, kind);
    assert_eq!(error.position.line, line);
}

#[test]
fn a_forward_reference_in_a_stage_that_is_not_needed_does_no_harm() {
    let build = build("FROM a AS b\nCOPY --from=c / /\nFROM a AS c");
    assert_eq!(build.stages.len(), 1);
}

#[test]
fn a_name_in_from_means_the_stage_before_it() {
    let build = build("FROM x AS x\nUSER one\nFROM x AS x\nRUN true");
    assert_eq!(build.stages[0].base, Base::Image("x".to_owned()));
    assert_eq!(build.stages[1].base, Base::Stage(StageId(0)));
    assert_eq!(steps(&build)[0].user, "one");
}

#[test]
fn arguments_take_the_builds_value_then_their_default_then_the_global_one() {
    let source = "\
ARG global=g
ARG both=g
FROM scratch
ARG global
ARG both=own-$global
ARG given=default
ARG none
ARG TARGETARCH
ARG first=1 second=${first}2
RUN true
";
    let build = build_with(source, &[("given", "value"), ("unused", "x")]);
    assert_eq!(
        run_arguments(&build),
        [
            ("global", "g"),
            ("both", "own-g"),
            ("given", "value"),
            ("none", ""),
            ("TARGETARCH", "amd64"),
            ("first", "1"),
            ("second", "12"),
        ]
    );
    let environment = &steps(&build).last().unwrap().environment;
    assert!(!environment.iter().any(|(name, _)| name == "none"));
    assert_eq!(
        steps(&build)[3].instruction,
        Instruction::Arg(vec![Argument {
            name: "none".to_owned(),
            value: None
        }])
    );
}

#[test]
fn env_overrides_an_argument_and_keeps_its_place() {
    let build = build("FROM scratch\nARG a=1\nARG b=2\nENV a=3\nARG b=4\nRUN true");
    assert_eq!(run_arguments(&build), [("a", "3"), ("b", "4")]);
}

#[test]
fn a_stage_inherits_arguments_and_environment_from_the_stage_it_begins_with() {
    let build = build(
        "FROM scratch AS one\nARG a=1\nENV b=2\nARG b=3\nWORKDIR w\nUSER u\nSHELL [\"s\"]\nFROM one\nRUN x",
    );
    // What the image keeps is set again over an argument with the same name.
    assert_eq!(run_arguments(&build), [("a", "1"), ("b", "2")]);
    let step = steps(&build).last().unwrap();
    assert_eq!(step.working_directory, "/w");
    assert_eq!(step.user, "u");
    assert_eq!(step.invocation().unwrap().words, ["s", "x"]);
}

#[test]
fn an_image_hands_on_what_is_known_of_it() {
    let mut scope = scope();
    scope.images.insert(
        "tree/base".to_owned(),
        ImageFacts {
            environment: vec![("A".to_owned(), "1".to_owned())],
            working_directory: "/home".to_owned(),
            user: "7".to_owned(),
            shell: vec!["sh".to_owned()],
            triggers: vec!["RUN trigger <<EOF\nx\nEOF".to_owned()],
        },
    );
    let build = parse("FROM tree/base\nENV PATH=/a:$PATH B=$A\nWORKDIR x")
        .unwrap()
        .resolve(&scope)
        .unwrap();
    let [trigger, env, workdir] = steps(&build) else {
        panic!("three steps");
    };
    assert_eq!(trigger.origin, Origin::ImageTrigger);
    assert_eq!(
        trigger.invocation().unwrap().words,
        ["sh", "trigger <<EOF\nx\nEOF"]
    );
    assert_eq!((trigger.user.as_str(), workdir.span.start > 0), ("7", true));
    let Instruction::Env(pairs) = &env.instruction else {
        panic!("ENV");
    };
    assert_eq!(
        pairs[0].value,
        "/a:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    assert_eq!(pairs[1].value, "1");
    assert_eq!(
        workdir.instruction,
        Instruction::Workdir("/home/x".to_owned())
    );
}

#[test]
fn triggers_of_a_stage_run_in_the_next_one_only() {
    let build = build("FROM scratch AS a\nONBUILD RUN x\nFROM a AS b\nRUN y\nFROM b\nRUN z");
    let runs = |stage: usize| -> Vec<String> {
        build.stages[stage]
            .steps
            .iter()
            .filter_map(Step::invocation)
            .filter_map(|invocation| invocation.words.last().cloned())
            .collect()
    };
    assert_eq!(runs(1), ["x", "y"]);
    assert_eq!(runs(2), ["z"]);
    assert_eq!(build.stages[1].steps[0].origin, Origin::StageTrigger);
}

#[test]
fn the_body_of_a_copied_heredoc_is_expanded_unless_its_name_is_quoted() {
    let build = build(
        "FROM scratch\nARG v=\"a\tb\"\nCOPY <<-one <<-'two' /x/\n\t\"$v\" \\$v '${v#a}'\none\n\t$v\ntwo\n",
    );
    let Instruction::Copy(copy) = last(&build) else {
        panic!("COPY");
    };
    let bodies: Vec<_> = copy
        .sources
        .heredocs
        .iter()
        .map(containerfile::Heredoc::contents)
        .collect();
    assert_eq!(bodies, ["\"a\tb\" $v '\tb'\n", "$v\n"]);
}

#[rstest]
#[case("RUN echo $x", &["/bin/sh", "-c", "echo $x"], None)]
#[case("RUN [\"a\", \"$x\"]", &["a", "$x"], None)]
#[case("SHELL [\"b\", \"-l\"]\nRUN c", &["b", "-l", "c"], None)]
#[case("RUN <<EOF\na $x\n  b\nEOF", &["/bin/sh", "-c", "a $x\n  b\n"], None)]
#[case("RUN <<-'EOF'\n\ta\n\t\tb\n\tEOF", &["/bin/sh", "-c", "a\nb\n"], None)]
#[case("RUN cat <<-A >/a\n\tb\n\tA", &["/bin/sh", "-c", "cat <<-A >/a\n\tb\nA"], None)]
#[case("RUN <<A <<B\n1\nA\n2\nB", &["/bin/sh", "-c", "<<A <<B\n1\nA\n2\nB"], None)]
#[case("RUN <<run\n#!/usr/bin/env x\ny\nrun", &["/bin/sh", "-c", "/dev/pipes/run"], Some("#!/usr/bin/env x\ny\n"))]
fn a_run_knows_its_words(#[case] body: &str, #[case] words: &[&str], #[case] script: Option<&str>) {
    let build = build(&format!("FROM scratch\n{body}"));
    let invocation = steps(&build).last().unwrap().invocation().unwrap();
    assert_eq!(invocation.words, words);
    assert_eq!(
        invocation.script.map(|script| script.contents).as_deref(),
        script
    );
}

#[test]
fn layers_are_made_by_files_commands_and_directories_only() {
    let build = build(
        "FROM scratch\nCOPY a b\nADD a b\nRUN c\nWORKDIR /x\nWORKDIR /\nENV a=b\nUSER u\nCMD [\"d\"]\nEXPOSE 2-3 1/udp\nVOLUME /v",
    );
    let layers: Vec<_> = steps(&build).iter().map(Step::makes_layer).collect();
    assert_eq!(
        layers,
        [
            true, true, true, true, false, false, false, false, false, false
        ]
    );
    assert_eq!(
        steps(&build)[8].instruction,
        Instruction::Expose(vec!["1/udp".into(), "2/tcp".into(), "3/tcp".into()])
    );
}

/// Engines would make a directory where `BuildKit` makes a file of the last source.
#[rstest]
#[case("COPY a b c", false)]
#[case("ADD a b /c/d", false)]
#[case("COPY <<a <<b /c\na\nb\n", false)]
#[case("WORKDIR /c\nRUN x\nCOPY a b /c", false)]
#[case("COPY f* /c/\nCOPY a b /c", false)]
#[case("WORKDIR /cc\nCOPY a b /c", false)]
#[case("COPY a b $c", true)]
#[case("COPY a b .", true)]
#[case("COPY a b /", true)]
#[case("COPY a b /c/.", true)]
#[case("COPY a c", true)]
#[case("WORKDIR /c\nCOPY a b /c", true)]
#[case("WORKDIR /c/d\nCOPY a b /c", true)]
#[case("WORKDIR /c/d\nCOPY a b ../d", true)]
#[case("COPY f /c/d/\nADD a b c/d", true)]
#[case("WORKDIR /c\nFROM base\nCOPY <<a <<b /c\na\nb\n", true)]
fn what_several_sources_go_to_is_a_directory_to_every_engine(
    #[case] line: &str,
    #[case] is_lowered: bool,
) {
    let source = format!("FROM scratch AS base\nARG c=c/\n{line}\n");
    let file = parse(&source).unwrap();
    let build = file.resolve(&scope()).unwrap();
    let lowered = lower(&file, &build, &options(BARE));
    assert_eq!(lowered.is_ok(), is_lowered, "{lowered:?}");
    if let Err(errors) = lowered {
        assert!(
            errors[0].to_string().contains("several sources"),
            "{errors:?}"
        );
    }
    let full = Dialect {
        any_destination: true,
        ..BARE
    };
    assert!(lower(&file, &build, &options(full)).is_ok());
}

#[test]
fn names_and_flags_are_expanded_and_commands_are_not() {
    let build = build_with(
        "FROM scratch\nARG v\nLABEL $v=\"a $v\"\nCOPY --chown=$v:$v --chmod=$none \"$v\" '$v' /d/${v}/\nCMD $v",
        &[("v", "7")],
    );
    let [_, label, copy, cmd] = steps(&build) else {
        panic!("four steps");
    };
    assert_eq!(
        label.instruction,
        Instruction::Label(vec![Pair {
            name: "7".to_owned(),
            value: "a 7".to_owned()
        }])
    );
    let Instruction::Copy(copy) = &copy.instruction else {
        panic!("COPY");
    };
    assert_eq!(copy.chown.as_deref(), Some("7:7"));
    assert_eq!(copy.chmod, None);
    assert_eq!(copy.sources.paths, ["7", "$v"]);
    assert_eq!(copy.sources.destination, "/d/7/");
    assert_eq!(
        cmd.instruction,
        Instruction::Cmd(Command::Shell("$v".to_owned()))
    );
}

#[test]
fn the_platform_comes_from_the_flag_the_base_or_the_target() {
    let mut scope = scope();
    scope.platform = platform("linux/arm64");
    scope.build_platform = platform("linux/amd64");
    let build = parse(
        "FROM --platform=$BUILDPLATFORM a AS one\nFROM one AS two\nFROM a AS three\nFROM scratch\nCOPY --from=two / /\nCOPY --from=three / /",
    )
    .unwrap()
    .resolve(&scope)
    .unwrap();
    let platforms: Vec<_> = build
        .stages
        .iter()
        .map(|stage| stage.platform.architecture.as_str())
        .collect();
    assert_eq!(platforms, ["amd64", "amd64", "arm64", "arm64"]);
}

#[rstest]
#[case("ENV a=$x", &["x"])]
#[case("ENV a=${x:-1}", &["x"])]
#[case("ENV a=$x$x b=$PATH", &["x"])]
#[case("ARG x\nENV a=$x", &[])]
#[case("ENV x=1\nENV a=$x", &[])]
#[case("ARG b=$x", &["x"])]
#[case("COPY <<E /a\n$x\nE", &["x"])]
#[case("COPY <<'E' /a\n$x\nE", &[])]
#[case("RUN echo $x", &[])]
#[case("EXPOSE 80$x", &[])]
fn what_nothing_defines_is_told(#[case] body: &str, #[case] expected: &[&str]) {
    let build = build(&format!("FROM scratch\n{body}"));
    let last = build.stages[0].steps.last().unwrap();
    assert_eq!(last.undefined, expected);
}

#[test]
fn the_words_of_a_from_tell_their_variables() {
    let source = "ARG a=1\nARG b\nFROM --platform=$TARGETPLATFORM x:$a$b$c AS one\nFROM scratch";
    let words = parse(source).unwrap().from_words(&scope()).unwrap();
    let [platform, image] = &words[..] else {
        panic!("{words:?}")
    };
    assert!(platform.is_platform && platform.defined == ["TARGETPLATFORM"]);
    assert_eq!(
        (image.value.as_str(), &*image.defined),
        ("x:1", &["a".to_owned()][..])
    );
    assert_eq!(image.undeclared, ["c"]);
}

#[test]
fn empty_continuations_are_told() {
    let source = "FROM scratch\nRUN a \\\n\n  # comment\n \n  b\n\nRUN c";
    let file = parse(source).unwrap();
    let found = file.empty_continuations.iter().map(|span| span.of(source));
    assert_eq!(found.collect::<Vec<_>>(), ["\n", " \n"]);
}

#[rstest]
#[case("COPY --parents . /d/", false)]
#[case("COPY --parents / /d/", false)]
#[case("COPY --parents a/./ /d/", false)]
#[case("COPY --parents a/./. /d/", false)]
#[case("COPY --parents ./* /d/", true)]
#[case("COPY --parents a/./b /d/", true)]
#[case("COPY . /d/", true)]
fn a_whole_directory_has_no_parents(#[case] line: &str, #[case] is_taken: bool) {
    let file = parse(&format!("FROM scratch\n{line}\n")).unwrap();
    let built = file.resolve(&scope());
    assert_eq!(built.is_ok(), is_taken, "{built:?}");
}

#[rstest]
#[case("RUN")]
#[case("CMD")]
#[case("ENTRYPOINT")]
#[case("RUN --network=none")]
fn a_command_may_be_empty(#[case] line: &str) {
    let build = build(&format!("FROM scratch\n{line}\n"));
    let command = match &build.stages[0].steps[0].instruction {
        Instruction::Run(run) => &run.command,
        Instruction::Cmd(command) | Instruction::Entrypoint(command) => command,
        other => panic!("{other:?}"),
    };
    let shell = ["/bin/sh", "-c"].map(str::to_owned);
    assert_eq!(command.words(&shell), ["/bin/sh", "-c", ""]);
}
