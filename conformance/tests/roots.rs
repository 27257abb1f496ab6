//! `conformance/engines` keeps the roots of other generations, and removes them; never what is
//! mounted in one.
#![expect(
    clippy::disallowed_types,
    reason = "it is the script itself that is tested"
)]

use std::fs;
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/engines");

#[test]
fn what_is_mounted_in_a_root_is_not_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    fs::create_dir_all(directory.join("roots/old/home")).unwrap();
    fs::create_dir(directory.join("home")).unwrap();
    fs::write(directory.join("home/file"), "text").unwrap();

    // Whoever may not mount is root in a namespace of their own.
    let script = r#"mount --bind home roots/old/home && exec "$0" --folder roots --remove old"#;
    let ran = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, SCRIPT])
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(5), "{said}");
    assert!(said.contains("something is mounted at"), "{said}");
    assert!(said.contains("hint: umount --recursive"), "{said}");
    assert!(directory.join("home/file").exists());

    let removed = Command::new("unshare")
        .args([
            "--map-root-user",
            SCRIPT,
            "--folder",
            "roots",
            "--remove",
            "old",
        ])
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(removed.success());
    assert!(!directory.join("roots").exists());
    assert!(directory.join("home/file").exists());
}
