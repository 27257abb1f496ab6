//! Each rule: what breaks it, where that is told, and what is so like it and breaks nothing.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::MetadataCommand;
use lint::RuleSet::{Tree2024, Tree2026};
use lint::{Finding, Options, Outcome, RULES, RuleSet, Selection, check_files, check_tree, sarif};

/// A rule, what breaks it, and what does not.
struct Case {
    rule: &'static str,
    /// The directory of the package, below `packages/`; nothing for a file that is in no tree.
    package: &'static str,
    broken: Files,
    /// The file, the line and the column of the finding.
    at: (&'static str, usize, usize),
    fine: Files,
}

/// A Containerfile, and what stands in `package.toml` behind the name; nothing if there is no such file.
type Files = (&'static str, Option<&'static str>);

const SOURCE: &str = "[sources.a]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                      mirrors = [\"https://a.org/a.tar\"]\n";
const TWO: &str = "version = \"1\"\n[sources.a]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                   mirrors = [\"http://a.org/a.tar\", \"https://a.org/a.tar\"]\n";
const PLAIN: &str = "[sources.a]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                     mirrors = [\"http://a.org/a.tar\"]\n";
const NO_HASH: &str = "[sources.a]\nhash = \"00\"\nmirrors = [\"https://a.org/a.tar\"]\n";
const SEED: &str = "[sources.a]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                    mirrors = [\"https://a.org/a.tar\"]\n[seeds.one]\nsource = \"a\"\n";
const THREE: &str = "[sources.a]\nhash = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                     mirrors = [\"https://a.org/a.tar\"]\n[seeds.one]\nsource = \"a\"\n[seeds.two]\nsource = \"b\"\n\
                     [sources.b]\nhash = \"1111111111111111111111111111111111111111111111111111111111111111\"\n\
                     mirrors = [\"https://a.org/b.tar\"]\n[sources.c]\n\
                     hash = \"2222222222222222222222222222222222222222222222222222222222222222\"\n\
                     mirrors = [\"https://a.org/c.tar\"]\n";
const FROM: &str = "version_from = \"core-a-b\"\n";
const OF_OTHER: &str = "version_from = \"core-base\"\n";
const FIVE: &str = "FROM stagex/core-base AS base\nUSER 1000:1000\nFROM base AS fetch\nRUN curl x && sha256sum -c x\n\
                    FROM base AS build\nCOPY --from=fetch /x /\nRUN --network=none make\nFROM build AS install\nUSER 0:0\n\
                    RUN --network=none touch -hcd @0 /rootfs\nFROM scratch AS package\nCOPY --from=install /rootfs /\n";

const LISTED: &str =
    "[build]\nnetwork = [{ stage = \"a\", reason = \"it lists what is there today\" }]\n";

const EMPTY: Option<&str> = Some("");

macro_rules! cases {
    ($($rule:literal $package:literal $broken:expr, $($tail:expr)?, $at:expr, $fine:expr, $($fine_tail:expr)?;)*) => {
        vec![$(Case {
            rule: $rule,
            package: $package,
            broken: ($broken, cases!(@tail $($tail)?)),
            at: $at,
            fine: ($fine, cases!(@tail $($fine_tail)?)),
        }),*]
    };
    (@tail) => { EMPTY };
    (@tail $tail:expr) => { $tail };
}

const C: &str = "Containerfile";
const P: &str = "package.toml";

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    cases! {
        "invalid-package" "user/x" "FROM scratch", Some(NO_HASH), (P, 4, 8), "FROM scratch\nADD fetch/a.tar /", Some(SOURCE);
        "invalid-containerfile" "user/x" "FROM scratch\nRUNN x", , (C, 2, 1), "FROM scratch\nENV a=b", ;
        "missing-manifest" "user/x" "FROM scratch", None, (C, 0, 0), "FROM scratch", ;
        "unknown-image" "user/x" "FROM debian:12", , (C, 1, 6), "FROM stagex/core-base", ;
        "unpinned-image" "" "FROM scratch\nCOPY --from=a:1 /b /", , (C, 2, 6), "FROM stagex/core-base\nCOPY --from=a@sha256:1 /b /", ;
        "network-in-run" "user/x" "FROM scratch\nRUN a", , (C, 2, 1), "FROM scratch\nRUN --network=none a", ;
        "network-in-run" "user/x" "FROM scratch AS a\nRUN a", , (C, 2, 1), "FROM scratch AS a\nRUN a", Some(LISTED);
        "add-url" "user/x" "FROM scratch\nADD https://a.org/b /", , (C, 2, 1), "FROM scratch\nADD b /", ;
        "time" "user/x" "FROM scratch\nRUN --network=none a && date +%s", , (C, 2, 25),
            "FROM scratch\nRUN --network=none date -u --date=@1; date -d @1; a date # x; date", ;
        "processors" "user/x" "FROM scratch\nRUN --network=none nproc > /a", , (C, 2, 20),
            "FROM scratch\nRUN --network=none make -j$(nproc); make -j \"$(nproc)\"; JOBS=`nproc` b; ninja -j=$(nproc)", ;
        "locale" "user/x" "FROM scratch\nENV LANG=de_DE.UTF-8", , (C, 2, 1), "FROM scratch\nENV LANG=C.UTF-8 LC_ALL=C", ;
        "user-id" "user/x" "FROM scratch\nRUN --network=none a $(id -u)", , (C, 2, 24), "FROM scratch\nRUN --network=none id; a -u", ;
        "host-name" "user/x" "FROM scratch\nRUN --network=none a && \\\n  uname -an", , (C, 3, 3),
            "FROM scratch\nRUN --network=none uname -m; ./configure --hostname x\nENV HOSTNAME=a", ;
        "network-files" "user/x" "FROM scratch\nRUN --network=none cat /etc/hosts", , (C, 2, 24),
            "FROM scratch\nRUN --network=none cp /rootfs/etc/hosts x > /dev/null", ;
        "devices" "user/x" "FROM scratch\nRUN --network=none ls /dev", , (C, 2, 23),
            "FROM scratch\nRUN --network=none a > /dev/null; tar --exclude='/dev/*' -cf /b /c", ;
        "root" "user/x" "FROM scratch\nRUN --network=none <<E\nx\nls -la /\nE", , (C, 4, 8),
            "FROM scratch\nRUN --network=none tar -C / -xf a; cp -R a /; find /a -exec install {} \"/{}\" \\;", ;
        "limits" "user/x" "FROM scratch\nRUN --network=none cat </proc/self/limits", , (C, 2, 25), "FROM scratch\nRUN --network=none ulimit -S -n 9", ;
        "heredoc-name" "user/x" "FROM scratch\nCOPY <<é /é\nE\né\n", , (C, 2, 1), "FROM scratch\nCOPY <<E /e\né\nE\n", ;
        "undeclared-source" "user/x" "FROM scratch\nADD fetch/a.tar fetch/b.tar /", Some(SOURCE), (C, 2, 17),
            "FROM scratch\nARG VERSION\nADD fetch/a.tar /", Some(SOURCE);
        "unmatched-pattern" "user/x" "FROM scratch\nADD fetch/a.tar fetch/*.patch /", Some(SOURCE), (C, 2, 17),
            "FROM scratch\nADD fetch/*.tar *.patch /", Some(SOURCE);
        "unused-source" "user/x" "FROM scratch\nADD a.tar /", Some(SOURCE), (P, 3, 10), "FROM scratch\nCOPY --from=fetch a.* /", Some(SOURCE);
        "unused-source" "bootstrap/x" "FROM seed AS package\nADD fetch/b.tar /", Some(THREE), (P, 13, 10), "FROM seed AS package\nADD fetch/* /", Some(THREE);
        "undeclared-source" "bootstrap/x" "FROM seed AS package\nADD fetch/a.tar /", Some(SEED), (C, 2, 5), "FROM seed AS package", Some(SEED);
        "unknown-image" "bootstrap/x" "FROM seed AS package", , (C, 1, 6), "FROM seed AS package", Some(SEED);
        "seed-outside-bootstrap" "core/x" "FROM seed AS package", Some(SEED), (P, 6, 8), "FROM scratch AS package", ;
        "single-seed" "bootstrap/x" "FROM seed AS package", Some(SEED), (P, 6, 8), "FROM seed AS package\nADD fetch/* /", Some(THREE);
        "http-mirror" "user/x" "FROM scratch\nADD fetch/* /", Some(PLAIN), (P, 5, 12), "FROM scratch\nCOPY . /", Some(TWO);
        "subpackage-without-stage" "user/x" "FROM scratch AS package-a", Some("subpackages = [\"a\", \"b\"]"), (P, 3, 21),
            "FROM scratch AS package-a\nFROM scratch AS package-b", Some("subpackages = [\"a\", \"b\"]");
        "package-not-last" "user/x" "FROM scratch AS package\nFROM package AS test", , (C, 1, 1),
            "FROM scratch AS build\nFROM build AS package", ;
        "stage-name" "user/x" "FROM scratch AS x", , (C, 1, 1), "FROM scratch AS package", ;
        "unreachable-stage" "user/x" "FROM scratch AS a\nFROM scratch AS package", , (C, 1, 1),
            "FROM scratch AS a\nFROM scratch AS package\nCOPY --from=a /b /", ;
        "layering" "core/x" "FROM stagex/user-other AS package", , (C, 1, 6), "FROM stagex/core-base AS package", ;
        "line-scan" "user/x" "FROM scratch AS package\nCOPY --chmod=0755 --from=stagex/core-base /a /", , (C, 2, 19),
            "FROM scratch AS package\nCOPY --from=stagex/core-base /a /", ;
        "stagex-scripts" "user/x" "FROM scratch AS package", Some(FROM), (P, 3, 16), "FROM scratch AS package", Some(OF_OTHER);
        "license" "user/x" "FROM scratch AS package", Some("license = \"MIT OR Foo\""), (P, 3, 19),
            "FROM scratch AS package", Some("license = \"MIT AND LicenseRef-Foo\"");
        "StageNameCasing" "user/x" "FROM scratch AS Package", , (C, 1, 17), "FROM scratch AS package", ;
        "FromAsCasing" "user/x" "FROM scratch as package", , (C, 1, 14), "from scratch as package", ;
        "NoEmptyContinuation" "user/x" "FROM scratch\nRUN --network=none a \\\n\n  b", , (C, 3, 1),
            "FROM scratch\nRUN --network=none a \\\n  # c\n  b\n\nENV a=b", ;
        "ConsistentInstructionCasing" "user/x" "FROM scratch\nenv a=b\nENV c=d", , (C, 2, 1), "from scratch\nenv a=b", ;
        "DuplicateStageName" "user/x" "FROM scratch AS a\nFROM scratch AS A", , (C, 2, 17), "FROM scratch AS a\nFROM a AS package", ;
        "ReservedStageName" "user/x" "FROM scratch AS context", , (C, 1, 17), "FROM scratch AS content", ;
        "JSONArgsRecommended" "user/x" "FROM scratch\nENTRYPOINT a", , (C, 2, 1), "FROM stagex/core-base AS package\nENTRYPOINT a\nCMD [\"b\"]", ;
        "MaintainerDeprecated" "user/x" "FROM scratch\nMAINTAINER a", , (C, 2, 1), "FROM scratch\nLABEL a=b", ;
        "UndefinedArgInFrom" "user/x" "FROM scratch AS aa\nFROM a${b}a AS package", , (C, 2, 7), "ARG b=a\nFROM scratch AS aa\nFROM a$b AS package", ;
        "WorkdirRelativePath" "user/x" "FROM scratch\nWORKDIR a", , (C, 2, 9), "FROM scratch AS a\nWORKDIR /b\nFROM a AS package\nWORKDIR c", ;
        "UndefinedVar" "user/x" "FROM stagex/core-base AS package\nENV a=$PAHT", , (C, 2, 7),
            "FROM stagex/core-base AS package\nARG b\nENV a=$PATH$OF_BASE$b\nRUN --network=none echo $c", ;
        "MultipleInstructionsDisallowed" "user/x" "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]", , (C, 2, 1), "FROM scratch\nCMD [\"a\"]\nENTRYPOINT [\"b\"]", ;
        "LegacyKeyValueFormat" "user/x" "FROM scratch\nENV a b", , (C, 2, 5), "FROM scratch\nENV \"a b\"=c d=\"e f\"", ;
        "RedundantTargetPlatform" "user/x" "FROM --platform=$TARGETPLATFORM scratch", , (C, 1, 17), "FROM --platform=$BUILDPLATFORM scratch", ;
        "SecretsUsedInArgOrEnv" "user/x" "FROM scratch\nARG API_KEY", , (C, 2, 5), "FROM scratch\nARG PUBLIC_KEY\nENV keyboard=a", ;
        "InvalidDefaultArgInFrom" "user/x" "ARG a\nFROM scratch AS b\nFROM ${a}B", , (C, 3, 6), "ARG a=b\nFROM scratch AS b\nFROM $a AS package", ;
        "ExposeProtoCasing" "user/x" "FROM scratch\nEXPOSE 80/TCP", , (C, 2, 8), "FROM scratch\nEXPOSE 80/tcp", ;
        "ExposeInvalidFormat" "user/x" "FROM scratch\nEXPOSE 1:80", , (C, 2, 8), "FROM scratch\nEXPOSE 80-81", ;
        "five-stages" "user/x" "FROM scratch AS base\nFROM base AS build\nFROM base AS fetch\nFROM build AS install\nFROM scratch AS package", , (C, 2, 1), FIVE, ;
        "user-1000" "user/x" "FROM stagex/core-base AS base\nRUN a", , (C, 2, 1), FIVE, ;
        "epoch-times" "user/x" "FROM scratch AS install\nUSER 0\nRUN a", , (C, 1, 1), FIVE, ;
        "package-from-scratch" "user/x" "FROM stagex/core-base AS package", , (C, 1, 6), FIVE, ;
        "fetch-without-hash" "user/x" "FROM scratch AS fetch\nUSER 1000\nRUN curl x", , (C, 3, 1), FIVE, ;
        "bad-allow" "user/x" "# stagex: allow(time)\nFROM scratch AS package", , (C, 1, 1),
            "# stagex: allow(time) because\nFROM scratch AS package", ;
        "unused-allow" "user/x" "# stagex: allow(time) because\nFROM scratch AS package", , (C, 1, 17),
            "FROM scratch\n# stagex: allow(time) because\nRUN --network=none <<E\na\ndate\nE", ;
    }
}

