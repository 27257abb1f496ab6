use std::collections::{BTreeMap, BTreeSet};

use backend_api::{Capabilities, Dialect, LayerRecord, Network};
use camino::Utf8Path;
use oci_image::Profile;
use rstest::rstest;

use super::*;
use crate::recipe::{OPEN_FILES, Sources};

fn capabilities(run_network: bool) -> Capabilities {
    Capabilities {
        dialect: Dialect {
            run_network,
            ..Dialect::NONE
        },
        offline_builds: true,
        host_network: true,
        layers: LayerRecord::Touched,
        platforms: Vec::new(),
        leaves_mount_points: true,
        varies: BTreeSet::new(),
    }
}

/// Returns what is refused of a Containerfile, each as it is said.
fn refused(
    text: &str,
    capabilities: &Capabilities,
    network: Network,
    kept: Option<&[&str]>,
) -> Vec<String> {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    std::fs::write(root.join("Containerfile"), text).unwrap();
    let recipe = Recipe {
        profile: Profile::STAGEX_2026,
        root: root.to_owned(),
        name: "core-a".to_owned(),
        repository: "stagex/core-a".to_owned(),
        tag: "latest".to_owned(),
        platforms: ["linux/amd64", "linux/arm64"].map(str::to_owned).to_vec(),
        containerfile: "Containerfile".into(),
        target: None,
        context: "".into(),
        sources: Sources::Present,
        build_arguments: Vec::new(),
        contexts: BTreeMap::new(),
        keep_network: kept.map(|kept| kept.iter().map(|&name| name.to_owned()).collect()),
        open_files: OPEN_FILES,
        home: None,
    };
    let chosen = Chosen {
        runtime: "some",
        capabilities,
        network,
    };
    let refusals = refusals(&chosen, &recipe);
    assert!(refusals.iter().all(|refusal| refusal.hint.is_some()));
    refusals.iter().map(ToString::to_string).collect()
}

const MIXED: &str = "FROM stagex/core-b AS one\nRUN a\nFROM one\nRUN --network=none b\n";

#[rstest]
#[case::each(true, Network::Default, None, None)]
#[case::mixed(
    false,
    Network::Default,
    None,
    Some("Containerfile:4:1: some RUNs have --network=none and some do not")
)]
#[case::with_the_machines(false, Network::Host, None, Some("Containerfile:4:1: some RUNs"))]
#[case::offline(false, Network::None, None, None)]
#[case::hermetic(false, Network::Default, Some(&[][..]), None)]
#[case::kept(false, Network::Default, Some(&["one"][..]), Some("Containerfile:4:1: some RUNs"))]
fn a_network_that_cannot_be_had_is_refused_once(
    #[case] run_network: bool,
    #[case] network: Network,
    #[case] kept: Option<&[&str]>,
    #[case] expected: Option<&str>,
) {
    let found = refused(MIXED, &capabilities(run_network), network, kept);
    match (found.as_slice(), expected) {
        ([], None) => {}
        ([found], Some(expected)) => assert!(found.starts_with(expected), "{found}"),
        _ => panic!("{found:?}"),
    }
}

#[test]
fn the_machines_network_is_given_by_nobodys_file() {
    let text = "FROM scratch\nLABEL a=b\nRUN --network=host a\n";
    let found = refused(text, &capabilities(true), Network::Default, None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("Containerfile:3:1: RUN has --network=host"));
    assert!(refused(text, &capabilities(true), Network::Host, None).is_empty());
}

#[test]
fn what_is_equal_is_said_once_with_its_lines_and_the_runtimes_name() {
    let text =
        "FROM stagex/core-b\nCOPY --link a /\nCOPY --link b /\nADD --link c /\nCOPY --link d /\n";
    let found = refused(text, &capabilities(true), Network::Default, None);
    assert_eq!(
        found,
        [
            "Containerfile:2:1: some cannot do `COPY --link`: it ignores it, or does something else (and in lines 3, 5)",
            "Containerfile:4:1: some cannot do `ADD --link`: it ignores it, or does something else",
        ]
    );
}

/// That is said when it is built.
#[test]
fn a_file_that_cannot_be_read_is_nothing_that_a_runtime_refuses() {
    for text in ["", "FRM scratch\n", "FROM scratch\nCOPY a ${b?c}\n"] {
        assert!(refused(text, &capabilities(false), Network::Default, None).is_empty());
    }
}
