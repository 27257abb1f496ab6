//! A report of 513 packages whose attempts have every verdict and hostile texts: its size, what it takes for a part of
//! itself, what it replaces; and its front page in a real browser, where one is here. `STAGEX_REQUIRE=chromium` turns
//! its absence into a failure.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::ExitCode;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use documents::{
    Attempt, AttemptFailure, AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict,
    DependencyOrigin, Digest, ErrorKind, Plan, PlannedPackage, Report, ReportAnswer, ReportState,
    SignedBy, Version,
};
use libtest_mimic::{Arguments, Failed, Trial};
use report::{Facts, Site};

/// What no page may take for a part of itself.
const HOSTILE: &str =
    "<script>document.title='broken'</script><img src=x onerror=alert(1)> \"' \u{1}";
const PACKAGES: usize = 513;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("texts_are_texts", texts_are_texts),
        Trial::test("the_front_page_is_small", the_front_page_is_small),
        Trial::test("only_a_report_is_replaced", only_a_report_is_replaced),
        Trial::test("changes_are_seen_once", changes_are_seen_once),
        Trial::test("other_inputs_prove_nothing", other_inputs_prove_nothing),
        Trial::test("who_has_signed_is_said", who_has_signed_is_said),
        Trial::test("what_differs_has_one_page", what_differs_has_one_page),
    ];
    let browser = process::find(Utf8Path::new("chromium")).ok();
    let reason = "chromium is not here: install Debian's chromium";
    let here = browser.is_some() || is_required("chromium");
    let trial = Trial::test("a_browser_shows_it", move || {
        shows(&browser.clone().ok_or(reason)?)
    });
    trials.push(if here {
        trial
    } else {
        trial.with_ignored_flag(true).with_kind(reason)
    });
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn digest(number: usize) -> Digest {
    Digest::sha256(&[u8::try_from(number % 251).unwrap(); 32])
}

fn package(number: usize) -> PlannedPackage {
    let needs = (number / 2..number).rev().take(3);
    PlannedPackage {
        name: format!("core-package{number}"),
        package: format!("package{number}"),
        origin: format!("package{number}"),
        stage: "core".to_owned(),
        version: Some("1.2.3".to_owned()),
        platforms: vec!["linux/amd64".to_owned()],
        target: None,
        containerfile: format!("packages/core/package{number}/Containerfile"),
        context: String::new(),
        fetch: String::new(),
        build_args: Vec::new(),
        dependencies: needs.map(|need| format!("core-package{need}")).collect(),
        seeds: Vec::new(),
        sources: Vec::new(),
        memory: None,
        requested: true,
        archives: Vec::new(),
    }
}

fn attempt(number: usize, round: usize) -> Attempt {
    let runtimes = ["docker", "podman", "buildah", "native"];
    let fails = number == 5 && round == 9;
    let differs = number == 6 && round == 9;
    let seconds = i64::try_from(round * 10_000 + number * 7).unwrap();
    let vendor = if round < 4 {
        "AuthenticAMD"
    } else {
        "GenuineIntel"
    };
    Attempt {
        version: Version,
        reproduction: format!("{:016x}", round / 4),
        package: format!("core-package{number}"),
        platform: None,
        package_version: Some("1.2.3".to_owned()),
        key: Some("ab".repeat(32)),
        profile: "stagex-2026".to_owned(),
        tree: AttemptTree {
            commit: Some("c0".repeat(20)),
            dirty: false,
        },
        runtime: AttemptRuntime {
            name: runtimes[round % 4].to_owned(),
            version: "1".to_owned(),
        },
        machine: AttemptMachine {
            whose: (round < 4).then(|| HOSTILE.to_owned()),
            worker: None,
            kernel: "6.1".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_vendor: vendor.to_owned(),
            cpu_model: "model".to_owned(),
            processors: 8,
        },
        stagex: "0.1.0".to_owned(),
        started: documents::rfc3339(1_790_000_000 + seconds),
        seconds: 20.5,
        dependencies: DependencyOrigin::Built,
        materials: Vec::new(),
        seeds: Vec::new(),
        rounds: Vec::new(),
        recorded: Some(digest(number)),
        digest: (!fails).then(|| digest(number + usize::from(differs))),
        verdict: match (fails, differs) {
            (true, _) => AttemptVerdict::Failed,
            (_, true) => AttemptVerdict::Differs,
            _ => AttemptVerdict::Reproduced,
        },
        failure: fails.then(|| AttemptFailure {
            kind: ErrorKind::Package,
            message: HOSTILE.to_owned(),
            hint: None,
            last_lines: vec![HOSTILE.to_owned()],
        }),
        broken_by: None,
        log: None,
    }
}

