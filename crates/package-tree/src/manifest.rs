//! One `package.toml`: what it says, and everything in it that is not as it should be.
//!
//! Knows one file. What needs other packages (`version_from`) is left to the tree.

use containerfile::Position;

use crate::name::{self, TAG, is_tag};
use crate::network::NetworkException;
use crate::problem::Problem;
use crate::reader::{MOST, Placed, Reader};
use crate::source::Description;

const PACKAGE_KEYS: [&str; 8] = [
    "name",
    "version",
    "version_from",
    "description",
    "license",
    "website",
    "platforms",
    "subpackages",
];
const BUILD_KEYS: [&str; 2] = ["memory", "network"];
const NETWORK_KEYS: [&str; 2] = ["stage", "reason"];
/// The most bytes of a reason.
const LONGEST_REASON: usize = 500;
const SOURCE_KEYS: [&str; 6] = ["hash", "mirrors", "file", "format", "version", "git_sha"];

/// What a `package.toml` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub version: Option<String>,
    /// The package whose version this one has, and where that is said.
    pub version_from: Option<(String, Position)>,
    pub platforms: Vec<String>,
    pub subpackages: Vec<String>,
    /// How much memory its build needs, in bytes, where it says so.
    pub memory: Option<u64>,
    /// The stages whose RUNs keep their network in a hermetic build, each with its place.
    pub network: Vec<(NetworkException, Position)>,
    /// In the order of the file, each with its place.
    pub sources: Vec<(Description, Position)>,
    /// In the order of the file: of each seed its name, and the key of its source.
    pub seeds: Vec<(String, String)>,
    /// Where the first seed is declared.
    pub seeds_at: Option<Position>,
}

impl Manifest {
    /// Reads `text`, which belongs to the package `name` of the stage `stage`.
    ///
    /// # Errors
    ///
    /// All problems, which do not know their file, in its order.
    pub(crate) fn read(text: &str, stage: &str, name: &str) -> Result<Self, Vec<Problem>> {
        let reader = Reader::new(text);
        let document = reader.document();
        let root = document.get_ref();
        check_names(&reader, stage, name);
        reader.only(root, &["package", "build", "sources", "seeds"]);
        let mut manifest = Self::default();
        match reader.table(root, "package") {
            Some(package) => manifest.read_package(&reader, &package, stage, name),
            None if root.contains_key("package") => {}
            None => reader.problem(&(0..0), "the table `[package]` is missing", None),
        }
        if let Some(build) = reader.table(root, "build") {
            manifest.read_build(&reader, build.value);
        }
        if let Some(sources) = reader.table(root, "sources") {
            manifest.read_sources(&reader, sources.value);
        }
        if let Some(seeds) = reader.table(root, "seeds") {
            manifest.read_seeds(&reader, seeds.value);
        }
        let problems = reader.into_problems();
        if problems.is_empty() {
            Ok(manifest)
        } else {
            Err(problems)
        }
    }

