//! Grammar: what a file may hold, and how a mistake is reported.

use containerfile::{Command, Containerfile, ErrorKind, Instruction, NetworkMode, Pair, parse};
use rstest::rstest;

use crate::scope;

/// Returns the instructions of a file's only stage.
fn instructions(body: &str) -> Vec<Instruction> {
    let file: Containerfile = parse(&format!("FROM scratch\n{body}")).expect("the file is read");
    let [stage] = file.stages.as_slice() else {
        panic!("one stage, found {}", file.stages.len());
    };
    stage
        .statements
        .iter()
        .map(|statement| statement.instruction.clone())
        .collect()
}

fn only(body: &str) -> Instruction {
    let found = instructions(body);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one instruction")
}

#[test]
fn keywords_stand_in_any_case_and_comments_anywhere() {
    let found = instructions("# one\nrun a \\\n# two\n\n  && b\n\n  Workdir /x y\nuSeR a:b");
    let keywords: Vec<_> = found.iter().map(Instruction::keyword).collect();
    assert_eq!(keywords, ["RUN", "WORKDIR", "USER"]);
    let Instruction::Run(run) = &found[0] else {
        panic!("{found:?}");
    };
    assert_eq!(run.command, Command::Shell("a   && b".to_owned()));
    assert_eq!(found[1], Instruction::Workdir("/x y".to_owned()));
}

#[test]
fn flags_stand_in_any_order() {
    let Instruction::Copy(copy) =
        only("COPY --chmod=755 --from=x --exclude=a --link --exclude=b c d /e")
    else {
        panic!("COPY");
    };
    assert_eq!(copy.from.as_deref(), Some("x"));
    assert_eq!(copy.chmod.as_deref(), Some("755"));
    assert_eq!(copy.exclude, ["a", "b"]);
    assert!(copy.link && !copy.parents);
    assert_eq!(copy.sources.paths, ["c", "d"]);
    assert_eq!(copy.sources.destination, "/e");
}

#[test]
fn a_copy_takes_paths_and_several_heredocs() {
    let Instruction::Copy(copy) = only("COPY a <<one <<-'two' b /c/\n1 $x\none\n\t\t2 $x\n\ttwo")
    else {
        panic!("COPY");
    };
    assert_eq!(copy.sources.paths, ["a", "b"]);
    let heredocs: Vec<_> = copy
        .sources
        .heredocs
        .iter()
        .map(|heredoc| (heredoc.name.as_str(), heredoc.contents(), heredoc.expand))
        .collect();
    assert_eq!(
        heredocs,
        [
            ("one", "1 $x\n".to_owned(), true),
            ("two", "2 $x\n".to_owned(), false)
        ]
    );
}

#[test]
fn a_run_keeps_its_heredocs_and_its_text() {
    let found = instructions(
        "RUN --network=none cat <<A >/a && \\\n  cat <<-B >/b\n1\nA\n\t2\n\tB\nRUN [\"<<C\"]",
    );
    let Instruction::Run(run) = &found[0] else {
        panic!("{found:?}");
    };
    assert_eq!(run.network, Some(NetworkMode::None));
    assert_eq!(
        run.command,
        Command::Shell("cat <<A >/a &&   cat <<-B >/b".to_owned())
    );
    let bodies: Vec<_> = run
        .heredocs
        .iter()
        .map(|heredoc| heredoc.body.as_str())
        .collect();
    assert_eq!(bodies, ["1\n", "\t2\n"]);
    let Instruction::Run(run) = &found[1] else {
        panic!("{found:?}");
    };
    assert_eq!(run.command, Command::Exec(vec!["<<C".to_owned()]));
}

#[rstest]
#[case("ENV a=1 b=\"x y\" c=x\\ y", &[("a", "1"), ("b", "\"x y\""), ("c", "x\\ y")])]
#[case("ENV a  some text ", &[("a", "some text")])]
#[case("ENV a=", &[("a", "")])]
#[case("ENV a=b=c", &[("a", "b=c")])]
fn both_forms_of_env_are_read(#[case] body: &str, #[case] expected: &[(&str, &str)]) {
    let expected = expected
        .iter()
        .map(|(name, value)| Pair {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        })
        .collect();
    assert_eq!(only(body), Instruction::Env(expected));
}

#[test]
fn a_trigger_keeps_its_heredoc() {
    let Instruction::Onbuild(onbuild) = only("ONBUILD RUN <<EOF\na\nEOF") else {
        panic!("ONBUILD");
    };
    assert_eq!(onbuild.expression, "RUN <<EOF\na\nEOF");
}

/// Whoever begins with the image may know more instructions, and more flags.
#[rstest]
#[case("COPY --newflag=1 a /")]
#[case("LATER x")]
fn a_trigger_is_kept_as_it_is(#[case] text: &str) {
    let Instruction::Onbuild(onbuild) = only(&format!("ONBUILD {text}")) else {
        panic!("ONBUILD");
    };
    assert_eq!(onbuild.expression, text);
    let used = format!("FROM scratch AS a\nONBUILD {text}\nFROM a\n");
    let file = parse(&used).unwrap();
    assert!(file.resolve(&scope()).is_err());
}

