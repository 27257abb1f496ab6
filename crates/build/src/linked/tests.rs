use rstest::rstest;

use super::*;

#[rstest]
#[case("l/o*/lib/*", Some("l/out"))]
#[case("./l//o*/*", Some("l/out"))]
#[case("*/out/a", Some("l/out"))]
#[case("l/out/l*/a", Some("l/out"))]
// The link itself, and names where it leads.
#[case("l/o*", None)]
#[case("l/out/*", None)]
#[case("l/out/apps", None)]
#[case("m/*/a", None)]
#[case("l/p*/a", None)]
fn a_pattern_leads_through_a_link(#[case] pattern: &str, #[case] expected: Option<&str>) {
    let link = |path: &str| ContextFile {
        path: path.into(),
        kind: ContextFileKind::Symlink("../out".into()),
    };
    let files = [link("l/out"), link("other")];
    assert_eq!(super::link(pattern, &files), expected.map(Utf8Path::new));
}