    fn read_package<'a>(
        &mut self,
        reader: &Reader<'a>,
        table: &Placed<&toml::de::DeTable<'a>>,
        stage: &str,
        directory: &str,
    ) {
        reader.only(table.value, &PACKAGE_KEYS);
        if let Some(name) = reader.required(table, "name")
            && name.value != directory
        {
            let message = format!(
                "the name is `{}`, expected that of the directory, `{directory}`",
                name.value
            );
            reader.problem(&name.place, message, None);
        }
        for key in ["description", "license", "website"] {
            reader.text(table.value, key);
        }
        let version = reader.text(table.value, "version");
        let version_from = reader.text(table.value, "version_from");
        if let (Some(_), Some(from)) = (&version, &version_from) {
            let message = "both `version` and `version_from`, expected one of them";
            reader.problem(&from.place, message, None);
        }
        let version = version.filter(|version| !version.value.is_empty());
        if let Some(version) = &version
            && !is_tag(&version.value)
        {
            let message = format!(
                "`{}` is not a valid version, expected a tag: {TAG}",
                version.value
            );
            reader.problem(&version.place, message, None);
        }
        self.version = version.map(|version| version.value);
        self.version_from = version_from.map(|from| (from.value, reader.position(&from.place)));

        for platform in reader.texts(table.value, "platforms") {
            if platform.value.parse::<containerfile::Platform>().is_err() {
                let message = format!(
                    "`{}` is not a valid platform, expected `os/architecture`, such as `linux/amd64`",
                    platform.value
                );
                reader.problem(&platform.place, message, None);
            } else if self.platforms.contains(&platform.value) {
                let message = format!("`{}` is named twice", platform.value);
                reader.problem(&platform.place, message, None);
            }
            self.platforms.push(platform.value);
        }
        for subpackage in reader.texts(table.value, "subpackages") {
            let name = &subpackage.value;
            if !name::is_package(stage, name) {
                let message = format!(
                    "`{name}` is not a valid name for a package: expected {}",
                    name::PACKAGE
                );
                reader.problem(&subpackage.place, message, None);
            } else if self.subpackages.contains(name) {
                reader.problem(&subpackage.place, format!("`{name}` occurs twice"), None);
            } else {
                self.subpackages.push(subpackage.value);
            }
        }
    }

    fn read_build<'a>(&mut self, reader: &Reader<'a>, table: &toml::de::DeTable<'a>) {
        reader.only(table, &BUILD_KEYS);
        if let Some(memory) = reader.text(table, "memory") {
            self.memory = bytes(&memory.value);
            if self.memory.is_none() {
                let message = format!(
                    "`{}` is not a valid amount, expected one such as `8GiB`",
                    memory.value
                );
                reader.problem(&memory.place, message, None);
            }
        }
        for table in reader.tables(table, "network") {
            reader.only(table.value, &NETWORK_KEYS);
            let (stage, reason) = (
                reader.required(&table, "stage"),
                reader.required(&table, "reason"),
            );
            let (Some(stage), Some(reason)) = (stage, reason) else {
                continue;
            };
            let text = reason.value.trim();
            if text.is_empty() || text.len() > LONGEST_REASON {
                let message = format!("expected a reason of 1 to {LONGEST_REASON} bytes");
                reader.problem(&reason.place, message, None);
            }
            let name = stage.value.to_lowercase();
            if self.network.iter().any(|(known, _)| known.stage == name) {
                reader.problem(&stage.place, format!("`{name}` occurs twice"), None);
            }
            let reason = text.to_owned();
            let exception = NetworkException {
                stage: name,
                reason,
            };
            let place = reader.position(&stage.place);
            self.network.push((exception, place));
        }
    }

    fn read_sources<'a>(&mut self, reader: &Reader<'a>, sources: &toml::de::DeTable<'a>) {
        let mut keys: Vec<_> = sources.keys().collect();
        // The table is sorted by name; the order of the file is that of the build arguments.
        keys.sort_by_key(|key| key.span().start);
        if keys.len() > MOST {
            let message = format!("more than {MOST} sources");
            return reader.problem(&keys[MOST].span(), message, None);
        }
        for key in keys {
            let name = key.get_ref().as_ref();
            let Some(table) = reader.table(sources, name) else {
                continue;
            };
            if !name::is_key(name) {
                let message = format!(
                    "`{name}` is not a valid key of a source: expected {}",
                    name::KEY
                );
                reader.problem(&key.span(), message, None);
            }
            reader.only(table.value, &SOURCE_KEYS);
            let hash = reader.required(&table, "hash");
            if let Some(hash) = &hash
                && !is_sha256(&hash.value)
            {
                let message = format!(
                    "`{}` is not a valid sha256, expected 64 lower-case hex digits",
                    hash.value
                );
                reader.problem(&hash.place, message, None);
            }
            let mirrors = reader.texts(table.value, "mirrors");
            if mirrors.is_empty() {
                let hint = "name at least one URL that the file can be had from".to_owned();
                reader.problem(
                    &key.span(),
                    format!("source `{name}` has no mirrors"),
                    Some(hint),
                );
            }
            // Those of them that are not as they should be are noted.
            let text = |key, takes: fn(&str) -> bool, expected: &str| {
                let found = reader.text(table.value, key)?;
                if !found.value.is_empty() && !takes(&found.value) {
                    let message = format!(
                        "`{}` is not a valid {key}; expected {expected}",
                        found.value
                    );
                    reader.problem(&found.place, message, None);
                }
                Some(found.value).filter(|text| !text.is_empty())
            };
            let description = Description {
                key: name.to_owned(),
                hash: hash.map(|hash| hash.value).unwrap_or_default(),
                mirrors: mirrors.into_iter().map(|mirror| mirror.value).collect(),
                // What it is when it is expanded counts.
                file: text("file", |_| true, ""),
                format: text("format", name::is_format, name::FORMAT).unwrap_or_default(),
                version: text("version", name::is_source_version, name::SOURCE_VERSION),
                git_sha: text("git_sha", is_tag, TAG),
            };
            let position = reader.position(&key.span());
            self.sources.push((description, position));
        }
    }
}

