//! Archives in every format of tar to this crate and to Go: the same layers must come out.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
#[expect(
    clippy::disallowed_types,
    reason = "this crate must not depend on the one that starts processes, and only its tests do"
)]
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::GzDecoder;
use libtest_mimic::{Failed, Trial};
use oci_image::{Digest, LayerSource, Layout, Recorded, first_layer_difference};

use crate::workshop::make;

/// The variable that lists, between commas, what must not be missing.
const REQUIRE: &str = "STAGEX_REQUIRE";

/// How many pairs of archives the program in `tests/go` writes.
const PAIRS: usize = 32;

pub(crate) fn trials() -> Vec<Trial> {
    let name = "differential::every_header_as_go_writes_it";
    let Some(reason) = why_unavailable() else {
        return vec![Trial::test(name, compare_all)];
    };
    let kind = reason.clone();
    let failing = Trial::test(name, move || Err(reason.into()));
    vec![
        failing
            .with_kind(kind)
            .with_ignored_flag(!is_required("go")),
    ]
}

fn compare_all() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let run = command("go")
        .args(["run", "."])
        .arg(directory.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go"))
        .output()?;
    if !run.status.success() {
        let messages = String::from_utf8_lossy(&run.stderr);
        return Err(format!("`go run` failed: {messages}").into());
    }
    let mut compared = 0;
    for file in fs::read_dir(directory.path())? {
        let tar = Utf8PathBuf::try_from(file?.path())?;
        if tar.extension() == Some("tar") {
            compare(&tar)?;
            compared += 1;
        }
    }
    if compared == PAIRS {
        return Ok(());
    }
    Err(format!("expected {PAIRS} pairs of archives, found {compared}").into())
}

fn compare(tar: &Utf8Path) -> Result<(), Failed> {
    let expected = fs::read(tar.with_extension("expected"))?;
    let destination = tar.with_extension("layout");
    let layer = LayerSource {
        tar: Some(tar.to_owned()),
        recorded: Recorded::Changes,
        leftovers: Vec::new(),
        destination: None,
    };
    let image = make("FROM scratch\nCOPY . .\n", None, vec![layer], &destination)?;
    if image.layers[0].diff_id.0 == Digest::of(&expected) {
        return Ok(());
    }
    let layout = Layout::open(&destination)?;
    let blob = layout.open_blob(&layout.manifest().layers()[0])?;
    let difference = first_layer_difference(expected.as_slice(), GzDecoder::new(blob))?;
    let difference = difference.map_or("encoding".to_owned(), |found| found.to_string());
    Err(format!("{tar}: {difference}").into())
}

/// Returns why Go cannot be asked, if so.
fn why_unavailable() -> Option<String> {
    match command("go").arg("version").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`go version` failed: {}", output.status)),
        Err(error) => Some(format!("`go` cannot be started: {error}")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this suite that asks what is required"
)]
fn is_required(what: &str) -> bool {
    std::env::var(REQUIRE).is_ok_and(|list| list.split(',').any(|item| item.trim() == what))
}

#[expect(clippy::disallowed_types, reason = "see the import")]
fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}
