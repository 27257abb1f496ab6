//! Small trees in temporary directories: what they yield, what targets select, and what is said
//! when something is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[path = "tree/declared.rs"]
mod declared;
#[path = "tree/seeds.rs"]
mod seeds;

use camino::{Utf8Path, Utf8PathBuf};
use package_tree::{BuildArguments, DEFAULT_PLATFORM, Plan, Problems, Tree};
use rstest::rstest;

/// What every build is given first.
const FIRST: BuildArguments = &[("FIRST", "1"), ("SECOND", "a=b")];

struct Sample {
    _temporary: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Sample {
    /// Makes a tree of packages: (directory below `packages`, package.toml, Containerfile).
    fn new(packages: &[(&str, &str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        for (directory, manifest, containerfile) in packages {
            let directory = root.join("packages").join(directory);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("Containerfile"), containerfile).unwrap();
            std::fs::write(directory.join("package.toml"), manifest).unwrap();
        }
        Self {
            _temporary: temporary,
            root,
        }
    }

    fn open(&self) -> Result<Tree, Problems> {
        Tree::open(&self.root)
    }

    fn plan(&self, targets: &[&str]) -> Result<Plan, Problems> {
        let targets: Vec<_> = targets.iter().map(|target| (*target).to_owned()).collect();
        self.open()?.plan(&targets, DEFAULT_PLATFORM, FIRST)
    }
}

/// core-musl <- core-make, core-rust <- pallet-rust; user-kernel yields user-linux and user-headers.
fn sample() -> Sample {
    Sample::new(&[
        (
            "core/musl",
            "[package]\nname = \"musl\"\nversion = \"1.2.5-r1\"",
            "FROM scratch\n",
        ),
        (
            "core/make",
            "[package]\nname = \"make\"\nversion = \"4\"",
            "FROM stagex/core-musl:1.2.5-r1 AS build\nFROM scratch\nCOPY --chmod=755 --from=stagex/core-musl / /\n",
        ),
        (
            "core/rust",
            "[package]\nname = \"rust\"",
            "FROM stagex/core-musl\n",
        ),
        (
            "pallet/rust",
            "[package]\nname = \"rust\"\nversion_from = \"pallet-rust-base\"",
            "FROM stagex/core-rust\n",
        ),
        (
            "pallet/rust-base",
            "[package]\nname = \"rust-base\"\nversion_from = \"core-musl\"",
            "FROM scratch\n",
        ),
        (
            "user/kernel",
            "[package]\nname = \"kernel\"\nplatforms = [\"linux/386\"]\nsubpackages = [\"linux\", \"headers\"]",
            "FROM scratch AS package-linux\nFROM scratch AS package-headers\n",
        ),
    ])
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.packages
        .iter()
        .map(|package| package.name.as_str())
        .collect()
}

fn requested(plan: &Plan) -> Vec<&str> {
    let requested = plan.packages.iter().filter(|package| package.requested);
    requested.map(|package| package.name.as_str()).collect()
}

#[test]
fn everything_stands_behind_what_it_needs() {
    let plan = sample().plan(&[]).unwrap();
    let expected = [
        "core-musl",
        "core-make",
        "core-rust",
        "pallet-rust",
        "pallet-rust-base",
        "user-headers",
        "user-linux",
    ];
    assert_eq!(names(&plan), expected);
    assert_eq!(requested(&plan), expected);
}

#[rstest]
#[case("all", &["core-musl", "core-make", "core-rust", "pallet-rust", "pallet-rust-base", "user-headers", "user-linux"])]
#[case("core", &["core-musl", "core-make", "core-rust"])]
#[case("core-make", &["core-make"])]
#[case("make", &["core-make"])]
#[case("rust", &["core-rust", "pallet-rust"])]
#[case("out/core-make/index.json", &["core-make"])]
#[case("out/make.tgz", &["core-make"])]
#[case("out/pallet-rust.tgz", &["pallet-rust"])]
#[case("kernel", &["user-headers", "user-linux"])]
#[case("user-kernel", &["user-headers", "user-linux"])]
#[case("linux", &["user-linux"])]
fn targets_are_spelled_as_in_the_makefile(#[case] target: &str, #[case] expected: &[&str]) {
    assert_eq!(requested(&sample().plan(&[target]).unwrap()), expected);
}

#[test]
fn what_is_needed_comes_along_unrequested() {
    let plan = sample().plan(&["pallet-rust"]).unwrap();
    assert_eq!(names(&plan), ["core-musl", "core-rust", "pallet-rust"]);
    assert_eq!(requested(&plan), ["pallet-rust"]);
}

#[test]
fn archives_are_asked_for_by_name() {
    let plan = sample()
        .plan(&["out/make.tgz", "out/core-rust.tgz"])
        .unwrap();
    let archives: Vec<_> = plan
        .packages
        .iter()
        .flat_map(|package| &package.archives)
        .collect();
    assert_eq!(archives, ["make", "core-rust"]);
}

#[rstest]
#[case("core-maek", "there is no target `core-maek`", "core-make")]
#[case("out/core-maek/index.json", "there is no target", "core-make")]
#[case(
    "out/rust.tgz",
    "could be the archive of core-rust, pallet-rust",
    "out/core-rust.tgz"
)]
fn targets_that_are_not_there_are_refused(
    #[case] target: &str,
    #[case] message: &str,
    #[case] hint: &str,
) {
    let problems = sample().plan(&[target]).unwrap_err();
    assert!(problems.to_string().contains(message), "{problems}");
    assert!(
        problems.0[0].hint.as_ref().unwrap().contains(hint),
        "{problems:?}"
    );
}

