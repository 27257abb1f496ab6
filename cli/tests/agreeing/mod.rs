//! Packages that servers build again: what they answer is never this machine's, and several of them have to agree.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::engines::{example_tree, expect};
use crate::program::{Ran, stagex_with};
use crate::serving::{Fault, Server};
use crate::{NEEDS_IT, PACKAGE, with};

/// Runs the program with several servers.
fn by(servers: &[&Server], tree: &Path, words: &[&str]) -> Ran {
    let named = |server: &&Server| ["--remote".to_owned(), server.address.clone()];
    let first: Vec<String> = servers.iter().flat_map(named).collect();
    let mut all: Vec<&str> = first.iter().map(String::as_str).collect();
    all.extend(words);
    stagex_with(tree, &all, &[])
}

fn document(ran: &Ran) -> Result<Value, Failed> {
    serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {}", ran.stderr).into())
}

/// Returns the attempts in the ledger.
fn attempts(tree: &Path) -> Result<Vec<Value>, Failed> {
    let ran = stagex_with(tree, &["ledger", "--format", "json"], &[]);
    let attempts = document(&ran)?["attempts"].as_array().cloned();
    Ok(attempts.unwrap_or_default())
}

pub(crate) fn reproduced() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    let told = |ran: &Ran| format!("{}\n{}\n{}", ran.stdout, ran.stderr, server.log());
    // What it has is not what it makes again.
    let made = with(&server.address, tree.path(), &["make", NEEDS_IT]);
    expect(made.code == 0, &told(&made))?;
    let words = ["reproduce", NEEDS_IT, "--format", "json"];
    let ran = with(&server.address, tree.path(), &words);
    expect(ran.code == 0, &told(&ran))?;
    expect(!ran.stderr.contains("had it already"), &told(&ran))?;
    let found = document(&ran)?;
    let images = found["images"].as_array().unwrap();
    expect(images.len() == 2, &told(&ran))?;
    for image in images {
        let one = &image["runtimes"][0];
        let is_right = image["reproduced"] == true && one["now"] == true;
        expect(is_right, &told(&ran))?;
    }
    // The same is not done again, and nothing of it is this machine's.
    let again = with(&server.address, tree.path(), &words);
    let found = document(&again)?;
    expect(
        found["images"][0]["runtimes"][0]["now"] == false,
        &told(&again),
    )?;
    for attempt in attempts(tree.path())? {
        let machine = &attempt["machine"];
        expect(
            machine["whose"] == server.address.as_str() && machine["kernel"] == "",
            &attempt.to_string(),
        )?;
    }
    let here = ["reproduce", "--runtimes", "native", NEEDS_IT];
    let here = stagex_with(
        tree.path(),
        &[&here[..], &["--format", "json"]].concat(),
        &[],
    );
    let found = document(&here)?;
    expect(
        found["images"][0]["runtimes"][0]["now"] == true,
        "what a server made again was taken for this machine's",
    )
}

pub(crate) fn agreed() -> Result<(), Failed> {
    let (one, other) = (Server::start(), Server::start());
    let tree = example_tree();
    let told = |ran: &Ran| format!("{}\n{}\n{}", ran.stderr, one.log(), other.log());
    let words = ["reproduce", PACKAGE, "--clean", "--format", "json"];
    other.next_is(Fault::Otherwise);
    let ran = by(&[&one, &other], tree.path(), &words);
    expect(ran.code == 6, &told(&ran))?;
    let differs = format!("{PACKAGE}: remote@{}", &other.address["grpc://".len()..]);
    expect(
        ran.stderr.contains(&format!("error: {differs}")),
        &told(&ran),
    )?;

    // One of two is enough, if that is asked for; and who differs is still named.
    other.next_is(Fault::Otherwise);
    let ran = by(
        &[&one, &other],
        tree.path(),
        &[&words[..], &["--agree", "1"]].concat(),
    );
    expect(ran.code == 0, &told(&ran))?;
    expect(
        ran.stderr.contains(&format!("warning: {differs}")),
        &told(&ran),
    )?;
    let image = &document(&ran)?["images"][0];
    expect(
        image["agreed"] == image["recorded"] && image["disagree"] == true,
        &image.to_string(),
    )?;
    other.next_is(Fault::Otherwise);
    let two = [&words[..], &["--agree", "2"]].concat();
    let ran = by(&[&one, &other], tree.path(), &two);
    expect(ran.code == 6, &told(&ran))?;

    // Where nothing is recorded, they agree with one another.
    fs::write(tree.path().join("digests/bootstrap.txt"), "")?;
    let ran = by(&[&one, &other], tree.path(), &two);
    expect(ran.code == 0, &told(&ran))?;

    // One server is one opinion, and several are none for `make`.
    for (servers, words) in [
        (vec![&one, &one], &two[..]),
        (vec![&one], &two[..]),
        (vec![&one, &other], &["make", PACKAGE]),
    ] {
        let ran = by(&servers, tree.path(), words);
        expect(ran.code == 2, &told(&ran))?;
    }
    Ok(())
}
