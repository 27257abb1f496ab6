//! What of a touched file system is a change. `BuildKit` 0.25 was seen to record the same.

use rstest::rstest;

use super::*;

const BASE: &str = "
    d d 755 @1
    f d/1 644 @1 one
    f d/2 755 @1 two
    d d/e 755 @1
    f d/e/x 644 @1 x
    l lib 777 @1 usr/lib
    d o 755 @1
    f o/g 644 @1
    f o/h 644 @1
    h o/h2 o/h
    d o/p 755 @1
    d o/p/q 755 @1
    f o/p/q/f 644 @1
    d usr 755 @1
    d usr/lib 755 @1
";

#[rstest]
#[case::nothing("", "")]
#[case::all_of_the_base_again(BASE, "")]
#[case::the_times_of_directories("d d 755 @99", "")]
#[case::a_mode("d d 700 @1", "d d 700 @1")]
#[case::a_time(
    "d d 755 @99
    f d/1 644 @9 one",
    "d d 755 @99
    f d/1 644 @9 one"
)]
#[case::a_content(
    "d d 755 @99
    f d/1 644 @1 eno",
    "d d 755 @99
    f d/1 644 @1 eno"
)]
#[case::a_size(
    "d d 755 @1
    f d/1 644 @1 longer",
    "d d 755 @1
    f d/1 644 @1 longer"
)]
#[case::a_link("l lib 777 @1 usr/bin", "l lib 777 @1 usr/bin")]
#[case::directories_come_from_below(
    "f d/e/new 644 @9",
    "d d 755 @1
    d d/e 755 @1
    f d/e/new 644 @9"
)]
#[case::a_file_for_a_directory(
    "d d 755 @9
    f d/e 644 @9",
    "d d 755 @9
    f d/e 644 @9"
)]
#[case::a_directory_for_a_link(
    "d lib 755 @9
    f lib/z 644 @9 z",
    "d lib 755 @9
    f lib/z 644 @9 z"
)]
#[case::unsorted(
    "f b 644 @9
    d a 755 @9
    f a-b 644 @9
    f a/b 644 @9",
    "d a 755 @9
    f a/b 644 @9
    f a-b 644 @9
    f b 644 @9"
)]
#[case::the_root_and_the_type_in_modes(
    "d . 700 @9
    f ./z 100644 @9",
    "f z 644 @9"
)]
fn changes_are_told_from_touches(#[case] upper: &str, #[case] expected: &str) {
    assert_eq!(Below::imported(BASE).run(upper), lines(expected));
}

#[rstest]
#[case::a_file(
    "d d 755 @9
    w d/1",
    "d d 755 @9
    w d/1"
)]
#[case::a_directory_and_what_is_in_it(
    "w d/e/x
    w d/e",
    "d d 755 @1
    w d/e"
)]
#[case::what_is_not_there(
    "w d/3
    w nowhere",
    ""
)]
#[case::what_is_there_again(
    "w d/1
    f d/1 644 @9 new",
    "d d 755 @1
    f d/1 644 @9 new"
)]
#[case::at_the_place_of_its_name(
    "f d/z 644 @9
    f d/0 644 @9
    w d/1",
    "d d 755 @1
    f d/0 644 @9
    w d/1
    f d/z 644 @9"
)]
#[case::a_directory_that_is_made_again(
    "w d
    d d 755 @9
    f d/2 755 @1 two",
    "d d 755 @9
    w d/1
    w d/e"
)]
fn deletions_are_recorded(#[case] upper: &str, #[case] expected: &str) {
    assert_eq!(Below::imported(BASE).run(upper), lines(expected));
}

#[rstest]
#[case::every_name_below(
    "d o 755 @9
    o o
    f o/new 644 @9",
    "d o 755 @9
    w o/g
    w o/h
    w o/h2
    f o/new 644 @9
    w o/p"
)]
#[case::also_in_directories_without_a_mark(
    "d o 755 @9
    o o
    f o/g 644 @9
    d o/p 755 @9",
    "d o 755 @9
    f o/g 644 @9
    w o/h
    w o/h2
    d o/p 755 @9
    w o/p/q"
)]
#[case::but_not_in_what_is_a_file_now(
    "d o 755 @9
    o o
    f o/g 644 @1
    f o/h 644 @1
    f o/h2 644 @1
    f o/p 644 @9",
    "d o 755 @9
    f o/p 644 @9"
)]
#[case::not_of_a_new_directory(
    "d new 755 @9
    o new",
    "d new 755 @9"
)]
#[case::not_of_a_directory_for_a_link(
    "d lib 755 @9
    o lib",
    "d lib 755 @9"
)]
fn opaque_directories_become_deletions(#[case] upper: &str, #[case] expected: &str) {
    assert_eq!(Below::imported(BASE).run(upper), lines(expected));
}

