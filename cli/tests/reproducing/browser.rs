//! The page of `stagex diff --html` in a real browser: names and texts that are hostile are texts, and nothing is asked
//! for from anywhere.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::Failed;

use crate::Scene;
use crate::engines::expect;

/// The name of a file that is a part of no page.
const NAME: &str = "<img src=x onerror=\"document.title='broken'\">";

/// Shows the page of an image whose names and texts are hostile.
pub(crate) fn shows(browser: &Path) -> Result<(), Failed> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    let asked = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut asking in server.incoming().map_while(Result::ok) {
            heard.store(true, Ordering::SeqCst);
            let _ = asking.read(&mut [0; 4096]);
            let _ = asking.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
        }
    });
    let hostile =
        format!("<script>document.title='broken'</script><img src=\"http://{address}/\">");

    let scene = Scene::new("native");
    scene.package("note", "FROM scratch\nCOPY . /files/\n");
    let note = scene.path().join("packages/core/note").join(NAME);
    for which in ["one", "two"] {
        fs::write(&note, format!("{hostile} built by {which}\n"))?;
        let ran = scene.stagex(&["--runtime", "native", "make", "--quiet", "core-note"]);
        expect(ran.status.success(), &String::from_utf8_lossy(&ran.stderr))?;
        fs::rename(scene.path().join("out/core-note"), scene.path().join(which))?;
    }
    let page = scene.path().join("page.html");
    let words = ["diff", "--html", page.to_str().unwrap(), "./one", "./two"];
    let mut command = scene.command(&words);
    let ran = command.current_dir(scene.path()).output()?;
    expect(
        ran.status.code() == Some(6),
        &String::from_utf8_lossy(&ran.stderr),
    )?;

    let is_asked = || asked.swap(false, Ordering::SeqCst);
    let profile = scene.path().join("profile");
    let seen = |page: &Path, more: &str| run(browser, &profile, page, more);
    let refusal = "Content Security Policy";
    let (shown, log) = seen(&page, "--dump-dom")?;
    for text in ["&lt;img src=x onerror=", "built by two", "&lt;script&gt;"] {
        expect(shown.contains(text), &format!("{text}: {shown}"))?;
    }
    expect(!shown.contains("<title>broken"), "a text was run")?;
    expect(!log.contains(refusal), &log)?;
    expect(!is_asked(), "the page asks somebody")?;
    // It is shown as it is meant to be, also on a telephone.
    for size in ["1200,900", "400,800"] {
        let picture = scene.path().join("picture.png");
        let option = format!("--screenshot={}", picture.display());
        run_sized(browser, &profile, &page, &option, size)?;
        let bytes = fs::metadata(&picture)?.len();
        expect(
            bytes > 10_000,
            &format!("{size}: the page is blank: {bytes}"),
        )?;
        fs::remove_file(picture)?;
    }

    // Were a text a part of the page, the page would still not obey it: only without its policy does it.
    let whole = fs::read_to_string(&page)?;
    let injected = whole.replace("<main>", &format!("<main>{hostile}"));
    let (policy, other) = ("http-equiv=\"Content-Security-Policy\"", "name=\"other\"");
    expect(
        injected != whole && whole.contains(policy),
        "the page is written in another way",
    )?;
    let broken = scene.path().join("broken.html");
    fs::write(&broken, &injected)?;
    let (shown, log) = seen(&broken, "--dump-dom")?;
    expect(
        !shown.contains("<title>broken") && log.contains(refusal) && !is_asked(),
        &log,
    )?;
    fs::write(&broken, injected.replace(policy, other))?;
    let (shown, _) = seen(&broken, "--dump-dom")?;
    expect(
        shown.contains("<title>broken") && is_asked(),
        "nothing would be noticed",
    )
}

fn run(
    browser: &Path,
    profile: &Path,
    page: &Path,
    option: &str,
) -> Result<(String, String), Failed> {
    run_sized(browser, profile, page, option, "1200,900")
}

fn run_sized(
    browser: &Path,
    profile: &Path,
    page: &Path,
    option: &str,
    size: &str,
) -> Result<(String, String), Failed> {
    let output = Command::new(browser)
        .args("--headless --no-sandbox --disable-gpu --no-first-run --disable-sync".split(' '))
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--virtual-time-budget=2000", "--enable-logging=stderr"])
        .arg(format!("--window-size={size}"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .args([option, &format!("file://{}", page.display())])
        .output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (shown, log) = (text(output.stdout), text(output.stderr));
    expect(output.status.success(), &log)?;
    Ok((shown, log))
}