#[test]
fn a_trigger_keeps_the_blanks_at_its_end() {
    let Instruction::Onbuild(onbuild) = only("ONBUILD \tRUN  a \\\n  b \t") else {
        panic!("ONBUILD");
    };
    assert_eq!(onbuild.expression, "RUN  a   b \t");
}

#[test]
fn a_statement_knows_where_it_stands() {
    let source = "FROM scratch\nCOPY --chmod=600 <<EOF \\\n  /x\nbody\nEOF\nRUN b\n";
    let file = parse(source).unwrap();
    let statement = &file.stages[0].statements[0];
    assert_eq!(
        statement.span.of(source),
        "COPY --chmod=600 <<EOF \\\n  /x\nbody\nEOF"
    );
    assert_eq!(statement.arguments.of(source), "<<EOF \\\n  /x");
    assert_eq!(statement.flags[0].span.of(source), "--chmod=600");
}

#[rstest]
#[case(
    "",
    "1:1: the file has no instructions; expected at least `FROM`",
    None
)]
#[case(
    "# only this\n",
    "2:1: the file has no instructions; expected at least `FROM`",
    None
)]
#[case(
    "FROM a\nRUM b",
    "2:1: unknown instruction `RUM`",
    Some("did you mean `RUN`?")
)]
#[case(
    "RUN a",
    "1:1: `RUN` before the first `FROM`; only `ARG` is allowed there",
    Some("begin with `FROM image AS name`")
)]
#[case(
    "FROM",
    "1:1: `FROM` without arguments, expected an image, or `image AS name`",
    None
)]
#[case(
    "FROM a b",
    "1:6: `FROM a b`, expected `FROM image | image AS name`",
    None
)]
#[case(
    "FROM a AS 1b",
    "1:6: `1b` is not a valid name for a stage, expected a letter, then letters and digits, between which a `.`, `_` or `-` may stand",
    None
)]
#[case(
    "FROM a\n  COPY --form=b c d",
    "2:8: `COPY` has no option `--form`; expected one of --from --chown --chmod --link --parents --exclude",
    None
)]
#[case(
    "FROM a\nCOPY ----from=b c d",
    "2:6: `COPY` has no option `----from`; expected one of --from --chown --chmod --link --parents --exclude",
    None
)]
#[case("FROM a\n\\\n# nothing\n", "2:1: unknown instruction ``", None)]
#[case(
    "FROM a AS b..c",
    "1:6: `b..c` is not a valid name for a stage, expected a letter, then letters and digits, between which a `.`, `_` or `-` may stand",
    None
)]
#[case(
    "FROM a\nENV b\u{a0}c",
    "2:5: `ENV b\u{a0}c`, expected `ENV name=value`",
    None
)]
#[case(
    "FROM a\nCOPY --link --link b c",
    "2:13: the option `--link` is given twice",
    None
)]
#[case(
    "FROM a\nRUN --network=nine b",
    "2:5: the option `--network` has the value `nine`; expected `default`, `none` or `host`",
    None
)]
#[case(
    "FROM a\nCOPY b",
    "2:6: `COPY b`, expected `COPY source... destination`",
    None
)]
#[case(
    "FROM a\nCOPY b <<EOF\nEOF",
    "2:6: the destination is a heredoc; expected a path",
    None
)]
#[case(
    "FROM a\nRUN <<EOF\nb\n EOF\n",
    "2:1: the heredoc `EOF` does not end; expected a line with only `EOF`",
    Some("only `<<-` allows tabs before the last line, and nothing may follow the name")
)]
#[case("FROM a\nENV b", "2:5: `ENV b`, expected `ENV name=value`", None)]
#[case(
    "FROM a\nENV b=c d",
    "2:5: `ENV b=c d`, expected `ENV name=value name=value ...`",
    None
)]
#[case(
    "FROM a\nARG =c",
    "2:5: `ARG =c`, expected `ARG name or name=value`",
    None
)]
#[case(
    "FROM a\nSHELL sh -c",
    "2:7: `SHELL sh -c`, expected `SHELL [\"program\", \"argument\"]`",
    None
)]
#[case(
    "FROM a\nCMD [\"b\", 1]",
    "2:5: an array contains something other than a string",
    None
)]
#[case(
    "FROM a\nHEALTHCHECK true",
    "2:13: `HEALTHCHECK true`, expected `HEALTHCHECK CMD command | NONE`",
    None
)]
#[case(
    "FROM a\nHEALTHCHECK --interval=5 CMD b",
    "2:13: the option `--interval` has the value `5`; expected a duration of at least 1ms, such as `30s`",
    None
)]
#[case(
    "FROM a\nONBUILD FROM b",
    "2:9: `ONBUILD FROM` is not allowed; expected another instruction",
    None
)]
#[case(
    "FROM a\nWORKDIR",
    "2:1: `WORKDIR` without arguments, expected a path",
    None
)]
fn a_mistake_is_reported_with_its_place(
    #[case] source: &str,
    #[case] message: &str,
    #[case] hint: Option<&str>,
) {
    let error = parse(source).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.hint().as_deref(), hint);
}

#[test]
fn a_file_without_a_stage_is_refused() {
    let error = parse("ARG a=1\n").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Empty);
}