struct Sample {
    plan: Plan,
    recorded: BTreeMap<String, Digest>,
    signed: Option<BTreeMap<String, SignedBy>>,
    attempts: Vec<Attempt>,
}

impl Sample {
    fn new(packages: usize) -> Self {
        let rounds = 0..10;
        let attempts = rounds.flat_map(|round| (0..packages).map(move |each| attempt(each, round)));
        Self {
            plan: Plan {
                version: Version,
                packages: (0..packages).map(package).collect(),
            },
            recorded: (0..packages)
                .map(|each| (format!("core-package{each}"), digest(each)))
                .collect(),
            signed: None,
            attempts: attempts.collect(),
        }
    }

    fn made(&self, previous: Option<&Report>) -> (Report, Site) {
        let facts = Facts {
            plan: &self.plan,
            recorded: &self.recorded,
            signed: self.signed.as_ref(),
            attempts: &self.attempts,
            profile: "stagex-2026",
            stagex: "0.1.0",
        };
        let report = report::report(&facts, previous);
        let site = report::site(&facts, &report, previous.is_none(), &|_| None);
        (report, site)
    }
}

fn texts_are_texts() -> Result<(), Failed> {
    let (report, site) = Sample::new(20).made(None);
    expect(
        report.answer == ReportAnswer::No,
        "what fails can be signed",
    )?;
    for (path, text) in &site {
        expect(!text.contains("<script>document"), path)?;
        expect(!text.contains("<img"), path)?;
        expect(!text.contains('\u{1}'), path)?;
    }
    let failed = &site["package/core-package5.html"];
    expect(
        failed.contains("&#60;script&#62;document"),
        "the message is gone",
    )
}

/// Who has signed is on the pages if it was asked for, with names that are texts.
fn who_has_signed_is_said() -> Result<(), Failed> {
    let mut sample = Sample::new(3);
    let (report, site) = sample.made(None);
    expect(report.counts.signed.is_none(), "nobody asked")?;
    expect(!site["index.html"].contains("Signed by"), "nobody asked")?;
    let by = |verified: bool, people: &[&str], missing| SignedBy {
        verified,
        people: people.iter().map(|person| (*person).to_owned()).collect(),
        missing,
    };
    let signed = [
        by(true, &["Ada", HOSTILE], 0),
        by(false, &["Ada"], 1),
        by(false, &[], 2),
    ];
    let name = |number: usize| format!("core-package{number}");
    let signed = signed.into_iter().enumerate();
    sample.signed = Some(signed.map(|(number, by)| (name(number), by)).collect());
    let (report, site) = sample.made(None);
    expect(report.counts.signed == Some(1), "one is signed")?;
    let page = &site["index.html"];
    for said in [
        "Signed by",
        "signed by enough people",
        "<td>Ada; 1 missing",
        "<td>nobody who counts; 2 missing",
    ] {
        expect(page.contains(said), said)?;
    }
    expect(!page.contains("<script>document"), "a name is a script")?;
    let page = &site["package/core-package1.html"];
    expect(
        page.contains("<dt>Signed by</dt><dd>Ada; 1 missing</dd>"),
        page,
    )
}

