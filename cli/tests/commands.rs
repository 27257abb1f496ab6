//! The program as a user meets it: what it prints, where, and how it ends. No engine is needed:
//! what needs one is the conformance suite's.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

mod compared;
mod printed;
mod program;
mod schema;

use std::path::Path;

use program::{NO_ENGINES, sample, stagex, stagex_with, tree};
use schema::printed;
use serde_json::Value;

#[test]
fn the_plan_is_printed_as_json() {
    let tree = sample();
    let ran = stagex(
        tree.path(),
        &["make", "--dry-run", "--format", "json", "make"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let plan = printed("plan", &ran.stdout);
    assert_eq!(plan["packages"][0]["name"], "core-musl");
    assert_eq!(plan["packages"][1]["requested"], true);
}

#[test]
fn an_unknown_target_is_the_command_lines_fault() {
    let tree = sample();
    let ran = stagex(tree.path(), &["make", "core-maek"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error: there is no target `core-maek`"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: did you mean core-make"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_wrong_tree_is_said_with_every_place() {
    let tree = tree(&[
        (
            "core/a",
            "[package]\nname = \"a\"\nverison = \"1\"",
            "FROM scratch\nCPOY a b\n",
        ),
        ("core/b", "[package]\nname = \"b\"\n", "FROM scratch\n"),
    ]);
    let ran = stagex(tree.path(), &["make", "--dry-run"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("packages/core/a/package.toml:3:1: unknown key"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("packages/core/a/Containerfile:2:1: unknown"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_cycle_is_printed_as_one() {
    let tree = tree(&[
        ("core/a", "[package]\nname = \"a\"", "FROM stagex/core-b\n"),
        ("core/b", "[package]\nname = \"b\"", "FROM stagex/core-a\n"),
    ]);
    let ran = stagex(tree.path(), &["make", "--dry-run"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("core-a -> core-b -> core-a"),
        "{}",
        ran.stderr
    );
}

#[test]
fn absent_engines_are_listed_with_what_to_do() {
    let tree = sample();
    let arguments = [&NO_ENGINES[..], &["--format", "json", "runtimes"]].concat();
    let ran = stagex(tree.path(), &arguments);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let found = printed("runtimes", &ran.stdout);
    for name in ["docker", "podman", "buildah", "native"] {
        let why = &found["runtimes"][name]["unavailable"];
        assert_eq!(why["reason"], "not-found", "{found}");
        assert!(!why["hint"].as_str().unwrap().is_empty(), "{found}");
    }
}

#[test]
fn building_without_an_engine_says_why_for_each() {
    let tree = sample();
    let ran = stagex(tree.path(), &[&NO_ENGINES[..], &["make"]].concat());
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error:").count(), 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn an_unknown_runtime_is_refused_with_the_known_ones() {
    let tree = sample();
    let ran = stagex(tree.path(), &["--runtime", "rocket", "make"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("docker, podman, buildah, native"),
        "{}",
        ran.stderr
    );
    // What was looked for is said as well.
    let looked_for = "no program `stagex-runtime-rocket` is on PATH";
    assert!(ran.stderr.contains(looked_for), "{}", ran.stderr);
}

#[test]
fn plugins_on_the_path_are_listed() {
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/plugins");
    let arguments = [&NO_ENGINES[..], &["--format", "json", "runtimes"]].concat();
    let ran = stagex_with(sample().path(), &arguments, &[("PATH", plugins)]);
    let found = printed("runtimes", &ran.stdout);
    let names: Vec<&String> = found["runtimes"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["buildah", "docker", "example", "native", "podman"]);
}

#[test]
fn a_program_that_is_no_plugin_is_told_by_its_path() {
    let program = "/bin/true";
    let arguments = ["--runtime", "fake", "make"];
    let by_flag = [&["--engine", "fake=/bin/true"][..], &arguments].concat();
    for (arguments, variables) in [
        (by_flag.as_slice(), &[][..]),
        (&arguments, &[("STAGEX_FAKE", program)]),
    ] {
        let ran = stagex_with(sample().path(), arguments, variables);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let message = "fake is not ready: `/bin/true` ended without an answer";
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
}

#[test]
fn digests_of_what_was_not_built_are_kept() {
    let tree = sample();
    let directory = tree.path().join("digests");
    std::fs::create_dir(&directory).unwrap();
    let line = format!("{} core-make\n", "a".repeat(64));
    std::fs::write(directory.join("core.txt"), &line).unwrap();
    let ran = stagex(tree.path(), &["digests"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        std::fs::read_to_string(directory.join("core.txt")).unwrap(),
        line
    );
}

#[test]
fn a_broken_line_of_digests_is_named() {
    let tree = sample();
    let directory = tree.path().join("digests");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("core.txt"), "abc core-make\n").unwrap();
    let ran = stagex(tree.path(), &["digests", "--check"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("core.txt:1:"), "{}", ran.stderr);
}

#[test]
fn what_differs_between_engines_is_warned_of() {
    let tree = tree(&[(
        "core/name",
        "[package]\nname = \"name\"",
        "FROM scratch AS package\nRUN --network=none hostname > /name\n",
    )]);
    let ran = stagex(tree.path(), &["check"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr
            .contains("packages/core/name/Containerfile:2:20: `hostname`")
    );
    assert!(ran.stderr.contains("hint:"));
    let denied = stagex(
        tree.path(),
        &["check", "--deny-warnings", "--format", "json"],
    );
    assert_eq!(denied.code, 3);
    let found = printed("check", &denied.stdout);
    assert_eq!(found["findings"][0]["rule"], "host-name");
}

#[test]
fn every_cell_is_listed_whatever_is_here() {
    let mut arguments = NO_ENGINES.to_vec();
    arguments.extend(["conformance", "--list", "--format", "json"]);
    let ran = stagex(Path::new("."), &arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let listed = printed("conformance-cells", &ran.stdout);
    let cells = listed["cells"].as_array().unwrap();
    // Four columns and agreement for each of at least eighty cases.
    assert!(cells.len() >= 80 * 5, "{}", cells.len());
    assert!(cells.iter().all(|cell| cell["absence"].is_string()));
}

#[test]
fn a_matrix_in_which_nothing_runs_does_not_pass() {
    let mut arguments = NO_ENGINES.to_vec();
    arguments.extend(["conformance", "--case", "an-equal-file"]);
    let ran = stagex(Path::new("."), &arguments);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("0 cells hold"), "{}", ran.stdout);
}

#[test]
fn a_column_that_was_asked_for_must_be_there() {
    let mut arguments = NO_ENGINES.to_vec();
    arguments.extend([
        "conformance",
        "--case",
        "an-equal-file",
        "--column",
        "podman",
    ]);
    let ran = stagex(Path::new("."), &arguments);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("podman is not ready"), "{}", ran.stderr);
}

#[test]
fn a_plugin_that_was_asked_for_is_a_column() {
    let named = ["--engine", "fake=/bin/true", "--runtime", "fake"];
    for (options, more) in [(&named[..2], &["--column", "fake"][..]), (&named, &[])] {
        let case = ["conformance", "--case", "an-equal-file"];
        let ran = stagex(Path::new("."), &[options, &case, more].concat());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let message = "fake is not ready: `/bin/true` ended without an answer";
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
}

#[test]
fn a_case_that_is_not_there_is_the_command_lines_fault() {
    let ran = stagex(Path::new("."), &["conformance", "--case", "no-such-case"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--list"), "{}", ran.stderr);
}

#[test]
fn help_has_examples() {
    let tree = sample();
    for arguments in [&["--help"][..], &["make", "--help"][..]] {
        let ran = stagex(tree.path(), arguments);
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("core-musl"), "{}", ran.stdout);
    }
}

#[test]
fn what_is_no_platform_is_refused() {
    let tree = sample();
    let words = ["make", "--dry-run", "PLATFORM=linux/amd64,arm64"];
    let ran = stagex(tree.path(), &words);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let said = "`arm64` is not a valid platform, expected `os/architecture`";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn variables_of_make_are_flags() {
    let tree = sample();
    let words = [
        "make",
        "-n",
        "--format",
        "json",
        "musl",
        "PLATFORM=linux/386",
    ];
    let ran = stagex(tree.path(), &words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let plan = printed("plan", &ran.stdout);
    assert_eq!(plan["packages"][0]["platforms"][0], "linux/386");

    let ran = stagex(tree.path(), &["make", "EXTRA_ARGS=--squash", "PLATFROM=x"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for said in [
        "error: the variable EXTRA_ARGS is not supported",
        "error: there is no variable `PLATFROM`",
        "hint: the variables are BUILDER, CHECK, NOCACHE, PLATFORM, PROGRESS",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn clean_removes_what_was_made_and_only_in_a_tree() {
    let musl = sample();
    let layout = musl.path().join("out/core-musl");
    std::fs::create_dir_all(&layout).unwrap();
    std::fs::write(layout.join("index.json"), "12345").unwrap();
    let ran = stagex(musl.path(), &["clean", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let cleaned = printed("clean", &ran.stdout);
    assert_eq!(
        (&cleaned["files"], &cleaned["bytes"]),
        (&1.into(), &5.into())
    );
    assert!(!layout.exists());

    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("out/mine");
    std::fs::create_dir_all(&kept).unwrap();
    assert_ne!(stagex(elsewhere.path(), &["clean"]).code, 0);
    assert!(kept.exists());

    // What `stagex build` leaves wherever it is used is ours.
    let ours = elsewhere.path().join("out/.stagex/native/entry");
    std::fs::create_dir_all(ours.parent().unwrap()).unwrap();
    std::fs::write(&ours, "12345").unwrap();
    let ran = stagex(elsewhere.path(), &["clean"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("removed 1 file"), "{}", ran.stdout);
    // It is not there any more long before all of it is removed.
    let aside = "moved everything that was built aside";
    assert!(ran.stderr.contains(aside), "{}", ran.stderr);
    assert!(kept.exists() && !ours.exists());

    // One package that is wrong is no reason to keep what was made of the others.
    let wrong = tree(&[("core/a", "not toml", "FROM scratch\n")]);
    let made = wrong.path().join("out/core-b");
    std::fs::create_dir_all(&made).unwrap();
    assert_eq!(stagex(wrong.path(), &["clean"]).code, 0);
    assert!(!made.exists());
}

#[test]
fn packagers_get_completions_and_pages() {
    let directory = tempfile::tempdir().unwrap();
    let ran = stagex(directory.path(), &["completions", "bash"]);
    assert!(ran.stdout.contains("--keep-going"), "{}", ran.stdout);
    let pages = directory.path().join("man1");
    let ran = stagex(directory.path(), &["manual", pages.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let page = std::fs::read_to_string(pages.join("stagex-make.1")).unwrap();
    assert!(page.contains("\\-\\-keep\\-going"), "{page}");
}

#[test]
fn who_has_no_home_directory_has_no_settings() {
    for home in ["/nonexistent", "/dev/null"] {
        let ran = stagex_with(
            sample().path(),
            &["config"],
            &[("XDG_CONFIG_HOME", home), ("HOME", home)],
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn the_nearer_to_who_types_the_stronger() {
    let tree = sample();
    let own = tree.path().join("configuration/stagex");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(
        tree.path().join("stagex.toml"),
        "runtime = \"docker\"\njobs = 3\noffline = true\n",
    )
    .unwrap();
    std::fs::write(
        own.join("stagex.toml"),
        "runtime = \"podman\"\n[engines]\npodman = \"/opt/podman\"\n",
    )
    .unwrap();
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments: Vec<_> = ["config", "--format", "json"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let ran = stagex_with(tree.path(), &arguments, variables);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let shown = printed("config", &ran.stdout);
        let row = |row: &Value| {
            let source = row["source"].as_str().unwrap();
            let source = source.rsplit('/').next().unwrap().to_owned();
            let name = row["name"].as_str().unwrap().to_owned();
            (name, (row["value"].clone(), source))
        };
        let rows = shown["settings"].as_array().unwrap().iter().map(row);
        rows.collect::<std::collections::BTreeMap<_, _>>()
    };
    let said = |value: Value, source: &str| (value, source.to_owned());
    let files = shown(&[], &[]);
    assert_eq!(files["runtime"], said("podman".into(), "stagex.toml:1"));
    assert_eq!(files["jobs"], said(3.into(), "stagex.toml:2"));
    assert_eq!(files["offline"], said(true.into(), "stagex.toml:3"));
    assert_eq!(
        files["engines.podman"],
        said("/opt/podman".into(), "stagex.toml:3")
    );
    let variables = shown(
        &[],
        &[
            ("STAGEX_RUNTIME", "buildah"),
            ("STAGEX_JOBS", "5"),
            ("STAGEX_OFFLINE", "0"),
            ("STAGEX_IGNORE_SPACE", "1"),
        ],
    );
    assert_eq!(
        variables["runtime"],
        said("buildah".into(), "STAGEX_RUNTIME")
    );
    assert_eq!(variables["jobs"], said(5.into(), "STAGEX_JOBS"));
    assert_eq!(variables["offline"], said(false.into(), "STAGEX_OFFLINE"));
    let ignored = said(true.into(), "STAGEX_IGNORE_SPACE");
    assert_eq!(variables["ignore-space"], ignored);
    let flags = shown(&["--runtime", "docker"], &[("STAGEX_RUNTIME", "buildah")]);
    assert_eq!(flags["runtime"], said("docker".into(), "--runtime"));
}

#[test]
fn a_tree_does_not_say_which_programs_are_run() {
    let tree = sample();
    std::fs::write(
        tree.path().join("stagex.toml"),
        "[engines]\npodman = \"./evil\"\n",
    )
    .unwrap();
    let ran = stagex(tree.path(), &["make", "core-musl"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("stagex.toml:1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn a_claim_that_came_with_a_tree_names_nothing() {
    let tree = sample();
    let precious = tempfile::tempdir().unwrap();
    std::fs::write(precious.path().join("file"), "precious").unwrap();
    let work = tree.path().join("out/.stagex/work/core-musl-1");
    std::fs::create_dir_all(&work).unwrap();
    for runtime in ["docker", "native"] {
        let claim = format!(
            "{{\"runtime\":\"{runtime}\",\"image\":{{\"key\":\"core-musl-1\",\
             \"reference\":\"localhost/stagex/core-musl-1\",\"also_made\":[\"debian\"],\"steps\":[],\
             \"base_layers\":0,\"work\":{:?}}}}}",
            precious.path()
        );
        std::fs::write(work.join("claim.json"), claim).unwrap();
        let arguments: Vec<_> = ["clean", "--images"]
            .iter()
            .chain(&NO_ENGINES)
            .copied()
            .collect();
        let ran = stagex(tree.path(), &arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("docker"), "{}", ran.stderr);
        assert!(ran.stdout.contains("0 killed builds"), "{}", ran.stdout);
    }
    let ran = stagex(tree.path(), &["clean"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!work.exists() && precious.path().join("file").exists());
}

#[test]
fn what_is_remembered_is_forgotten() {
    let tree = sample();
    let own = tree.path().join("out/.stagex");
    let engines = tree.path().join("cache/stagex/engines");
    for directory in [&own, &engines] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(own.join("hashes"), "four").unwrap();
    std::fs::write(engines.join("podman-1.json"), "{}").unwrap();
    let cache = tree.path().join("cache");
    let ran = stagex_with(
        tree.path(),
        &["clean", "--cache"],
        &[("XDG_CACHE_HOME", cache.to_str().unwrap())],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("removed 2 files"), "{}", ran.stdout);
    assert!(!own.join("hashes").exists() && !engines.join("podman-1.json").exists());
}

#[test]
fn what_was_made_stays_where_nothing_can_build_it_again() {
    let tree = sample();
    let image = tree.path().join("out/core-musl");
    std::fs::create_dir_all(&image).unwrap();
    let arguments = [&NO_ENGINES[..], &["make", "clean", "core-musl"]].concat();
    let ran = stagex(tree.path(), &arguments);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(image.exists());
}

#[test]
fn clean_by_itself_builds_nothing_that_could_be_explained() {
    let tree = sample();
    let ran = stagex(tree.path(), &["-q", "make", "-n", "--explain", "clean"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "");
}
