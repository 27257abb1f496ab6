//! The page: it needs nothing besides itself, and what others wrote is text in it.

use documents::DiffMode;
use sha2::{Digest as _, Sha256};

use crate::scene::{compare_with, draft, file, files, options, strictly};

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{1b}[31m";

#[test]
fn what_others_wrote_is_text() {
    let note = |word: &str| format!("{HOSTILE} by root@{word}\n");
    let diff = files(&format!("etc/{HOSTILE}"), note("one"), note("two"));
    let page = diff::page(&diff, "0");
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    for tag in [
        "<script",
        "<img",
        "<link",
        "<iframe",
        "onerror=alert(1)>\"",
        "\u{1b}",
    ] {
        assert!(!page.contains(tag), "{tag}: {page}");
    }
    for said in ["root@one", "root@two", "host name", "The first difference"] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn only_its_own_style_counts() {
    let page = diff::page(&files("a", "1", "2"), "0");
    let style = page.split_once("<style>").unwrap().1;
    let style = style.split_once("</style>").unwrap().0;
    let hash = data_encoding(&Sha256::digest(style));
    let policy = format!(
        "default-src &#39;none&#39;; style-src &#39;sha256-{hash}&#39;; base-uri &#39;none&#39;; \
         form-action &#39;none&#39;"
    );
    assert!(page.contains(&format!("content=\"{policy}\"")), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("));
    assert!(!page.contains("style="));
    for needed in [
        "prefers-color-scheme:dark",
        "width=device-width",
        "lang=\"en\"",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
}

/// Returns bytes in base64, as a policy has them.
fn data_encoding(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn equal_images_have_a_page_as_well() {
    let image = draft(&[file("a", "1")]);
    let page = diff::page(&strictly(&image, &image), "0");
    assert!(page.contains("are equal") && !page.contains("The first difference"));
}

#[test]
fn a_page_of_a_comparison_in_meaning_says_so() {
    let left = draft(&[file("a", "1")]).write();
    let right = draft(&[file("a", "2")]).write();
    let diff = compare_with(&left, &right, &options(DiffMode::Semantic)).unwrap();
    let page = diff::page(&diff, "0");
    assert!(page.contains("in what a container is given"));
    assert!(page.contains("file system, a"));
}