#[test]
fn versions_are_followed_and_subpackages_have_their_targets() {
    let plan = sample().plan(&[]).unwrap();
    let find = |name: &str| {
        plan.packages
            .iter()
            .find(|package| package.name == name)
            .unwrap()
    };
    assert_eq!(find("pallet-rust").version.as_deref(), Some("1.2.5-r1"));
    assert_eq!(find("core-rust").tag(), "latest");
    let linux = find("user-linux");
    assert_eq!(linux.target.as_deref(), Some("package-linux"));
    assert_eq!(
        (linux.origin.as_str(), linux.context.as_str()),
        ("kernel", "packages/user/kernel")
    );
    assert_eq!(linux.fetch(), "fetch/user/kernel");
    assert_eq!(*linux.platforms, ["linux/386"]);
    assert_eq!(*find("core-make").platforms, [DEFAULT_PLATFORM]);
}

#[test]
fn build_arguments_come_in_their_order() {
    let hash = "0".repeat(64);
    let manifest = format!(
        "[package]\nname = \"x\"\nversion = \"1.2.3-a\"\n\
         [sources.Zed]\nhash = \"{hash}\"\nversion = \"9\"\nfile = \"z-{{version}}\"\nmirrors = [\"https://a.org/u\"]\n\
         [sources.main]\nhash = \"{hash}\"\nmirrors = [\"https://a.org/x-{{version_under}}.tar\"]\n\
         [sources.git]\nhash = \"{hash}\"\ngit_sha = \"abc\"\nmirrors = [\"https://a.org/g\"]\n"
    );
    let plan = Sample::new(&[("core/x", &manifest, "FROM scratch\n")])
        .plan(&[])
        .unwrap();
    let arguments: Vec<String> = plan.packages[0]
        .build_arguments()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let expected = [
        "FIRST=1",
        "SECOND=a=b",
        "VERSION=1.2.3-a",
        "VERSION_UNDER=1_2_3-a",
        "VERSION_DASH=1-2-3-a",
        "VERSION_MAJOR=1",
        "VERSION_MAJOR_MINOR=1.2",
        "VERSION_STRIP_SUFFIX=1.2.3",
        "ZED_VERSION=9",
        "ZED_SOURCE=z-9",
        "GIT_GIT_SHA=abc",
    ];
    assert_eq!(arguments, expected);
    let files: Vec<_> = plan.packages[0]
        .sources
        .iter()
        .map(|source| &source.file)
        .collect();
    assert_eq!(files, ["z-9", "x-1_2_3-a.tar", "g"]);
}

