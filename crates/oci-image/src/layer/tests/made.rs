//! Directories that a COPY makes get the permissions that BuildKit gives them, and keep them.

use rstest::rstest;

use super::*;
use crate::layer::{Destination, MadeDirectories};
use crate::path::TreePath;

/// A build whose layers are put on top of each other.
#[derive(Default)]
struct Layers {
    below: Below,
    made: MadeDirectories,
}

impl Layers {
    fn on(base: &str) -> Self {
        Self {
            below: Below::imported(base),
            made: MadeDirectories::default(),
        }
    }

    /// Returns what a COPY to `path` records.
    fn copy(&mut self, path: &str, chmod: Option<u32>, upper: &str) -> String {
        let path = TreePath::parse(path.as_bytes()).unwrap();
        let destination = Destination { path, mode: chmod };
        self.add(Means::Copy, Some(&destination), upper)
    }

    fn run(&mut self, upper: &str) -> String {
        self.add(Means::Run, None, upper)
    }

    fn add(&mut self, means: Means, destination: Option<&Destination>, upper: &str) -> String {
        let mut archive = archive_of(upper, means);
        self.made.level(&mut archive, &self.below.tree, destination);
        let comparison = Comparison {
            lower: &self.below.tree,
            means,
            epoch: EPOCH,
        };
        let records = find_changes(archive, &comparison, &[]).unwrap().records;
        self.below.tree.apply(&records);
        text_of(&records)
    }
}

#[rstest]
#[case::fewer(0o640, "640")]
#[case::nobody_else_may_write(0o777, "755")]
#[case::without_the_bits_of_a_group(0o2770, "750")]
#[case::as_always(0o755, "755")]
fn they_have_the_permissions_of_what_is_copied(#[case] chmod: u32, #[case] expected: &str) {
    let upper = format!("d a 755 @9\nd a/b 755 @9\nf a/b/file {chmod:o} @9");
    let expected = format!("d a {expected} @9\nd a/b {expected} @9\nf a/b/file {chmod:o} @9\n");
    assert_eq!(
        Layers::default().copy("a/b/file", Some(chmod), &upper),
        expected
    );
}

#[test]
fn an_engine_that_has_them_right_is_believed() {
    // The directory that is copied has what is asked for, the one that is made what is left of it.
    let upper = lines("d a 750 @9\nd a/copied 2770 @9\nf a/copied/file 2770 @9");
    assert_eq!(Layers::default().copy("a", Some(0o2770), &upper), upper);
}

#[test]
fn without_chmod_they_stay() {
    let upper = lines("d a 755 @9\nf a/file 644 @9");
    assert_eq!(Layers::default().copy("a/file", None, &upper), upper);
}

#[test]
fn directories_below_stay() {
    let mut layers = Layers::on("d a 755 @1");
    let upper = "d a 755 @9\nd a/b 755 @9\nf a/b/file 600 @9";
    let expected = lines("d a 755 @9\nd a/b 600 @9\nf a/b/file 600 @9");
    assert_eq!(layers.copy("a/b/file", Some(0o600), upper), expected);
}

#[rstest]
#[case::another_file("d a 755 @9\nf a/other 600 @9", "d a 640 @9\nf a/other 600 @9")]
#[case::other_permissions("d a 700 @9", "d a 700 @9")]
#[case::another_directory("w a\nd a 755 @9", "d a 755 @9\nw a/file")]
#[case::a_directory_without_the_old("o a\nd a 755 @9", "d a 755 @9\nw a/file")]
fn a_later_run_sees_them(#[case] upper: &str, #[case] expected: &str) {
    let mut layers = Layers::default();
    layers.copy("a/file", Some(0o640), "d a 755 @9\nf a/file 640 @9");
    assert_eq!(layers.run(upper), lines(expected));
}

#[rstest]
#[case::into_them("a/other", "d a 640 @9\nf a/other 644 @9")]
#[case::over_them("", "d a 755 @9\nf a/other 644 @9")]
fn a_later_copy(#[case] destination: &str, #[case] expected: &str) {
    let mut layers = Layers::default();
    layers.copy("a/file", Some(0o640), "d a 755 @9\nf a/file 640 @9");
    let upper = "d a 755 @9\nf a/other 644 @9";
    assert_eq!(layers.copy(destination, None, upper), lines(expected));
    // What was copied over is a directory like any other.
    let upper = "d a 755 @9\nf a/third 644 @9";
    let mode = if destination.is_empty() { "755" } else { "640" };
    let expected = format!("d a {mode} @9\nf a/third 644 @9\n");
    assert_eq!(layers.run(upper), expected);
}