/// What is the same in several attempts is compared once, and what is not has a page of its own.
fn what_differs_has_one_page() -> Result<(), Failed> {
    let mut sample = Sample::new(7);
    let differs = attempt(6, 9);
    let with = |change: fn(&mut Attempt)| {
        let mut attempt = differs.clone();
        change(&mut attempt);
        attempt
    };
    sample.attempts = vec![
        differs.clone(),
        differs.clone(),
        with(|attempt| attempt.platform = Some("linux/arm64".to_owned())),
        with(|attempt| attempt.digest = Some(digest(100))),
        with(|attempt| attempt.machine.whose = Some("x".to_owned())),
        differs,
    ];
    let facts = Facts {
        plan: &sample.plan,
        recorded: &sample.recorded,
        signed: None,
        attempts: &sample.attempts,
        profile: "stagex-2026",
        stagex: "0.1.0",
    };
    let report = report::report(&facts, None);
    let asked = Cell::new(0);
    let site = report::site(&facts, &report, true, &|attempt| {
        asked.set(asked.get() + 1);
        let is_own = attempt.machine.whose.is_none();
        is_own.then(|| format!("{:?} {:?}", attempt.platform, attempt.digest))
    });
    let pages = site.keys().filter(|path| path.starts_with("diff/"));
    let pages: Vec<&str> = pages.map(String::as_str).collect();
    let expected = [
        "diff/core-package6@podman.html",
        "diff/core-package6@podman@2.html",
        "diff/core-package6@podman@linux=2f=arm64.html",
    ];
    expect(pages == expected, &format!("there are {pages:?}"))?;
    expect(asked.get() == 4, &format!("it asked {} times", asked.get()))?;
    let page = &site["package/core-package6.html"];
    for (path, links) in pages.into_iter().zip([3, 1, 1]) {
        let found = page.matches(&format!("href=\"../{path}\"")).count();
        expect(found == links, &format!("{path} is linked {found} times"))?;
    }
    let other = &site["diff/core-package6@podman@linux=2f=arm64.html"];
    expect(other.contains("linux/arm64"), "it is another page")
}

fn the_front_page_is_small() -> Result<(), Failed> {
    let (_, site) = Sample::new(PACKAGES).made(None);
    let page = &site["index.html"];
    let rows = page.matches("<tr data-s=").count();
    expect(rows == PACKAGES, "a row is missing")?;
    expect(
        page.len() < 300_000,
        &format!("it has {} bytes", page.len()),
    )
}

fn only_a_report_is_replaced() -> Result<(), Failed> {
    let (_temporary, parent) = parent();
    let (report, site) = Sample::new(3).made(None);
    let name = Utf8Path::new("site");
    report::write(&parent, name, &report, &site).unwrap();
    let read = report::previous(&parent, name).unwrap();
    expect(read.as_ref() == Some(&report), "it is not read again")?;
    report::write(&parent, name, &report, &site).unwrap();
    expect(parent.entries().unwrap().len() == 1, "something is left")?;
    for (file, text) in [
        ("site/CNAME", "mine"),
        ("site/package/notes", "mine"),
        ("site/report.json", "{}"),
    ] {
        let path = Utf8Path::new(file);
        let before = parent.read(path, 1 << 20).ok();
        parent.write(path, text.as_bytes()).unwrap();
        let refused = report::write(&parent, name, &report, &site);
        let is_refused = matches!(refused, Err(report::WriteError::Foreign { .. }));
        expect(is_refused, file)?;
        expect(
            parent.read_text(path, 10).unwrap() == text,
            "it is overwritten",
        )?;
        match before {
            Some(before) => parent.write(path, &before).unwrap(),
            None => parent.remove(path).unwrap(),
        }
    }
    Ok(())
}