#[rstest]
#[case::absent(
    &[("core/a", "[package]\nname = \"a\"", "FROM scratch\nCOPY --from=stagex/core-bb / /\n"),
      ("core/b", "[package]\nname = \"b\"", "FROM scratch\n")],
    "packages/core/a/Containerfile:2:"
)]
#[case::cycle(
    &[("core/a", "[package]\nname = \"a\"", "FROM stagex/core-b\n"),
      ("core/b", "[package]\nname = \"b\"", "FROM stagex/core-a\n")],
    "core-a -> core-b -> core-a"
)]
#[case::version_cycle(
    &[("core/a", "[package]\nname = \"a\"\nversion_from = \"core-b\"", "FROM scratch\n"),
      ("core/b", "[package]\nname = \"b\"\nversion_from = \"core-a\"", "FROM scratch\n")],
    "packages/core/b/package.toml:3:16: circular `version_from`: core-a -> core-b -> core-a"
)]
#[case::version_of_nobody(
    &[("core/a", "[package]\nname = \"a\"\nversion_from = \"core-x\"", "FROM scratch\n")],
    "packages/core/a/package.toml:3:16: `version_from` names `core-x`"
)]
#[case::syntax(
    &[("core/a", "[package]\nname = \"a\"", "FROM scratch\nCPOY a b\n")],
    "packages/core/a/Containerfile:2:1: unknown instruction"
)]
#[case::placeholder_without_version(
    &[("core/a", "[package]\nname = \"a\"\n[sources.s]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\nfile = \"{version}\"\nmirrors = [\"https://a.org/u\"]", "FROM scratch\n")],
    "packages/core/a/package.toml:3:10: source `s`: `{version}` needs a version"
)]
#[case::twice(
    &[("core/a", "[package]\nname = \"a\"", "FROM scratch\n"),
      ("core/b", "[package]\nname = \"b\"\nsubpackages = [\"a\"]", "FROM scratch AS package-a\n")],
    "packages/core/b/package.toml: `core-a` is also an output of packages/core/a"
)]
fn what_is_wrong_is_said_with_its_place(
    #[case] packages: &[(&str, &str, &str)],
    #[case] expected: &str,
) {
    let problems = Sample::new(packages).plan(&[]).unwrap_err().to_string();
    assert!(problems.contains(expected), "{problems}");
}

#[test]
fn all_problems_are_said_at_once() {
    let sample = Sample::new(&[
        (
            "core/a",
            "[package]\nname = \"a\"\nx = 1\ny = 2",
            "FROM scratch\nCPOY a b\n",
        ),
        ("core/b", "[package]\nname = \"c\"", "FROM scratch\n"),
    ]);
    assert_eq!(sample.open().unwrap_err().0.len(), 4);
}

#[test]
fn a_directory_without_package_toml_is_left_out_with_a_warning() {
    let sample = sample();
    let directory = sample.root.join("packages/user/mesa");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("Containerfile"), "FROM scratch\n").unwrap();
    let tree = sample.open().unwrap();
    assert_eq!(tree.outputs().len(), 7);
    let warnings = |targets: &[&str]| {
        let targets: Vec<_> = targets.iter().map(|&target| target.to_owned()).collect();
        let warnings = tree.warnings(&targets).map(ToString::to_string);
        warnings.collect::<Vec<_>>()
    };
    for targets in [
        &[][..],
        &["all"],
        &["user"],
        &["mesa"],
        &["core", "user-mesa"],
    ] {
        let found = warnings(targets);
        assert_eq!(found.len(), 1, "{targets:?}");
        assert!(
            found[0].starts_with("packages/user/mesa/Containerfile:"),
            "{found:?}"
        );
    }
    for targets in [&["core"][..], &["core-mesa"], &["user-mes"]] {
        assert_eq!(warnings(targets), [""; 0], "{targets:?}");
    }
}

