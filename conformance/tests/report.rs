//! The reports, of results in which every state occurs and every text is hostile; and the page
//! in a real browser, where one is here. `STAGEX_REQUIRE=chromium` turns its absence into a
//! failure.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{
    Answer, Cell, ColumnFacts, Contrast, Failing, Label, Levelled, Recorded, Results, Subject,
    Verdict, report,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// What no report may take for a part of itself.
const HOSTILE: &str = "<script>document.title = 'broken'</script> & \"quoted\" ]]> \u{1}";
const COLUMNS: [&str; 3] = ["docker", "podman", "podman@trixie"];
const SUBJECTS: usize = 40;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("a_page_takes_texts_for_texts", a_page_takes_texts_for_texts),
        Trial::test("xml_takes_texts_for_texts", xml_takes_texts_for_texts),
        Trial::test("json_has_every_answer", json_has_every_answer),
        Trial::test("a_table_fits_a_terminal", a_table_fits_a_terminal),
    ];
    let browser = process::find(Utf8Path::new("chromium")).ok();
    let here = browser.is_some();
    let reason = "chromium is not here: install Debian's chromium";
    for (name, test) in BROWSER_TESTS {
        let browser = browser.clone();
        let trial = Trial::test(name, move || test(&browser.ok_or(reason)?));
        trials.push(if here || is_required("chromium") {
            trial
        } else {
            trial.with_ignored_flag(true).with_kind(reason)
        });
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that is given a browser's program.
type BrowserTest = fn(&Utf8Path) -> Result<(), Failed>;

const BROWSER_TESTS: [(&str, BrowserTest); 3] = [
    ("a_browser_shows_the_whole_grid", shows_the_whole_grid),
    (
        "a_browser_shows_what_was_asked_for",
        shows_what_was_asked_for,
    ),
    (
        "a_browser_shows_both_values_side_by_side",
        shows_both_values,
    ),
];

fn a_page_takes_texts_for_texts() -> Result<(), Failed> {
    let (_temporary, directory) = written();
    let page = std::fs::read_to_string(directory.join("index.html")).unwrap();
    expect(!page.contains("<script>document"), "a script got in")?;
    expect(page.contains("&lt;script&gt;document"), "the text is gone")?;
    expect(!page.contains('\u{1}'), "a control got in")?;
    let outside = ["http://", "https://", "url(", "@import", "src="];
    expect(
        !outside.iter().any(|part| page.contains(part)),
        "the page asks for something outside of itself",
    )
}

fn xml_takes_texts_for_texts() -> Result<(), Failed> {
    let (_temporary, directory) = written();
    let xml = std::fs::read_to_string(directory.join("junit.xml")).unwrap();
    expect(!xml.contains("<script>"), "a tag got in")?;
    expect(!xml.contains('\u{1}'), "a control got in")?;
    expect(!xml.contains("]]>"), "a text ends what it stands in")?;
    let count = |part: &str| xml.matches(part).count();
    let cells = SUBJECTS * COLUMNS.len();
    expect(count("<testcase ") == cells, "a cell is not there")?;
    expect(count("<failure ") == 1, "the failure is not there")?;
    expect(
        count("<skipped ") == SUBJECTS + 1,
        "what was skipped is not there",
    )
}

fn json_has_every_answer() -> Result<(), Failed> {
    let (_temporary, directory) = written();
    let text = std::fs::read_to_string(directory.join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let answers = json["answers"].as_array().unwrap();
    expect(
        answers.len() == SUBJECTS * COLUMNS.len(),
        "an answer is gone",
    )?;
    let failed = answers.iter().find(|answer| answer["state"] == "fails");
    let place = &failed.unwrap()["contrast"]["place"];
    expect(place == "layer 0: etc/a: mode", "the contrast is gone")
}

fn a_table_fits_a_terminal() -> Result<(), Failed> {
    let table = report::table(&sample());
    let widest = table.lines().map(|line| line.chars().count()).max();
    expect(
        widest.is_some_and(|widest| widest <= 80),
        "the table is too wide",
    )?;
    expect(
        table.contains("✗ ✓ –"),
        "the row of the cell that fails is wrong",
    )?;
    expect(
        table.contains("0 of 40 cases hold in every column"),
        "the count is wrong",
    )
}

fn shows_the_whole_grid(browser: &Utf8Path) -> Result<(), Failed> {
    let page = seen(browser, "");
    expect(
        page.contains(&format!("{SUBJECTS} of {SUBJECTS} cases")),
        "the script did not run",
    )?;
    expect(
        !page.contains("broken</title>"),
        "a text was run as a script",
    )?;
    expect(
        page.matches("<td class=\"holds\"").count() == 78,
        "cells are missing",
    )
}

fn shows_what_was_asked_for(browser: &Utf8Path) -> Result<(), Failed> {
    let page = seen(browser, "?state=fails");
    expect(
        page.contains(&format!("1 of {SUBJECTS} cases")),
        "the state was not looked for",
    )?;
    expect(
        page.matches("<tr hidden").count() == SUBJECTS - 1,
        "rows are not hidden",
    )?;
    let page = seen(browser, "?text=CASE-17");
    expect(
        page.contains(&format!("1 of {SUBJECTS} cases")),
        "the text was not looked for",
    )
}

fn shows_both_values(browser: &Utf8Path) -> Result<(), Failed> {
    let page = seen(browser, "#case-0::docker");
    let cell = page
        .split("<td ")
        .find(|cell| cell.contains("#case-0::docker"));
    expect(
        cell.is_some_and(|cell| cell.contains("aria-current=\"true\"")),
        "the cell is not shown as the one that was asked for",
    )?;
    expect(
        page.matches("aria-current=\"true\"").count() == 1,
        "another cell is shown as well",
    )?;
    let section = page
        .split("<article ")
        .skip(1)
        .find(|each| each.contains("case-0::docker"));
    let cells = section.map(|section| section.split("<td>").skip(1).collect::<Vec<_>>());
    expect(
        matches!(cells.as_deref(), Some([expected, found])
            if expected.starts_with("<pre>0644 &lt;script") && found.starts_with("<pre>0600 &lt;script")),
        "the values are not side by side",
    )
}

/// Returns the document as the browser has it once the page's script has run.
#[expect(
    clippy::disallowed_types,
    reason = "a browser is no engine, and needs the whole environment"
)]
fn seen(browser: &Utf8Path, address: &str) -> String {
    let (temporary, directory) = written();
    let profile = temporary.path().join("profile");
    let output = std::process::Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{directory}/index.html{address}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Writes the reports of the sample.
fn written() -> (tempfile::TempDir, Utf8PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().join("report")).unwrap();
    let opened = beneath::Directory::open_or_make(&directory).unwrap();
    report::write(&sample(), &opened).unwrap();
    (temporary, directory)
}

