//! Packages with seeds: what the plan has of them, and what is said when something is wrong.

use std::fmt::Write as _;

use package_tree::DEFAULT_PLATFORM;
use rstest::rstest;

use super::{FIRST, Sample};

const USED: &str = "FROM scratch AS package\nCOPY --from=seed /a /\n";

/// A tree with a bootstrap package that says more in its `[package]`, and has two sources, of which these are seeds.
fn sample(more: &str, containerfile: &str, seeds: &[&str]) -> Sample {
    let mut manifest = format!("[package]\nname = \"a\"\n{more}");
    for (number, key) in ["one", "two"].iter().enumerate() {
        let hash = number.to_string().repeat(64);
        write!(
            manifest,
            "[sources.{key}]\nhash = \"{hash}\"\nmirrors = [\"file:{key}\"]\n"
        )
        .unwrap();
    }
    for seed in seeds {
        write!(manifest, "[seeds.of-{seed}]\nsource = \"{seed}\"\n").unwrap();
    }
    Sample::new(&[("bootstrap/a", &manifest, containerfile)])
}

#[rstest]
#[case::from("FROM seed AS package\n")]
#[case::copy(USED)]
#[case::mount("FROM scratch\nRUN --mount=from=seed,target=/b [\"/b/c\"]\n")]
#[case::several(
    "FROM seed AS b\nFROM seed AS package\nCOPY --from=b /a /\nCOPY --from=seed /a /\n"
)]
fn a_plan_has_the_seeds(#[case] containerfile: &str) {
    let plan = sample("", containerfile, &["two", "one"])
        .plan(&[])
        .unwrap();
    let json = serde_json::to_value(documents::Plan::from(&plan)).unwrap();
    let package = &json["packages"][0];
    let seeds = serde_json::json!([
        { "name": "of-two", "source": "two" },
        { "name": "of-one", "source": "one" },
    ]);
    assert_eq!(package["seeds"], seeds);
    assert_eq!(package["sources"].as_array().unwrap().len(), 2);
    assert_eq!(package["dependencies"], serde_json::json!([]));
    // A seed is not among what is found in fetch/.
    assert_eq!(plan.packages[0].fetched().count(), 0);
    let plan = sample("", containerfile, &["two"]).plan(&[]).unwrap();
    let fetched: Vec<_> = plan.packages[0].fetched().map(|of| &of.key).collect();
    assert_eq!(fetched, ["one"]);
}

#[rstest]
#[case::without_seeds(
    "", USED, &[],
    "packages/bootstrap/a/Containerfile:2:6: `seed` is neither a stage nor a package, and there are no seeds",
    "[seeds.NAME]"
)]
#[case::unused(
    "", "FROM scratch AS package\n", &["one", "two"],
    "packages/bootstrap/a/package.toml:9:8: no instruction uses the seeds",
    "FROM seed, COPY --from=seed or RUN --mount=from=seed"
)]
#[case::a_stage_of_the_name(
    "", "FROM scratch AS seed\nFROM seed AS package\n", &["one", "two"],
    "no instruction uses the seeds", ""
)]
#[case::with_a_tag(
    "", "FROM seed:1 AS package\n", &["one"], "no instruction uses the seeds", ""
)]
#[case::two_platforms(
    "platforms = [\"linux/amd64\", \"linux/386\"]\n", USED, &["one", "two"],
    "packages/bootstrap/a/package.toml:10:8: has seeds, and a second platform, `linux/386`",
    "make a package for each platform"
)]
fn seeds_that_nothing_can_be_built_from(
    #[case] more: &str,
    #[case] containerfile: &str,
    #[case] seeds: &[&str],
    #[case] expected: &str,
    #[case] hint: &str,
) {
    let sample = sample(more, containerfile, seeds);
    let problems = sample.open().unwrap_err();
    assert!(problems.to_string().contains(expected), "{problems}");
    assert!(format!("{problems:?}").contains(hint), "{problems:?}");
}

#[test]
fn a_second_platform_is_refused_for_the_whole_plan() {
    let two = "linux/amd64,linux/386";
    let tree = sample("", USED, &["one", "two"]).open().unwrap();
    let problems = tree.plan(&[], two, FIRST).unwrap_err().to_string();
    let expected = "`bootstrap-a` has seeds, and a second platform is asked for, `linux/386`";
    assert!(problems.contains(expected), "{problems}");
    tree.plan(&[], DEFAULT_PLATFORM, FIRST).unwrap();
    // One that says its own platform is not asked.
    let own = "platforms = [\"linux/amd64\"]\n";
    let tree = sample(own, USED, &["one", "two"]).open().unwrap();
    tree.plan(&[], two, FIRST).unwrap();
    // Nor is one without seeds.
    let tree = sample("", "FROM scratch\n", &[]).open().unwrap();
    tree.plan(&[], two, FIRST).unwrap();
}
