//! What README and docs/ say: every command line is one that the program takes, every link leads
//! somewhere, and `make install` installs what the README says; and help that is long is in groups. Nothing
//! is built.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the program and make are what is tested"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

/// Returns the top of the repository.
fn top() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().unwrap().to_owned()
}

/// Returns the README and every page of docs/, each with its path.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths = vec![top().join("README.md"), top().join("CHANGELOG.md")];
    for directory in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(top().join(directory)).unwrap();
        let found = entries.map(|entry| entry.unwrap().path());
        paths.extend(found.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Returns the words of each `stagex` command line that a page shows at a prompt.
fn command_lines(page: &str) -> Vec<Vec<String>> {
    let typed = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ stagex "));
    let words = |line: &str| {
        let words = line.split_whitespace();
        let words = words.take_while(|word| !matches!(*word, "#" | "|" | ">"));
        words.map(str::to_owned).collect()
    };
    typed.map(words).collect()
}

/// Whether the program takes this command line. Help is asked for behind it, so nothing is done.
fn is_taken(words: &[String]) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    let output = command.args(words).arg("--help").output().unwrap();
    output.status.success()
}

#[test]
fn every_command_line_is_taken() {
    let mut count = 0;
    for (path, page) in pages() {
        for words in command_lines(&page) {
            let line = words.join(" ");
            assert!(is_taken(&words), "{}: stagex {line}", path.display());
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} command lines were found");
}

#[test]
fn a_wrong_command_line_is_not_taken() {
    for line in [
        "amke",
        "make --no-such-option",
        "make --format xml",
        "digests core",
    ] {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        assert!(!is_taken(&words), "stagex {line}");
    }
}

/// Returns the targets of a page's links and pictures that are in the repository.
fn links(page: &str) -> Vec<&str> {
    let marked = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let attributes = ["src=\"", "srcset=\""].into_iter().flat_map(|start| {
        let parts = page.split(start).skip(1);
        parts.filter_map(|rest| rest.split('"').next())
    });
    let all = marked.chain(attributes);
    all.filter(|link| !link.contains("://")).collect()
}

/// Returns the anchors of a page's headings, as GitHub and GitLab make them.
fn anchors(page: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        found.push(
            kept.map(|letter| if letter == ' ' { '-' } else { letter })
                .collect(),
        );
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for (path, page) in pages() {
        for link in links(&page) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                let is_there = anchors.iter().any(|each| each == anchor);
                assert!(is_there, "{}: {link}: {anchors:?}", path.display());
            }
            count += 1;
        }
    }
    assert!(count >= 50, "only {count} links were found");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let mut reached = vec![fs::canonicalize(top().join("README.md")).unwrap()];
    let mut next = 0;
    while let Some(path) = reached.get(next).cloned() {
        next += 1;
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&page) {
            let file = link.split('#').next().unwrap();
            let target = fs::canonicalize(path.parent().unwrap().join(file)).unwrap();
            let is_page = target.extension().is_some_and(|end| end == "md");
            if is_page && !reached.contains(&target) {
                reached.push(target);
            }
        }
    }
    for (path, _) in pages() {
        // A directory is linked as one: its pages are found by looking into it.
        let is_decision = path.parent().unwrap().ends_with("decisions");
        let path = fs::canonicalize(path).unwrap();
        assert!(is_decision || reached.contains(&path), "{}", path.display());
    }
}

/// Installs the program below a directory that is made for it.
fn installed() -> tempfile::TempDir {
    let destination = tempfile::tempdir().unwrap();
    let output = Command::new("make")
        .current_dir(top())
        .args(["install", "PREFIX=/usr"])
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_stagex")))
        .arg(format!("DESTDIR={}", destination.path().display()))
        // A make around this test has options and variables of its own.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKEOVERRIDES")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    destination
}

#[test]
fn make_install_installs_what_the_readme_says() {
    let destination = installed();
    for file in [
        "bin/stagex",
        "share/man/man1/stagex.1",
        "share/man/man1/stagex-make.1",
        "share/bash-completion/completions/stagex",
        "share/zsh/site-functions/_stagex",
        "share/fish/vendor_completions.d/stagex.fish",
    ] {
        let installed = destination.path().join("usr").join(file);
        let size = fs::metadata(&installed).map(|facts| facts.len());
        assert!(size.is_ok_and(|size| size > 0), "{}", installed.display());
    }
}