/// Notes it if the directories of a package have names that cannot be in the name of an output.
fn check_names(reader: &Reader<'_>, stage: &str, name: &str) {
    let hint = || Some("rename the directory".to_owned());
    if !name::is_stage(stage) {
        let message = format!(
            "`{stage}` is not a valid name for a stage: expected {}",
            name::STAGE
        );
        reader.problem(&(0..0), message, hint());
    } else if !name::is_package(stage, name) {
        let message = format!(
            "`{name}` is not a valid name for a package: expected {}",
            name::PACKAGE
        );
        reader.problem(&(0..0), message, hint());
    }
}

/// Reads an amount of bytes such as `8GiB` or `512 MiB`.
pub fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(1 << shift)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::MOST_PROBLEMS;
    use rstest::rstest;

    fn problems(text: &str) -> String {
        let problems = Manifest::read(text, "core", "x").unwrap_err();
        let line = |problem: Problem| {
            let problem = problem.in_file("p.toml");
            let hint = problem.hint.as_deref().unwrap_or_default();
            format!("{problem} {hint}\n")
        };
        problems.into_iter().map(line).collect()
    }

    /// A text with a source, whose eighth line begins with `seeds`.
    fn with_seeds(seeds: &str) -> String {
        let hash = "0".repeat(64);
        format!(
            "[package]\nname = \"x\"\n\n[sources.rootf]\nhash = \"{hash}\"\nmirrors = [\"u/r\"]\n\n{seeds}"
        )
    }

    #[test]
    fn seeds_keep_the_order_of_the_file() {
        let hash = "1".repeat(64);
        let text = format!(
            "{}[seeds.a]\nsource = \"other\"\n\n[sources.other]\nhash = \"{hash}\"\nmirrors = [\"u\"]\n",
            with_seeds("[seeds.z]\nsource = \"rootf\"\n")
        );
        let manifest = Manifest::read(&text, "core", "x").unwrap();
        let pair = |name: &str, source: &str| (name.to_owned(), source.to_owned());
        assert_eq!(manifest.seeds, [pair("z", "rootf"), pair("a", "other")]);
    }

    #[test]
    fn sources_keep_the_order_of_the_file() {
        let hash = "0".repeat(64);
        let source = |key| format!("[sources.{key}]\nhash = \"{hash}\"\nmirrors = [\"u/{key}\"]\n");
        let text = format!(
            "[package]\nname = \"x\"\n{}{}{}",
            source("z"),
            source("a"),
            source("m")
        );
        let manifest = Manifest::read(&text, "core", "x").unwrap();
        let keys: Vec<_> = manifest
            .sources
            .iter()
            .map(|(source, _)| source.key.as_str())
            .collect();
        assert_eq!(keys, ["z", "a", "m"]);
    }

    #[test]
    fn memory_is_an_amount_with_its_unit() {
        for (text, expected) in [
            ("8GiB", Some(8 << 30)),
            ("512 MiB", Some(512 << 20)),
            ("8", None),
            ("8GB", None),
            ("-1GiB", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[rstest]
    #[case::syntax("[package\nname = 1", "p.toml:1:")]
    #[case::unknown_key(
        "[package]\nname = \"x\"\nverion = \"1\"",
        "p.toml:3:1: unknown key `verion`"
    )]
    #[case::offers_the_nearest("[package]\nname = \"x\"\nverion = \"1\"", "did you mean version?")]
    #[case::unknown_table(
        "[pakage]\n[package]\nname = \"x\"",
        "p.toml:1:2: unknown key `pakage`"
    )]
    #[case::no_package("", "`[package]` is missing")]
    #[case::no_name("[package]\nversion = \"1\"", "`name` is missing")]
    #[case::other_name("[package]\nname = \"y\"", "p.toml:2:8: the name is `y`")]
    #[case::kind(
        "[package]\nname = 3",
        "p.toml:2:8: `name` is an integer, expected a string"
    )]
    #[case::both(
        "[package]\nname = \"x\"\nversion = \"1\"\nversion_from = \"a-b\"",
        "4:16: both"
    )]
    #[case::blank(
        "[package]\nname = \"x\"\nversion = \"a b\"",
        "3:11: `a b` is not a valid version"
    )]
    #[case::up(
        "[package]\nname = \"x\"\nversion = \"../x\"",
        "3:11: `../x` is not a valid version"
    )]
    #[case::not_ascii(
        "[package]\nname = \"x\"\nversion = \"ü\"",
        "`ü` is not a valid version"
    )]
    #[case::platform(
        "[package]\nname = \"x\"\nplatforms = [\"amd64\"]",
        "3:14: `amd64` is not"
    )]
    #[case::climbs(
        "[package]\nname = \"x\"\nsubpackages = [\"../y\"]",
        "3:16: `../y` is not a valid name"
    )]
    #[case::twice(
        "[package]\nname = \"x\"\nsubpackages = [\"y\", \"y\"]",
        "3:21: `y` occurs twice"
    )]
    #[case::memory(
        "[package]\nname = \"x\"\n[build]\nmemory = \"lots\"",
        "p.toml:4:10: `lots` is not a valid amount"
    )]
    #[case::network(
        "[package]\nname = \"x\"\n[build]\nnetwork = true",
        "p.toml:4:11: `network` is a boolean, expected an array of tables"
    )]
    #[case::network_of_what(
        "[package]\nname = \"x\"\n[build]\nnetwork = [\"fetch\"]",
        "p.toml:4:12: `network` is a string, expected a table"
    )]
    #[case::no_reason(
        "[package]\nname = \"x\"\n[build]\nnetwork = [{ stage = \"a\" }]",
        "p.toml:4:12: `reason` is missing"
    )]
    #[case::blank_reason(
        "[package]\nname = \"x\"\n[build]\nnetwork = [{ stage = \"a\", reason = \" \" }]",
        "p.toml:4:36: expected a reason of 1 to 500 bytes"
    )]
    #[case::other_key(
        "[package]\nname = \"x\"\n[build]\nnetwork = [{ stages = \"a\", reason = \"r\" }]",
        "p.toml:4:14: unknown key `stages`"
    )]
    #[case::exception_twice(
        "[package]\nname = \"x\"\n[[build.network]]\nstage = \"a\"\nreason = \"r\"\n\
         [[build.network]]\nstage = \"A\"\nreason = \"r\"",
        "p.toml:7:9: `a` occurs twice"
    )]
    #[case::hash(
        "[package]\nname = \"x\"\n[sources.s]\nhash = \"12\"\nmirrors = [\"u\"]",
        "p.toml:4:8: `12` is not a valid sha256"
    )]
    #[case::mirrors(
        "[package]\nname = \"x\"\n[sources.s]\nhash = \"12\"",
        "source `s` has no mirrors"
    )]
    #[case::key(
        "[package]\nname = \"x\"\n[sources.\"a\\nb\"]\nhash = \"12\"",
        "is not a valid key of a source"
    )]
    #[case::format(
        "[package]\nname = \"x\"\n[sources.s]\nformat = \"a/b\"",
        "p.toml:4:10: `a/b` is not a valid format"
    )]
    #[case::version_of_a_source(
        "[package]\nname = \"x\"\n[sources.s]\nversion = \"1/..\"",
        "p.toml:4:11: `1/..` is not a valid version"
    )]
    #[case::commit(
        "[package]\nname = \"x\"\n[sources.s]\ngit_sha = \"a b\"",
        "p.toml:4:11: `a b` is not a valid git_sha"
    )]
    #[case::unknown_source(
        &with_seeds("[seeds.one]\nsource = \"rootfs\"\n"),
        "p.toml:9:10: there is no source `rootfs` did you mean rootf?"
    )]
    #[case::unlike_any_source(
        &with_seeds("[seeds.one]\nsource = \"x\"\n"),
        "there is no source `x` declare it as [sources.x] with its hash and mirrors"
    )]
    #[case::no_source(&with_seeds("[seeds.one]\n"), "p.toml:8:1: `source` is missing")]
    #[case::key_of_a_seed(
        &with_seeds("[seeds.one]\nsource = \"rootf\"\nplatform = \"p\"\n"),
        "p.toml:10:1: unknown key `platform`, expected one of source"
    )]
    #[case::kind_of_a_seed(
        &with_seeds("[seeds]\none = \"rootf\"\n"),
        "p.toml:9:7: `one` is a string, expected a table"
    )]
    #[case::name_of_a_seed(
        &with_seeds("[seeds.\"../one\"]\nsource = \"rootf\"\n"),
        "p.toml:8:8: `../one` is not a valid name of a seed"
    )]
    #[case::seeds_of_one_source(
        &with_seeds("[seeds.one]\nsource = \"rootf\"\n[seeds.two]\nsource = \"rootf\"\n"),
        "p.toml:11:10: the seeds `one` and `two` are the same file"
    )]
    #[case::many_seeds(
        &with_seeds(&(0..17).map(|n| format!("[seeds.s{n}]\n")).collect::<Vec<_>>().concat()),
        "more than 16 seeds"
    )]
    fn what_is_wrong_is_said_with_its_place(#[case] text: &str, #[case] expected: &str) {
        let found = problems(text);
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn of_what_is_no_toml_nothing_else_is_said() {
        let found = problems("[package\nname = \"x\"\n");
        assert_eq!(found, "p.toml:1:9: TOML: unclosed table, expected `]` \n");
    }

    #[rstest]
    #[case::upper("core", "X", "`X` is not a valid name for a package")]
    #[case::order("core", "x\u{1b}[2J", "is not a valid name for a package")]
    #[case::line("core", "x\ncore-y", "is not a valid name for a package")]
    #[case::long("core", &"x".repeat(124), "is not a valid name for a package")]
    #[case::stage("Core", "x", "`Core` is not a valid name for a stage")]
    #[case::stage_with_a_dash("core-x", "y", "`core-x` is not a valid name for a stage")]
    fn the_names_of_directories_have_a_grammar(
        #[case] stage: &str,
        #[case] name: &str,
        #[case] expected: &str,
    ) {
        let name_in_toml = name.replace('\n', "\\n").replace('\u{1b}', "\\u001b");
        let text = format!("[package]\nname = \"{name_in_toml}\"\n");
        let problems = Manifest::read(&text, stage, name).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(expected), "{problems:?}");
    }

    #[rstest]
    #[case::arrays(&format!("a = {}", "[".repeat(100_000)), MOST_PROBLEMS + 1)]
    #[case::tables(&format!("[{}a]", "a.".repeat(100_000)), 1)]
    #[case::inline_tables(&format!("a = {}", "{a=".repeat(100_000)), MOST_PROBLEMS + 1)]
    #[case::no_toml(&"=\n".repeat(100_000), MOST_PROBLEMS + 1)]
    #[case::unknown_keys(&(0..100_000).map(|key| format!("k{key}=1\n")).collect::<Vec<_>>().concat(), MOST_PROBLEMS + 1)]
    fn what_is_meant_to_take_all_memory_is_a_problem(#[case] text: &str, #[case] most: usize) {
        let problems = Manifest::read(text, "core", "x").unwrap_err();
        assert!((1..=most).contains(&problems.len()), "{}", problems.len());
    }

    #[rstest]
    #[case::subpackages("subpackages", "more than 1024 subpackages")]
    #[case::platforms("platforms", "more than 1024 platforms")]
    fn lists_are_bounded(#[case] key: &str, #[case] expected: &str) {
        let values: Vec<_> = (0..=MOST).map(|n| format!("\"b{n}\"")).collect();
        let values = values.join(",");
        let found = problems(&format!("[package]\nname = \"x\"\n{key} = [{values}]"));
        assert!(found.contains(expected), "{found}");
    }
}
