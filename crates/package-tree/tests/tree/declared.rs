//! What packages declare: which files they are built from, and which stages keep their network.

use package_tree::{Denial, Hermetic};
use rstest::rstest;

use super::{Sample, sample};

/// pallet-x has the version of core-x by way of core-y; core-x yields two outputs.
fn versions() -> Sample {
    let hash = "0".repeat(64);
    let source = format!(
        "[sources.a]\nhash = \"{hash}\"\nfile = \"a.tar\"\nmirrors = [\"https://a.org/a\"]\n"
    );
    let core = format!(
        "[package]\nname = \"x\"\nversion = \"1\"\nsubpackages = [\"x\", \"x-dev\"]\n{source}"
    );
    let containerfile = "FROM scratch AS package-x\nFROM scratch AS package-x-dev\n";
    Sample::new(&[
        ("core/x", &core, containerfile),
        (
            "core/y",
            "[package]\nname = \"y\"\nversion_from = \"core-x\"",
            "FROM scratch\n",
        ),
        (
            "pallet/x",
            "[package]\nname = \"x\"\nversion_from = \"core-y\"",
            "FROM scratch\n",
        ),
    ])
}

#[rstest]
#[case::containerfile("packages/core/x/Containerfile", &["core-x", "core-x-dev"])]
#[case::any_file_even_deleted("packages/core/y/files/gone", &["core-y"])]
#[case::versions("packages/core/x/package.toml", &["core-x", "core-x-dev", "core-y", "pallet-x"])]
#[case::versions_on_the_way("packages/core/y/package.toml", &["core-y", "pallet-x"])]
#[case::source("fetch/core/x/a.tar", &["core-x", "core-x-dev"])]
#[case::undeclared_source("fetch/core/x/b.tar", &[])]
#[case::sources_of_other_tools("packages/core/x/fetch/a.tar", &[])]
#[case::a_directory("packages/core", &["core-x", "core-x-dev", "core-y", "pallet-x"])]
#[case::no_package("packages/core/xy/Containerfile", &[])]
#[case::not_of_packages("README.md", &[])]
#[case::digests("digests/core.txt", &[])]
fn a_file_is_an_input_of_what_is_built_from_it(#[case] path: &str, #[case] expected: &[&str]) {
    let tree = versions().open().unwrap();
    let touched: Vec<_> = tree.touched(path.into()).into_iter().collect();
    assert_eq!(touched, expected);
}

/// A package with exceptions from the rule that a hermetic build has no network.
fn open(exception: &str, containerfile: &str) -> Sample {
    let manifest = format!("[package]\nname = \"x\"\n[build]\nnetwork = [{exception}]\n");
    Sample::new(&[("core/x", &manifest, containerfile)])
}

const FETCHES: &str = "FROM scratch AS fetch\nRUN a\nFROM scratch\nRUN b\n";

#[rstest]
#[case::unknown(
    "{ stage = \"load\", reason = \"r\" }",
    FETCHES,
    "the Containerfile has no stage `load`"
)]
#[case::needless(
    "{ stage = \"fetch\", reason = \"r\" }",
    "FROM scratch AS fetch\nRUN --network=none a\n",
    "no RUN of the stage `fetch` may reach the network"
)]
fn an_exception_that_matches_nothing_is_wrong(
    #[case] exception: &str,
    #[case] containerfile: &str,
    #[case] expected: &str,
) {
    let found = open(exception, containerfile).open().unwrap_err();
    let expected = format!("packages/core/x/package.toml:4:22: {expected}");
    assert_eq!(found.to_string(), expected);
}

const EACH: Denial = Denial {
    run: true,
    build: true,
};
const WHOLE: Denial = Denial {
    run: false,
    build: true,
};
const NONE: Denial = Denial {
    run: false,
    build: false,
};

#[rstest]
#[case::each_run("{ stage = \"fetch\", reason = \"r\" }", FETCHES, false, EACH, None)]
#[case::nothing_is_kept("", FETCHES, false, WHOLE, None)]
#[case::some_are_kept(
    "{ stage = \"Fetch\", reason = \"r\" }",
    FETCHES,
    false,
    WHOLE,
    Some("only to a whole build, and the stage `fetch` keeps it")
)]
#[case::older_rules("", FETCHES, true, WHOLE, Some("only to a whole build"))]
#[case::all_are_kept(
    "{ stage = \"fetch\", reason = \"r\" }",
    "FROM scratch AS fetch\nRUN a\n",
    false,
    NONE,
    None
)]
#[case::not_at_all("", FETCHES, false, NONE, Some("cannot deny the network here"))]
#[case::no_run("", "FROM scratch\n", false, NONE, None)]
fn an_engine_that_cannot_deny_the_network_is_refused_for_the_plan(
    #[case] exception: &str,
    #[case] containerfile: &str,
    #[case] older_rules: bool,
    #[case] denial: Denial,
    #[case] expected: Option<&str>,
) {
    let plan = open(exception, containerfile).plan(&[]).unwrap();
    let hermetic = Hermetic {
        tracked: None,
        older_rules,
    };
    let found = hermetic.check(&plan, denial, "podman");
    match (found, expected) {
        (Ok(()), None) => {}
        (Err(found), Some(expected)) => {
            let found = found.to_string();
            assert!(
                found.contains("packages/core/x/Containerfile: podman"),
                "{found}"
            );
            assert!(found.contains(expected), "{found}");
        }
        (found, expected) => panic!("{found:?}, not {expected:?}"),
    }
}

#[test]
fn a_package_that_version_control_does_not_have_is_refused() {
    let plan = sample().plan(&["musl"]).unwrap();
    let hermetic = Hermetic {
        tracked: Some(["packages/core/musl/Containerfile".into()].into()),
        older_rules: false,
    };
    let found = hermetic.check(&plan, EACH, "podman").unwrap_err();
    let expected = "packages/core/musl/package.toml: is not tracked by git";
    assert_eq!(found.to_string(), expected);
    assert_eq!(
        found.0[0].hint.as_deref(),
        Some("git add packages/core/musl")
    );
}
