//! What engines leave behind goes, and nothing else.

use rstest::rstest;

use super::*;
use crate::layer::leftovers_of_run;

const LEFT: &str = "
    d dev 755 @9
    d dev/pts 755 @9
    d dev/shm 755 @9
    d etc 755 @9
    f etc/hostname 755 @9
    f etc/hosts 755 @9
    f etc/resolv.conf 755 @9
    d proc 755 @9
    d run 755 @9
    d sys 755 @9
";

fn run(below: &Below, prefix: &str, upper: &str) -> (String, usize) {
    let leftovers = leftovers_of_run(prefix).unwrap();
    let found = below.try_normalise(upper, Means::Run, &leftovers).unwrap();
    (text_of(&found.records), found.events.len())
}

#[test]
fn all_that_is_left_goes() {
    let kept = lines("d dev 755 @9\nd proc 755 @9\nd sys 755 @9");
    assert_eq!(run(&Below::default(), "", LEFT), (kept, 7));
}

#[rstest]
#[case::a_file_with_content("d etc 755 @9\nf etc/hosts 644 @9 localhost")]
#[case::a_directory_with_content("d run 755 @9\nf run/pid 644 @9 1")]
#[case::a_file_for_a_directory("f run 644 @9")]
#[case::a_directory_for_a_file("d etc 755 @9\nd etc/hosts 755 @9")]
#[case::another_name("d etc 755 @9\nf etc/passwd 644 @9")]
fn what_the_build_made_stays(#[case] upper: &str) {
    assert_eq!(run(&Below::default(), "", upper), (lines(upper), 0));
}

#[test]
fn what_is_below_stays() {
    let below = Below::imported("d etc 755 @1\nf etc/hosts 644 @1 old\nd run 755 @1");
    let upper = "d etc 700 @9\nf etc/hosts 755 @9\nd run 700 @9";
    assert_eq!(run(&below, "", upper), (lines(upper), 0));
}

#[test]
fn a_copy_carries_them_on() {
    let upper = "d r 755 @9\nd r/etc 755 @9\nf r/etc/hosts 755 @9\nd r/run 755 @9\nd run 755 @9";
    let kept = lines("d r 755 @9\nd run 755 @9");
    for prefix in ["/r/", "r", "/r"] {
        assert_eq!(run(&Below::default(), prefix, upper), (kept.clone(), 3));
    }
}
