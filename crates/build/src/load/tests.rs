use rstest::rstest;

use super::*;

#[rstest]
#[case("config", &[], true)]
#[case("manifest", &[], true)]
#[case("config", &["other", "manifest"], true)]
#[case("config", &["other"], false)]
#[case("other", &["manifest"], false)]
#[case("", &[], false)]
fn what_an_engine_has_is_compared(
    #[case] id: &str,
    #[case] manifests: &[&str],
    #[case] expected: bool,
) {
    let loaded = Loaded {
        id: id.to_owned(),
        manifests: manifests.iter().map(|&known| known.to_owned()).collect(),
    };
    assert_eq!(is_it(&loaded, "manifest", "config"), expected);
}