/// What `cargo deb` packs is what `make deb` has installed for it.
#[test]
fn a_debian_package_has_what_make_installs() {
    let manifest = fs::read_to_string(top().join("cli/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let assets = &manifest["package"]["metadata"]["deb"]["assets"];
    let destination = installed();
    for asset in assets.as_array().unwrap() {
        let source = asset[0].as_str().unwrap();
        let inside = source.strip_prefix("../target/deb/").unwrap();
        let inside = inside.trim_end_matches('*');
        let installed = destination.path().join(inside);
        assert!(installed.exists(), "{source}");
    }
}

/// Returns the scripts and the targets of the Makefile that a page names.
fn scripts_and_targets(page: &str) -> (Vec<&str>, Vec<&str>) {
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "./_-".contains(letter);
    let words = page.split(|letter: char| !is_of_a_name(letter));
    let words = words.map(|word| word.trim_end_matches('.'));
    let scripts = words.filter(|word| {
        let name = word.strip_prefix("tools/").or(word.strip_prefix(".ci/"));
        name.is_some_and(|name| !name.contains(['/', '.']))
    });
    let targets = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ make "));
    let targets = targets.filter_map(|line| line.split_whitespace().next());
    (scripts.collect(), targets.collect())
}

#[test]
fn every_script_and_target_that_a_page_names_is_there() {
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    let mut count = 0;
    for (path, page) in pages() {
        // This one is about StageX's own Makefile.
        let is_of_stagex = path.ends_with("drop-in.md");
        let (scripts, targets) = scripts_and_targets(&page);
        for script in &scripts {
            assert!(top().join(script).exists(), "{}: {script}", path.display());
        }
        for target in targets.iter().filter(|_| !is_of_stagex) {
            let rule = format!("\n{target}:");
            assert!(makefile.contains(&rule), "{}: {target}", path.display());
        }
        count += scripts.len() + targets.len();
    }
    assert!(count >= 20, "only {count} were found");
}

/// What cargo's configuration says of compiling would be in the bytes; where crates come from would not.
#[rstest]
#[case("[build]\nrustflags = [\"-Cdebuginfo=2\"]\n", Some("build"))]
#[case(
    "[net]\noffline = true\n\n[profile.release]\nlto = false\n",
    Some("profile")
)]
#[case(
    "[ target . 'x86_64-unknown-linux-gnu' ]\nlinker = \"mold\"\n",
    Some("target")
)]
#[case("env.CFLAGS = \"-O0\"\n", Some("env"))]
#[case("\"build\".rustc-wrapper = \"wrapper\"\n", Some("build"))]
#[case("'build'.rustc-wrapper = 'wrapper'\n", Some("build"))]
#[case("= what no reader takes\n[net]\n", Some("= what no reader takes"))]
#[case("include = \"other.toml\"\n", Some("include"))]
#[case(
    "# a comment\n[source.crates-io]\nreplace-with = \"mirror\"\n[net]\nretry = 9\n",
    None
)]
#[case("net.retry = 9\n", None)]
fn a_release_is_not_built_as_a_configuration_says(
    #[case] configuration: &str,
    #[case] refused: Option<&str>,
) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), configuration).unwrap();
    let mut build = Command::new(top().join("tools/release-build"));
    build.arg("sample").env("CARGO_HOME", home.path());
    // Nothing is built: there is no such cargo.
    build.env("CARGO", "no-such-cargo");
    let output = build.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    match refused {
        Some(table) => assert!(said.contains(&format!("sets '{table}'")), "{said}"),
        None => assert!(said.contains("no-such-cargo"), "{said}"),
    }
}

#[test]
fn the_page_on_architecture_names_every_crate() {
    let page = fs::read_to_string(top().join("docs/architecture.md")).unwrap();
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    assert!(members.len() > 1);
    for member in members {
        let name = format!("`{}`", member.as_str().unwrap());
        assert!(page.contains(&name), "{name}");
    }
}

#[test]
fn the_help_of_make_is_in_groups() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    let output = command.args(["make", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let place = |title: &str| help.find(title).unwrap_or_else(|| panic!("{title}"));
    let places = [
        "\nHow packages are built:\n",
        "\nWhat is shown:\n",
        "\nOptions of every command:\n",
        "\nTargets that select packages:\n",
    ]
    .map(place);
    for (option, title) in [
        ("--jobs", 0),
        ("--explain", 1),
        ("--runtime <NAME>", 2),
        ("  core-musl ", 3),
    ] {
        let at = place(option);
        let group = places.iter().rposition(|start| *start < at);
        assert_eq!(group, Some(title), "{option}");
    }
}