fn changes_are_seen_once() -> Result<(), Failed> {
    let sample = Sample::new(8);
    let mut fewer = Sample::new(8);
    fewer.attempts.retain(|each| each.failure.is_none());
    let (before, _) = fewer.made(None);
    let (after, site) = sample.made(Some(&before));
    let [change] = after.changes.as_slice() else {
        return Err(format!("{:?}", after.changes).into());
    };
    expect(
        change.before == Some(ReportState::Reproduced),
        "it was something else",
    )?;
    expect(
        change.after == Some(ReportState::Failed),
        "it is something else",
    )?;
    expect(
        site["feed.atom"].contains("<entry>"),
        "it is not in the feed",
    )?;
    let (again, _) = sample.made(Some(&after));
    expect(again.changes == after.changes, "it is seen twice")
}

fn other_inputs_prove_nothing() -> Result<(), Failed> {
    let changes: [fn(&mut Attempt); 3] = [
        |each| each.tree.dirty = true,
        |each| "another".clone_into(&mut each.profile),
        |each| {
            each.materials.push(documents::Material {
                kind: documents::MaterialKind::Dependency,
                name: "core-package0".to_owned(),
                digest: digest(200),
                mirrors: Vec::new(),
            });
        },
    ];
    for change in changes {
        let mut sample = Sample::new(3);
        let (report, _) = sample.made(None);
        expect(
            report.answer == ReportAnswer::Yes,
            "it is not proven before",
        )?;
        let attempts = sample.attempts.iter_mut();
        let attempts = attempts.filter(|each| each.package == "core-package1");
        attempts.for_each(change);
        let (report, _) = sample.made(None);
        expect(report.answer == ReportAnswer::NotYet, "it is proven")?;
        let state = report.packages[1].state;
        expect(state == ReportState::Outdated, "it is not outdated")?;
    }
    Ok(())
}

/// The front page works, and a page whose script is another one is refused by its policy.
fn shows(browser: &Utf8Path) -> Result<(), Failed> {
    let (temporary, parent) = parent();
    let (report, mut site) = Sample::new(40).made(None);
    let broken = site["index.html"].replace("\"use strict\";", "\"use strict\" ;");
    site.insert("package/broken.html".to_owned(), broken);
    report::write(&parent, "site".into(), &report, &site).unwrap();
    let profile = temporary.path().join("profile");
    let seen = |option: &str, page: &str| {
        let address = format!("file://{}/site/{page}", parent.path());
        run(browser, profile.to_str().unwrap(), option, &address)
    };
    let refusal = "Content Security Policy";
    let (page, log) = seen("--dump-dom", "index.html?text=core-package17");
    expect(
        page.contains("1 of 40 packages"),
        "the search does not work",
    )?;
    expect(
        page.matches("hidden=\"\"").count() == 39,
        "rows are not hidden",
    )?;
    expect(!log.contains(refusal), &log)?;
    let (page, log) = seen("--dump-dom", "package/broken.html");
    expect(log.contains(refusal), "another script is not refused")?;
    expect(
        !page.contains("of 40 packages</span>"),
        "another script was run",
    )?;
    let rows = page.matches("<tr data-s=").count();
    expect(rows == 40, "without a script, rows are missing")?;
    let (page, log) = seen("--dump-dom", "package/core-package5.html");
    expect(!page.contains("<title>broken"), "a text was run")?;
    expect(!log.contains(refusal), &log)?;
    let picture = temporary.path().join("picture.png");
    seen(&format!("--screenshot={}", picture.display()), "index.html");
    let size = std::fs::metadata(picture).unwrap().len();
    expect(size > 20_000, "the page is blank")
}

/// Returns what the browser prints, and its log.
#[expect(
    clippy::disallowed_types,
    reason = "a browser is no engine, and needs the whole environment"
)]
fn run(browser: &Utf8Path, profile: &str, option: &str, address: &str) -> (String, String) {
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
        .args(["--disable-sync", "--virtual-time-budget=2000"])
        .args(["--enable-logging=stderr", "--window-size=1200,900"])
        .arg(format!("--user-data-dir={profile}"))
        .args([option, address])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}

fn parent() -> (tempfile::TempDir, Directory) {
    let temporary = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temporary.path().join("parent")).unwrap();
    let parent = Directory::open_or_make(&path).unwrap();
    (temporary, parent)
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