#[rstest]
#[case(
    "FROM stagex/core-mulls",
    "1:6: there is no package `core-mulls`",
    "core-musl"
)]
#[case(
    "FROM alpine:3.20",
    "1:6: `alpine:3.20` is neither a stage nor a package",
    "nothing is pulled"
)]
#[case("FROM core-musl", "1:6: `core-musl` is neither", "named `stagex/")]
#[case(
    "FROM stagex/core-musl\nCOPY --from=core-musl / /",
    "2:6: `core-musl` is neither",
    "named `stagex/"
)]
#[case(
    "FROM scratch\nCOPY --from=other / /",
    "`other` is neither",
    "nothing is pulled"
)]
fn what_no_package_can_be_made_of_is_said_first(
    #[case] containerfile: &str,
    #[case] expected: &str,
    #[case] hint: &str,
) {
    let musl = (
        "core/musl",
        "[package]\nname = \"musl\"\nversion = \"1\"",
        "FROM scratch\n",
    );
    let other = (
        "core/a",
        "[package]\nname = \"a\"\nversion = \"1\"",
        containerfile,
    );
    let problems = Sample::new(&[musl, other]).open().unwrap_err();
    assert!(problems.to_string().contains(expected), "{problems}");
    assert!(format!("{problems:?}").contains(hint), "{problems:?}");
}

#[test]
fn stages_and_the_sources_are_no_packages() {
    let containerfile =
        "FROM scratch AS a\nFROM a\nCOPY --from=a / /\nCOPY --from=0 / /\nCOPY --from=fetch x /";
    let manifest = "[package]\nname = \"a\"\nversion = \"1\"";
    Sample::new(&[("core/a", manifest, containerfile)])
        .open()
        .unwrap();
}

#[test]
fn a_directory_that_is_no_tree_is_said_to_be_none() {
    let problems = Tree::open(Utf8Path::new("/nonexistent")).unwrap_err();
    assert!(
        problems.to_string().contains("/nonexistent/packages"),
        "{problems}"
    );
}

#[rstest]
#[case("linux/amd64,arm64", "`arm64` is not a valid platform")]
#[case("linux/amd64,", "`` is not a valid platform")]
#[case("linux/386,linux/amd64,linux/386", "`linux/386` is named twice")]
fn platforms_that_cannot_be_planned_for(#[case] platforms: &str, #[case] expected: &str) {
    let tree = sample().open().unwrap();
    let problems = tree.plan(&[], platforms, FIRST).unwrap_err().to_string();
    assert!(problems.contains(expected), "{problems}");
}

#[test]
fn the_plan_is_a_document() {
    let plan = sample().plan(&["core-make"]).unwrap();
    let json = serde_json::to_value(documents::Plan::from(&plan)).unwrap();
    assert_eq!(json["version"], 1);
    let make = &json["packages"][1];
    assert_eq!(make["name"], "core-make");
    assert_eq!(make["build_args"][2], serde_json::json!(["VERSION", "4"]));
    assert_eq!(make["dependencies"], serde_json::json!(["core-musl"]));
    assert_eq!(make["target"], serde_json::Value::Null);
}

/// A tree with one package, whose `package.toml` and Containerfile are right.
fn musl() -> Sample {
    Sample::new(&[(
        "core/musl",
        "[package]\nname = \"musl\"\n",
        "FROM scratch\n",
    )])
}

#[rstest]
fn an_input_is_a_regular_file_of_bounded_size(
    #[values("Containerfile", "package.toml")] file: &str,
    #[values(
        "link to a device",
        "link to a secret",
        "pipe",
        "directory",
        "large",
        "latin-1"
    )]
    trick: &str,
) {
    let sample = musl();
    let path = sample.root.join("packages/core/musl").join(file);
    let secret = sample.root.join("secret");
    std::fs::write(&secret, "root:$6$hash\n").unwrap();
    std::fs::remove_file(&path).unwrap();
    let expected = match trick {
        "link to a device" => {
            std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            "is a symbolic link"
        }
        "link to a secret" => {
            std::os::unix::fs::symlink("../../../secret", &path).unwrap();
            "is a symbolic link"
        }
        "pipe" => {
            let mode = rustix::fs::Mode::RWXU;
            rustix::fs::mkfifoat(rustix::fs::CWD, path.as_std_path(), mode).unwrap();
            "it is a named pipe, not a regular file"
        }
        "directory" => {
            std::fs::create_dir(&path).unwrap();
            "it is a directory, not a regular file"
        }
        "large" => {
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(1 << 40).unwrap();
            "it is larger than 4194304 bytes"
        }
        _ => {
            std::fs::write(&path, b"# \xfc\n").unwrap();
            "it is not UTF-8: the byte at offset 2"
        }
    };
    let found = sample.open().unwrap_err().to_string();
    let begin = format!("packages/core/musl/{file}: cannot be read: ");
    assert!(found.starts_with(&begin), "{found}");
    assert!(
        found.contains(expected) && !found.contains("hash"),
        "{found}"
    );
}

