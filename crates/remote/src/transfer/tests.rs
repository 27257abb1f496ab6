//! Blobs on their way to a server that answers at once.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::at_once::AtOnce;
use crate::server::{Credentials, Server};

async fn connect(server: &AtOnce) -> Client {
    let port = server.serve().await;
    let asked = Server {
        address: format!("grpc://127.0.0.1:{port}").parse().unwrap(),
        time_limit: None,
        properties: Vec::new(),
        credentials: Credentials::default(),
    };
    Client::connect(&asked).await.unwrap()
}

#[tokio::test]
async fn small_blobs_come_together_and_each_is_what_it_has_to_be() {
    let mut server = AtOnce::new();
    let right = server.give(b"right".to_vec(), b"right");
    let second = server.give(b"second".to_vec(), b"second");
    let wrong = server.give(b"other".to_vec(), b"wrong");
    let client = connect(&server).await;
    let directory = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(directory.path()).unwrap();
    let file = |digest: &v2::Digest, name: &str| (digest.clone(), directory.join(name));
    let two = vec![file(&right, "a"), file(&second, "b")];
    client.download_all(two).await.unwrap();
    assert_eq!(fs::read(directory.join("a")).unwrap(), b"right");
    assert_eq!(fs::read(directory.join("b")).unwrap(), b"second");
    assert_eq!(server.together(), 1, "one call");

    let error = client
        .download_all(vec![file(&wrong, "c")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has sha256"), "{error}");
    assert!(!directory.join("c").exists());
}

#[tokio::test]
async fn what_actions_need_together_is_sent_once() {
    let server = AtOnce::new();
    let client = connect(&server).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    fs::write(&path, vec![7; client.batch + 1]).unwrap();
    let size = client.batch as u64 + 1;
    let hash = oci_image::Digest::of_reader(File::open(&path).unwrap()).unwrap();

    let mut uploads = tokio::task::JoinSet::new();
    for own in 0..8_u8 {
        let (client, path) = (client.clone(), path.clone());
        let mut blobs = Blobs::default();
        blobs.add_file(hash.hex(), size, Arc::new(move || File::open(&path)));
        blobs.add(vec![own]);
        uploads.spawn(async move { client.upload(&blobs).await.unwrap() });
    }
    let sent: u64 = uploads.join_all().await.into_iter().sum();
    assert_eq!((server.streamed(), sent), (1, size + 8));
}