#[rstest]
#[case::a_group(
    "d n 755 @9
    f n/b 644 @9 data
    h n/a n/b
    h n/c n/b",
    "d n 755 @9
    f n/a 644 @9 data
    h n/b n/a
    h n/c n/a"
)]
#[case::of_a_file_below(
    "d d 755 @9
    f d/1 644 @1 one
    h d/1b d/1",
    "d d 755 @9
    f d/1b 644 @1 one"
)]
#[case::of_symbolic_links_and_pipes(
    "l a 777 @9 nowhere
    h b a
    p c 644 @9
    h d2 c",
    "l a 777 @9 nowhere
    h b a
    p c 644 @9
    h d2 c"
)]
#[case::in_an_opaque_directory_all_names_come_along(
    "d o 755 @9
    o o
    f o/g 644 @1
    h o/new o/g
    h o/a o/g
    f o/h 644 @1
    h o/h2 o/h
    d o/p 755 @1
    d o/p/q 755 @1
    f o/p/q/f 644 @1",
    "d o 755 @9
    f o/a 644 @1
    h o/g o/a
    h o/new o/a"
)]
#[case::even_before_their_leader(
    "d o 755 @9
    o o
    f o/g 644 @1
    h o/new o/g
    f o/h 644 @1
    h o/h2 o/h
    d o/p 755 @1
    d o/p/q 755 @1
    f o/p/q/f 644 @1",
    "d o 755 @9
    f o/new 644 @1
    h o/g o/new"
)]
fn hard_links_are_grouped(#[case] upper: &str, #[case] expected: &str) {
    assert_eq!(Below::imported(BASE).run(upper), lines(expected));
}

/// `f` was written in the last second of the step below, `old` before it.
fn built() -> Below {
    Below::default().and_built(
        "
        f f 644 @100 f
        f old 644 @99 old
    ",
    )
}

#[rstest]
#[case::written_before_the_step(Means::Run, "f old 644 @99 old", "", None)]
#[case::a_run_in_the_same_second(Means::Run, "f f 644 @100 f", "f f 644 @100 f", Some(true))]
#[case::a_copy_of_the_same_file(Means::Copy, "f f 644 @100 f", "", Some(false))]
#[case::another_name_was_made(
    Means::Run,
    "f f 644 @100 f
    h g f",
    "f g 644 @100 f",
    Some(false)
)]
#[case::another_second(Means::Run, "f f 644 @101 f", "f f 644 @101 f", None)]
#[case::another_content(Means::Run, "f f 644 @100 g", "f f 644 @100 g", None)]
fn whole_seconds_leave_doubts(
    #[case] means: Means,
    #[case] upper: &str,
    #[case] expected: &str,
    #[case] doubt: Option<bool>,
) {
    let found = built().try_normalise(upper, means, &[]).unwrap();
    assert_eq!(text_of(&found.records), lines(expected));
    let told = found.events.into_iter().map(|event| match event {
        Event::Ambiguous { recorded, .. } => recorded,
        other @ Event::LeftoverRemoved(_) => panic!("{other}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(doubt));
}

#[test]
fn what_was_imported_is_in_no_doubt() {
    let below = Below::imported("f f 644 @100 f").and_built("f now 644 @100");
    let found = below
        .try_normalise("f f 644 @100 f", Means::Run, &[])
        .unwrap();
    assert_eq!(
        (text_of(&found.records), found.events.len()),
        (String::new(), 0)
    );
}

#[test]
fn layers_are_compared_with_all_below() {
    let below = Below::imported(BASE).and_built("w d/1\nf o/g 644 @9 g\nf d/e 600 @9\nf z 644 @10");
    let upper = "w d/1\nd d 755 @1\nf d/e 600 @9\nf o/g 644 @1\nw d/e/x";
    assert_eq!(below.run(upper), lines("d o 755 @1\nf o/g 644 @1"));
}
