use super::*;
use containerfile::{Platform, Scope};

/// Returns the places of the last layer.
fn last(text: &str) -> Vec<String> {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let build = containerfile::parse(text)
        .unwrap()
        .resolve(&Scope::new(platform))
        .unwrap();
    let last = build
        .image_steps()
        .filter(|step| step.makes_layer())
        .last()
        .unwrap()
        .id;
    of_step(&build, last)
        .into_keys()
        .map(Utf8PathBuf::into_string)
        .collect()
}

#[test]
fn a_run_leaves_them_at_the_root() {
    let places = last("FROM scratch\nRUN [\"/x\"]\n");
    assert!(
        ["etc", "etc/hosts", "run"]
            .iter()
            .all(|known| places.iter().any(|p| p == known))
    );
}

#[test]
fn a_run_leaves_the_targets_of_its_mounts() {
    let text = "FROM scratch AS tools\nFROM scratch\nWORKDIR /w\n\
                RUN --mount=type=bind,from=tools,target=made/by/mount [\"/x\"]\n";
    let places = last(text);
    for place in ["w/made", "w/made/by", "w/made/by/mount"] {
        assert!(
            places.iter().any(|known| known == place),
            "{place} is not in {places:?}"
        );
    }
}

#[test]
fn a_copy_of_a_root_carries_them_below_its_destination() {
    let text = "FROM scratch AS a\nRUN [\"/x\"]\n\
                FROM a AS b\nCOPY x /x\n\
                FROM scratch\nWORKDIR /w\nCOPY --from=b / sub/\n";
    let known = last("FROM scratch\nRUN [\"/x\"]\n");
    let below: Vec<_> = known.iter().map(|place| format!("w/sub/{place}")).collect();
    assert_eq!(last(text), below);
}

#[test]
fn a_copy_of_a_directory_carries_what_is_in_it() {
    let text = "FROM scratch AS a\nRUN [\"/x\"]\nFROM scratch\nCOPY --from=a /etc /e\n";
    assert_eq!(last(text), ["e/hostname", "e/hosts", "e/resolv.conf"]);
    let text = "FROM scratch AS a\nRUN [\"/x\"]\nFROM scratch\nCOPY --from=a /r* /\n";
    assert_eq!(last(text), [".containerenv", "pipes", "secrets"]);
}

#[test]
fn a_copy_of_anything_else_carries_nothing() {
    let text = "FROM scratch AS a\nRUN [\"/x\"]\nFROM scratch\nCOPY --from=a /rootfs /\n";
    assert_eq!(last(text), [""; 0]);
    assert_eq!(last("FROM scratch\nCOPY --from=other / /\n"), [""; 0]);
}
