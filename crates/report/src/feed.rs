//! What has changed, as a JSON feed (version 1.1) and as an Atom feed (RFC 4287).

use askama::Template;
use documents::{Report, ReportChange};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::pages::{page_of, shown};

const TITLE: &str = "Reproduced packages";

struct Item {
    id: String,
    title: String,
    seen: String,
    page: String,
}

#[derive(Template)]
#[template(path = "feed.xml", escape = "html")]
struct Atom<'a> {
    title: &'a str,
    id: String,
    updated: &'a str,
    items: Vec<Item>,
}

/// Returns the Atom feed of a report.
pub(crate) fn atom(report: &Report) -> String {
    let atom = Atom {
        title: TITLE,
        id: uuid(&report.profile),
        updated: report.newest.as_deref().unwrap_or("1970-01-01T00:00:00Z"),
        items: report.changes.iter().map(item).collect(),
    };
    atom.render().expect("a feed is plain data")
}

/// Returns the JSON feed of a report.
pub(crate) fn json(report: &Report) -> String {
    let items = report.changes.iter().map(item).map(|item| {
        json!({
            "id": item.id,
            "url": item.page,
            "title": item.title,
            "content_text": item.title,
            "date_published": item.seen,
        })
    });
    let feed = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "home_page_url": "index.html",
        "feed_url": "feed.json",
        "items": items.collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&feed).expect("a feed is plain data") + "\n"
}

/// Returns what has changed of a package as a sentence.
pub(crate) fn sentence(change: &ReportChange) -> String {
    let package = shown(&change.package);
    match (change.before, change.after) {
        (_, None) => format!("{package} is no longer in the tree"),
        (None, Some(after)) => format!("{package} is new: {}", after.word()),
        (Some(before), Some(after)) if before == after => {
            format!("{package} has another recorded digest: {}", after.word())
        }
        (Some(before), Some(after)) => {
            format!(
                "{package} was {}, and is now {}",
                before.word(),
                after.word()
            )
        }
    }
}

fn item(change: &ReportChange) -> Item {
    let title = sentence(change);
    let recorded = change
        .recorded
        .as_ref()
        .map_or("", |digest| digest.as_str());
    Item {
        id: uuid(&format!("{}\n{title}\n{recorded}", change.seen)),
        title,
        seen: shown(&change.seen),
        page: page_of(&change.package),
    }
}

/// Returns an identifier that is made of a text: a UUID of version 8.
fn uuid(text: &str) -> String {
    documents::Digest::sha256(&Sha256::digest(text).into()).uuid()
}