/// Makes a tree with a base, a user package and the package of a case; returns what is found.
fn found(case: &Case, files: Files, set: RuleSet) -> Vec<Finding> {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let options = Options {
        set,
        allow: Vec::new(),
    };
    let (containerfile, manifest) = files;
    if case.package.is_empty() {
        fs::write(root.join(C), containerfile).unwrap();
        let paths = [Utf8PathBuf::from(C)];
        return check_files(&[root.to_owned()], root, &paths, &options)
            .unwrap()
            .findings;
    }
    let package = |path: &str, containerfile: &str, manifest: Option<&str>| {
        let directory = root.join("packages").join(path);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(C), containerfile).unwrap();
        if let Some(manifest) = manifest {
            let name = directory.file_name().unwrap();
            let text = format!("[package]\nname = \"{name}\"\n{manifest}");
            fs::write(directory.join(P), text).unwrap();
        }
    };
    let base = "FROM scratch AS package\nENV OF_BASE=1\nSHELL [\"/bin/a\"]\n";
    package("core/base", base, Some("version = \"1\"\n"));
    package("core/a-b", base, Some("version = \"1\"\n"));
    package("user/other", base, EMPTY);
    package(case.package, containerfile, manifest);
    let selection = Selection {
        directories: [Utf8Path::new("packages").join(case.package)].into(),
        ..Selection::default()
    };
    check_tree(root, &selection, &options).unwrap().findings
}

