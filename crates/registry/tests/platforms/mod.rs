//! Images for platforms: of an index, and by themselves.

use registry::Error;

use crate::scene::{CONFIG, INDEX, Image, Scene, blob, digest, json, pointer};
use crate::server::Request;

/// A config that says the same platform in another way than most do.
const ARM64: &[u8] = br#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;

fn requests_for(scene: &Scene, blob: &[u8]) -> Vec<Request> {
    scene.requests(&format!("blobs/{}", digest(blob)))
}

/// Returns an index whose entries say these platforms, or none.
fn index(entries: &[(&Image, &str)]) -> String {
    let entries = entries.iter().map(|(image, platform)| {
        let pointer = image.pointer();
        match platform.split('/').collect::<Vec<_>>()[..] {
            [os, architecture, variant] => format!(
                r#"{{{pointer},"platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}}}"#
            ),
            [os, architecture] => {
                format!(r#"{{{pointer},"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#)
            }
            _ => format!("{{{pointer}}}"),
        }
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    json(INDEX, &format!(r#""manifests":[{entries}]"#))
}

#[tokio::test]
async fn an_image_for_another_platform_is_refused() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    let reference = scene.named(&format!("@{}", image.digest));
    let refused = scene.get(&reference, Some("linux/arm64")).await;
    assert!(
        matches!(refused, Err(Error::NoPlatform { .. })),
        "{refused:?}"
    );
    assert!(scene.left().is_empty());
    // That was seen before anything large was downloaded.
    assert!(requests_for(&scene, b"one").is_empty());
    scene.get(&reference, Some("linux/amd64")).await.unwrap();
}

#[tokio::test]
async fn an_index_gives_all_its_images_or_those_of_a_platform() {
    let images = [
        Image::new(&[b"one", b"both"]),
        Image::new(&[b"two", b"both"]),
    ];
    let [amd64, arm64] = &images;
    let index = index(&[(amd64, "linux/amd64"), (arm64, "linux/arm64")]);
    for (platform, expected) in [(None, 2), (Some("linux/arm64"), 1)] {
        let scene = Scene::new();
        for image in &images {
            scene.serve(image);
        }
        let top = scene.document(&index, INDEX);
        let reference = scene.named(&format!("@{top}"));
        let pulled = scene.get(&reference, platform).await.unwrap();
        assert_eq!((pulled.images, pulled.digest.to_string()), (expected, top));
        let blobs = scene.layout();
        assert_eq!(blobs.contains(&images[0].digest), platform.is_none());
        assert!(blobs.contains(&images[1].digest));
    }
    let scene = Scene::new();
    let top = scene.document(&index, INDEX);
    let reference = scene.named(&format!("@{top}"));
    let refused = scene.get(&reference, Some("linux/mips")).await.unwrap_err();
    assert!(matches!(refused, Error::NoPlatform { .. }), "{refused}");
}

#[tokio::test]
async fn where_an_index_says_no_platform_the_configs_do() {
    let images = [
        Image::new(&[b"one"]),
        Image::with_config(ARM64, &[b"two"]),
        Image::with_config(ARM64, &[b"three"]),
        Image::with_config(b"{}", &[b"four"]),
    ];
    let scene = Scene::new();
    for image in &images {
        scene.serve(image);
    }
    let index = index(&images.each_ref().map(|image| (image, "")));
    let top = scene.document(&index, INDEX);
    let reference = scene.named(&format!("@{top}"));
    let pulled = scene.get(&reference, Some("linux/arm64")).await.unwrap();
    assert_eq!(pulled.images, 2);
    let [first, second, third, fourth] = images;
    let mut expected: Vec<String> = second
        .blobs()
        .chain(third.blobs())
        .map(|(digest, _)| digest)
        .collect();
    expected.push(top);
    expected.sort();
    expected.dedup();
    assert_eq!(scene.layout(), expected);
    // What both have is asked for once, and nothing large of what is left out.
    assert_eq!(requests_for(&scene, ARM64).len(), 1);
    for (image, layer) in [(first, &b"one"[..]), (fourth, b"four")] {
        assert!(requests_for(&scene, layer).is_empty());
        assert!(!expected.contains(&image.digest));
    }

    scene.empty();
    let refused = scene.get(&reference, Some("linux/mips")).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        text.ends_with("no image for linux/mips, only for linux/amd64, linux/arm64/v8"),
        "{text}"
    );
    assert!(scene.left().is_empty());
}

#[tokio::test]
async fn a_config_is_what_its_digest_says() {
    let scene = Scene::new();
    let image = Image::with_config(ARM64, &[b"one"]);
    scene.serve(&image);
    scene.on(
        &format!("blobs/{}", digest(ARM64)),
        [blob(br#"{"os":"linux","architecture":"amd64"}"#)],
    );
    let reference = scene.named(&format!("@{}", image.digest));
    let refused = scene
        .get(&reference, Some("linux/amd64"))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Changed { .. }), "{refused}");
    assert!(scene.left().is_empty());
}

#[tokio::test]
async fn a_platform_may_be_written_in_two_ways() {
    let (amd64, arm64) = (Image::new(&[b"one"]), Image::with_config(ARM64, &[b"two"]));
    for said in ["linux/arm64", "linux/arm64/v8"] {
        for wanted in ["linux/arm64", "linux/arm64/v8"] {
            let scene = Scene::new();
            scene.serve(&arm64);
            let top = scene.document(&index(&[(&amd64, "linux/amd64"), (&arm64, said)]), INDEX);
            let reference = scene.named(&format!("@{top}"));
            let pulled = scene.get(&reference, Some(wanted)).await.unwrap();
            assert_eq!(pulled.images, 1);
            scene.empty();
            let reference = scene.named(&format!("@{}", arm64.digest));
            scene.get(&reference, Some(wanted)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_platform_is_resolved_to_a_digest_without_a_layer() {
    let images = [Image::new(&[b"one"]), Image::with_config(ARM64, &[b"two"])];
    let [amd64, arm64] = &images;
    for said in [["linux/amd64", "linux/arm64"], ["", ""]] {
        let scene = Scene::new();
        for image in &images {
            scene.serve(image);
        }
        let text = index(&[(amd64, said[0]), (arm64, said[1])]);
        let inner = scene.document(&text, INDEX);
        let outer = json(
            INDEX,
            &format!(r#""manifests":[{{{}}}]"#, pointer(INDEX, &text)),
        );
        let outer = scene.document(&outer, INDEX);
        let client = scene.client().unwrap();
        for top in [&inner, &outer, &arm64.digest] {
            let reference = scene.named(&format!("@{top}"));
            let found = client.resolve(&reference, "linux/arm64").await.unwrap();
            assert_eq!(found.to_string(), arm64.digest);
            let refused = client.resolve(&reference, "linux/mips").await;
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::NoPlatform { .. }), "{refused}");
        }
        for layer in [&b"one"[..], b"two"] {
            assert!(requests_for(&scene, layer).is_empty());
        }
        assert!(scene.left().is_empty());
    }
}

#[tokio::test]
async fn a_tag_is_resolved_to_what_it_stands_for_and_nothing_else() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    scene.on("manifests/new", [image.answer()]);
    let client = scene.client().unwrap();
    let found = client.resolve(&scene.named(":new"), "linux/amd64").await;
    assert_eq!(found.unwrap().to_string(), image.digest);

    // By its digest, another image is refused, and so is another config.
    let other = Image::with_config(ARM64, &[b"two"]);
    scene.on(&format!("manifests/{}", other.digest), [image.answer()]);
    let reference = scene.named(&format!("@{}", other.digest));
    let refused = client.resolve(&reference, "linux/amd64").await;
    assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
    scene.serve(&other);
    scene.on(&format!("blobs/{}", digest(ARM64)), [blob(CONFIG)]);
    let refused = client.resolve(&reference, "linux/amd64").await;
    assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
}

#[tokio::test]
async fn several_images_for_a_platform_are_not_one() {
    let scene = Scene::new();
    let images = [Image::new(&[b"one"]), Image::new(&[b"two"])];
    for image in &images {
        scene.serve(image);
    }
    let top = scene.document(&index(&images.each_ref().map(|image| (image, ""))), INDEX);
    let reference = scene.named(&format!("@{top}"));
    let client = scene.client().unwrap();
    let refused = client.resolve(&reference, "linux/amd64").await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("has 2 images for linux/amd64"), "{text}");
}
