//! What takes long shows on a terminal how far it is.

use rstest::rstest;

use super::server::{Server, file};
use super::terminal::Terminal;
use super::{Scene, contents};

#[rstest]
#[case::exporting(&["fetch", "--export", "seed.tar"], "exporting")]
#[case::importing(&["fetch", "--import", "made.tar"], "importing")]
#[case::hashing(&["fetch", "--verify"], "hashing")]
#[case::checking(&["fetch", "--check-mirrors"], "checking mirrors")]
fn work_that_takes_long_is_seen(#[case] words: &[&str], #[case] expected: &str) {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 1000)]);
    server.on("/0", [file(&scene.bodies[0], "")]);
    assert_eq!(scene.run(&["fetch", "--export", "made.tar"]).code, 0);
    let mut terminal = Terminal::run(&scene.command(words));
    terminal.wait_for(expected);
    assert_eq!(terminal.end().0, 0);
    // Nobody wants it where there is none, or where it is not to be.
    assert!(!scene.run(words).stderr.contains(expected));
    let mut quiet = words.to_vec();
    quiet.push("--quiet");
    let (_, text) = Terminal::run(&scene.command(&quiet)).end();
    assert!(!text.contains(expected), "{text}");
}