fn set_of(case: &Case) -> RuleSet {
    let rule = lint::rule(case.rule).unwrap();
    if rule.sets.contains(&Tree2026) {
        Tree2026
    } else {
        Tree2024
    }
}

#[test]
fn each_rule_is_broken_by_what_breaks_it_and_by_nothing_else() {
    let mut wrong = Vec::new();
    for case in cases() {
        let set = set_of(&case);
        let all = found(&case, case.broken, set);
        let of_rule = all.iter().filter(|finding| finding.rule.id == case.rule);
        let places: Vec<_> = of_rule
            .map(|finding| {
                let (line, column) = finding.position().unwrap_or_default();
                (finding.file.file_name().unwrap(), line, column)
            })
            .collect();
        if !places.contains(&case.at) {
            wrong.push(format!("{}: {places:?} of {all:#?}", case.rule));
        }
        let all = found(&case, case.fine, set);
        let mut of_rule = all.iter().filter(|finding| finding.rule.id == case.rule);
        if let Some(finding) = of_rule.next() {
            wrong.push(format!("{}: not broken by {finding:?}", case.rule));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The published schema, as a crate carries it that makes its types from it, and those types.
#[test]
fn what_is_found_is_sarif() {
    for set in [Tree2024, Tree2026] {
        let findings = cases()
            .into_iter()
            .flat_map(|case| found(&case, case.broken, set));
        let outcome = Outcome {
            set,
            files: 1,
            findings: findings.collect(),
            suppressed: 0,
        };
        assert!(outcome.findings.len() > 50);
        let mut document = serde_json::to_value(sarif(&outcome, "1.0.0")).unwrap();
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let read: serde_sarif::sarif::Sarif = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(read).unwrap(),
            document,
            "it says what no type knows"
        );
        document["runs"][0]["results"][0]["ruleIndex"] = "one".into();
        assert!(!validator.is_valid(&document), "the schema says nothing");
    }
}

/// Returns the schema of SARIF 2.1.0. The pattern of languages is published with a bracket too many.
fn schema() -> serde_json::Value {
    let metadata = MetadataCommand::new().exec().unwrap();
    let mut packages = metadata.packages.iter();
    let carrier = packages.find(|each| each.name.as_str() == "serde-sarif");
    let manifest = &carrier.unwrap().manifest_path;
    let path = manifest.with_file_name("src").join("schema.json");
    let mut schema: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for of in ["run", "toolComponent"] {
        let pattern = format!("/definitions/{of}/properties/language/pattern");
        *schema.pointer_mut(&pattern).unwrap() = "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$".into();
    }
    schema
}

#[test]
fn every_rule_has_its_case() {
    let cases = cases();
    let tested: BTreeSet<_> = cases.iter().map(|case| case.rule).collect();
    let known: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(tested, known);
    assert_eq!(known.len(), RULES.len(), "two rules have one name");
}

#[test]
fn what_obeys_the_rules_of_2024_breaks_none_of_them() {
    let cases = cases();
    let case = cases
        .iter()
        .find(|case| case.rule == "five-stages")
        .unwrap();
    let found = found(case, (FIVE, EMPTY), Tree2024);
    assert_eq!(found, [], "{found:#?}");
}