#[rstest]
#[case::stage("packages/user", "../elsewhere", "packages/user: ")]
#[case::package(
    "packages/core/outside",
    "../../elsewhere/make",
    "packages/core/outside: "
)]
#[case::inside("packages/core/inside", "musl", "packages/core/inside: ")]
#[case::top("packages", "elsewhere", "/packages: ")]
fn no_link_is_followed_to_a_package(
    #[case] link: &str,
    #[case] target: &str,
    #[case] expected: &str,
) {
    let sample = musl();
    let elsewhere = sample.root.join("elsewhere/make");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("Containerfile"), "FROM scratch\n").unwrap();
    std::fs::write(
        elsewhere.join("package.toml"),
        "[package]\nname = \"make\"\n",
    )
    .unwrap();
    if link == "packages" {
        std::fs::rename(sample.root.join("packages"), sample.root.join("moved")).unwrap();
    }
    std::os::unix::fs::symlink(target, sample.root.join(link)).unwrap();
    let problems = sample.open().unwrap_err();
    let found = problems.to_string();
    assert!(
        found.contains(expected) && found.contains("is a symbolic link"),
        "{found}"
    );
    assert!(problems.0[0].hint.is_some());
}

#[test]
fn a_link_to_a_file_is_no_package() {
    let sample = musl();
    std::os::unix::fs::symlink(
        "musl/package.toml",
        sample.root.join("packages/core/README"),
    )
    .unwrap();
    assert_eq!(sample.open().unwrap().outputs().len(), 1);
}

#[test]
fn a_directory_whose_name_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;

    let sample = musl();
    let name = std::ffi::OsStr::from_bytes(b"m\xfcsl");
    std::fs::create_dir(sample.root.join("packages/core").as_std_path().join(name)).unwrap();
    let found = sample.open().unwrap_err().to_string();
    assert!(found.contains("the name is not UTF-8"), "{found}");
}

#[test]
fn a_containerfile_names_a_bounded_number_of_images() {
    let copies: Vec<_> = (0..5000)
        .map(|number| format!("COPY --from=stagex/core-p{number} / /\n"))
        .collect();
    let containerfile = "FROM scratch\n".to_owned() + &copies.concat();
    let sample = Sample::new(&[("core/musl", "[package]\nname = \"musl\"\n", &containerfile)]);
    let found = sample.open().unwrap_err().to_string();
    assert!(
        found.starts_with("packages/core/musl/Containerfile:4098:6: uses more than 4096 images"),
        "{found}"
    );
}

#[test]
fn a_package_is_named_with_its_own_version_or_with_none() {
    let of = |reference: &str| {
        let sample = Sample::new(&[
            (
                "core/musl",
                "[package]\nname = \"musl\"\nversion = \"1.2\"",
                "FROM scratch\n",
            ),
            (
                "core/make",
                "[package]\nname = \"make\"",
                &format!("FROM scratch\nCOPY --from={reference} / /\n"),
            ),
        ]);
        sample.plan(&["core-make"]).map(|plan| names(&plan).len())
    };
    for own in [
        "stagex/core-musl",
        "stagex/core-musl:1.2",
        "docker.io/stagex/core-musl:latest",
    ] {
        assert_eq!(of(own).unwrap(), 2, "{own}");
    }
    let digest = format!("stagex/core-musl@sha256:{}", "0".repeat(64));
    for other in ["stagex/core-musl:1", &digest] {
        let problems = of(other).unwrap_err().to_string();
        assert!(
            problems.contains("Containerfile:2:6: ") && problems.contains(other),
            "{problems}"
        );
    }
}
