//! One page that says how two images differ, and needs nothing besides itself: no script, no other file. What others
//! wrote is escaped by the template.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Diff, DiffContent, Difference};
use sha2::{Digest as _, Sha256};

use crate::words;

/// The style of the page.
const STYLE: &str = include_str!("../templates/style.css");

/// Returns the content security policy: nothing is loaded, and only this style counts.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

#[derive(Template)]
#[template(path = "diff.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    stagex: &'a str,
    diff: &'a Diff,
    mode: &'static str,
    images: Vec<[Option<(String, String)>; 2]>,
    first: Option<Shown<'a>>,
    differences: Vec<Shown<'a>>,
    hidden: u64,
}

/// A difference as it is shown.
struct Shown<'a> {
    place: String,
    what: String,
    class: &'static str,
    content: Option<ShownContent<'a>>,
}

/// The contents of a file as they are shown.
struct ShownContent<'a> {
    summary: String,
    parts: Vec<String>,
    /// Lines with the class that decides about their colour.
    lines: Vec<(&'static str, &'a str)>,
    diffoscope: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(difference: &'a Difference) -> Self {
        Self {
            place: words::place(difference),
            what: words::what(difference),
            class: difference.class.word(),
            content: difference.content.as_ref().map(ShownContent::new),
        }
    }
}

impl<'a> ShownContent<'a> {
    fn new(content: &'a DiffContent) -> Self {
        let class = |line: &str| if line.starts_with('-') { "a" } else { "b" };
        let lines = content.lines.iter();
        Self {
            summary: words::content(content),
            parts: content.parts.iter().map(words::part).collect(),
            lines: lines.map(|line| (class(line), line.as_str())).collect(),
            diffoscope: content.diffoscope.as_deref(),
        }
    }
}

/// Returns the page, made by a version of stagex.
///
/// # Panics
///
/// Never: a page is plain data.
pub fn page(diff: &Diff, stagex: &str) -> String {
    let (left, right) = (&diff.left.images, &diff.right.images);
    let image = |images: &[documents::DiffImage], at: usize| {
        let image = images.get(at)?;
        Some((image.digest.to_string(), image.platform.clone()))
    };
    let images = (0..left.len().max(right.len())).map(|at| [image(left, at), image(right, at)]);
    let page = Page {
        policy: policy(),
        style: STYLE,
        stagex,
        diff,
        mode: words::mode(diff.mode),
        images: images.collect(),
        first: diff.first.as_ref().map(Shown::new),
        differences: diff.differences.iter().map(Shown::new).collect(),
        hidden: words::hidden(diff),
    };
    page.render().expect("a page is plain data")
}
