//! A mirror with https, whose certificate nobody trusts until the user's environment names it.

use std::fs;

use rstest::rstest;

use super::server::{self, Server, file};
use super::{Scene, contents, ran};

#[rstest]
#[case::file("SSL_CERT_FILE", "trusted.pem")]
#[case::directory("SSL_CERT_DIR", "trusted")]
fn the_users_certificates_are_those_that_their_environment_names(
    #[case] variable: &str,
    #[case] name: &str,
) {
    let (config, pem) = server::certificate();
    let server = Server::with_certificate(config);
    let scene = Scene::new(&server, vec![contents(0, 1000)]);
    server.on("/0", [file(&scene.bodies[0], "")]);
    let path = scene.root().join(name);
    if variable == "SSL_CERT_DIR" {
        fs::create_dir(&path).unwrap();
        // OpenSSL finds certificates by names that are made of their subjects; here all files count.
        fs::write(path.join("0123abcd.0"), pem).unwrap();
    } else {
        fs::write(&path, pem).unwrap();
    }
    let refused = scene.run(&["fetch"]);
    assert_eq!((refused.code, scene.placed()), (1, 0), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("SSL_CERT_FILE"),
        "{}",
        refused.stderr
    );
    assert!(server.requests("/0").is_empty());
    let trusted = ran(scene.command(&["fetch"]).env(variable, &path));
    assert_eq!((trusted.code, scene.placed()), (0, 1), "{}", trusted.stderr);
}