/// Results of 40 cases: one cell fails, one differs as listed, and one column is not here.
fn sample() -> Results {
    let label = |name: &str| name.parse::<Label>().unwrap();
    let columns = COLUMNS.map(|name| ColumnFacts {
        label: label(name),
        version: Some("4.3.1".to_owned()),
        program: Some("/usr/bin/engine".into()),
        absence: (name == "podman@trixie").then(|| HOSTILE.to_owned()),
    });
    let subject = |number: usize| Subject {
        name: format!("case-{number}"),
        property: format!("Property {number} holds. {HOSTILE}"),
        output: format!("case-case-{number}"),
        has_seeds: false,
    };
    let answer = |number: usize, column: &str| Answer {
        cell: Cell::Recorded {
            subject: format!("case-{number}"),
            column: label(column),
        },
        verdict: match (number, column) {
            (_, "podman@trixie") => Verdict::CannotRun {
                reason: HOSTILE.to_owned(),
            },
            (0, "docker") => Verdict::Fails(Failing {
                message: HOSTILE.to_owned(),
                contrast: Some(Contrast {
                    place: "layer 0: etc/a: mode".to_owned(),
                    expected: format!("0644 {HOSTILE}"),
                    found: format!("0600 {HOSTILE}"),
                }),
            }),
            (1, "podman") => Verdict::Differs {
                why: HOSTILE.to_owned(),
                avoid: HOSTILE.to_owned(),
            },
            _ => Verdict::Holds,
        },
        seconds: 1.5,
    };
    let answers = (0..SUBJECTS).flat_map(|number| COLUMNS.map(|column| answer(number, column)));
    Results {
        columns: columns.to_vec(),
        subjects: (0..SUBJECTS).map(subject).collect(),
        recorded: Recorded::default(),
        answers: answers.collect(),
        levelled: vec![Levelled {
            what: HOSTILE.to_owned(),
            how: HOSTILE.to_owned(),
            case: "case-3".to_owned(),
        }],
        seconds: 300.0,
        interrupted: false,
    }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn is_required(name: &str) -> bool {
    let required = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    required.split(',').any(|word| word.trim() == name)
}
