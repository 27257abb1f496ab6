//! Makes an input from the rules, by chance. What a rule cannot know is chosen here: which files there are in the
//! context, which stages there are already, and which character continues a line.

use std::collections::BTreeSet;

use crate::files::{Entry, Kind, Member, MemberKind};
use crate::grammar::{END, Part, Times, names, table};
use crate::input::Input;
use crate::random::Random;

/// The symbols that have no rules, since what stands for them depends on what there is.
pub(crate) const BUILT_IN: [&str; 9] = [
    "a-stage",
    "context-archive",
    "context-directory",
    "context-file",
    "context-link",
    "escape",
    "stage-name",
    "tree-from",
    "tree-source",
];

/// What an input may be tagged with beside the tags of rules.
const NOTED: [&str; 5] = [
    "broken",
    "dockerignore",
    "escape-directive",
    "odd-archive",
    "target",
];
/// The archives in which there is what is rare.
const ODD: [&str; 2] = ["odd.tar", "packed-without-a-name"];

/// How deep symbols may stand in symbols. No rule of today comes near it.
const DEPTH: usize = 30;
/// The most stages of a Containerfile, and instructions where a rule has some.
const STAGES: usize = 3;
const INSTRUCTIONS: usize = 4;
const WORDS: usize = 3;
/// How many inputs of 100 are slightly broken on purpose.
const BROKEN: usize = 4;
/// The names of stages, in every case of letters.
const NAMES: [&str; 6] = ["one", "Two", "BUILD", "build", "a.b-c_d", "other-one"];

/// Makes the input of a seed.
pub fn generate(seed: u64) -> Input {
    let mut generator = Generator {
        random: Random::new(seed),
        input: Input {
            seed,
            tags: BTreeSet::new(),
            instructions: Vec::new(),
            files: Vec::new(),
            other: Vec::new(),
            arguments: Vec::new(),
            target: None,
        },
        escape: '\\',
        stages: Vec::new(),
        stage: Stage::default(),
        copied: false,
    };
    generator.context();
    generator.containerfile();
    generator.input
}

/// Returns what inputs may be tagged with: the names of rules that have one, and what is noted beside them.
pub fn tags() -> BTreeSet<&'static str> {
    names().into_iter().chain(NOTED).collect()
}

/// A stage that others may name.
#[derive(Debug, Clone, Default)]
struct Stage {
    /// Its name, or its number.
    name: String,
    /// Whether it has the tree of a stage with a shell.
    has_tree: bool,
}

struct Generator {
    random: Random,
    input: Input,
    escape: char,
    stages: Vec<Stage>,
    /// The stage that is being made.
    stage: Stage,
    /// Whether the last `<tree-from>` was a stage with a tree.
    copied: bool,
}

impl Generator {
    /// Chooses the files of the context.
    fn context(&mut self) {
        let mut files: Vec<Entry> = menu();
        // What is always there keeps most inputs valid.
        files.retain(|entry| {
            matches!(entry.path.as_str(), "a" | "dir/one") || self.random.chance(55)
        });
        self.input.files = files;
        let other = ["x", "y1", "z/f"].map(|path| plain(path, path, false));
        self.input.other = other.into();
        if self.random.chance(25) {
            let mut lines = Vec::new();
            for _ in 0..=self.random.below(4) {
                let mut line = String::new();
                self.expand("ignore", &mut line, 0);
                lines.push(line);
            }
            self.note("dockerignore");
            let contents = lines.join("\n") + "\n";
            let entry = plain(".dockerignore", &contents, false);
            self.input.files.push(entry);
        }
    }

    fn containerfile(&mut self) {
        let mut text = String::new();
        if self.random.chance(10) {
            self.escape = '`';
            self.note("escape-directive");
            text.push_str("# escape=`");
            text.push(END);
        }
        self.expand("head", &mut text, 0);
        for number in 0..=self.random.below(STAGES) {
            text.push(END);
            self.stage = Stage {
                name: number.to_string(),
                has_tree: false,
            };
            let mut body = String::new();
            self.expand("stage", &mut body, 0);
            self.stage.has_tree = body.starts_with("FROM busybox");
            text.push_str(&body);
            self.stages.push(self.stage.clone());
        }
        while self.random.chance(20) {
            let mut argument = String::new();
            self.expand("build-arg", &mut argument, 0);
            if let Some((name, value)) = argument.split_once('=') {
                let pair = (name.to_owned(), value.to_owned());
                self.input.arguments.retain(|(known, _)| known != name);
                self.input.arguments.push(pair);
            }
        }
        if self.random.chance(8) {
            let stage = self.random.pick(&self.stages);
            self.input.target = stage.map(|stage| stage.name.clone());
            self.note("target");
        }
        let whole: Vec<String> = text.split(END).map(str::to_owned).collect();
        self.input.instructions.clone_from(&whole);
        if self.random.chance(BROKEN) {
            let broken = self.broken(&text);
            self.input.instructions = broken.split(END).map(str::to_owned).collect();
            self.note("broken");
        }
        if !self.input.has_stage() {
            self.input.instructions = whole;
        }
        if !self
            .input
            .instructions
            .iter()
            .any(|each| each.contains("other"))
        {
            self.input.other.clear();
        }
    }

    /// Takes out or puts in one character somewhere.
    fn broken(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let place = self.random.below(characters.len());
        if characters[place] == END {
            return text.to_owned();
        }
        if self.random.chance(60) {
            characters.remove(place);
        } else {
            let signs = ['$', '"', '\'', '\\', ' ', '{', '=', '#', '<', '[', '-'];
            let sign = self.random.pick(&signs).copied().unwrap_or('$');
            characters.insert(place, sign);
        }
        characters.into_iter().collect()
    }

    fn note(&mut self, tag: &str) {
        self.input.tags.insert(tag.to_owned());
    }

    /// Writes what stands for a symbol.
    fn expand(&mut self, symbol: &'static str, text: &mut String, depth: usize) {
        if BUILT_IN.contains(&symbol) {
            let built = self.built_in(symbol, depth);
            text.push_str(&built);
            return;
        }
        let rules = &table()[symbol];
        let total: usize = rules.iter().map(|rule| rule.weight).sum();
        let mut chosen = self.random.below(total);
        let rule = rules.iter().find(|rule| {
            let here = chosen < rule.weight;
            chosen = chosen.saturating_sub(rule.weight);
            here
        });
        let rule = rule.expect("the weights are those of the sum");
        if let Some(tag) = rule.tag {
            self.note(tag);
        }
        assert!(depth < DEPTH, "<{symbol}> stands for itself");
        for part in &rule.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Symbol(symbol, times) => self.times(symbol, *times, text, depth + 1),
            }
        }
    }

    fn times(&mut self, symbol: &'static str, times: Times, text: &mut String, depth: usize) {
        match times {
            Times::Once => self.expand(symbol, text, depth),
            Times::Perhaps => {
                if self.random.chance(50) {
                    self.expand(symbol, text, depth);
                }
            }
            Times::Instructions => {
                let count = self.random.below(INSTRUCTIONS + 1);
                for number in 0..count {
                    if number > 0 {
                        text.push(END);
                    }
                    self.expand(symbol, text, depth);
                }
            }
            Times::Words => {
                for number in 0..=self.random.below(WORDS) {
                    if number > 0 {
                        text.push(' ');
                    }
                    self.expand(symbol, text, depth);
                }
            }
        }
    }

    fn built_in(&mut self, symbol: &str, depth: usize) -> String {
        let path = |entry: &Entry| entry.path.clone();
        let files = || self.input.files.iter();
        match symbol {
            "escape" => return self.escape.to_string(),
            "stage-name" => {
                let name = self.random.pick(&NAMES).copied().unwrap_or_default();
                name.clone_into(&mut self.stage.name);
                return name.to_owned();
            }
            "a-stage" => {
                let stage = self.random.pick(&self.stages);
                let name = stage.map(|stage| stage.name.clone());
                return name.map_or_else(|| "busybox".to_owned(), |name| self.cased(name));
            }
            "tree-from" => {
                let stages: Vec<_> = self.stages.iter().filter(|stage| stage.has_tree).collect();
                let stage = self.random.pick(&stages).map(|stage| stage.name.clone());
                self.copied = stage.is_some();
                return format!("--from={}", stage.unwrap_or_else(|| "base".to_owned()));
            }
            "tree-source" => {
                let mut text = String::new();
                let symbol = if self.copied {
                    "w-source"
                } else {
                    "base-source"
                };
                self.expand(symbol, &mut text, depth);
                return text;
            }
            _ => {}
        }
        let candidates: Vec<String> = match symbol {
            "context-file" => {
                let is_file = |entry: &&Entry| matches!(entry.kind, Kind::File { .. });
                let usual = |entry: &&Entry| !entry.path.contains([' ', '[']);
                files().filter(is_file).filter(usual).map(path).collect()
            }
            "context-link" => {
                let is_link = |entry: &&Entry| matches!(entry.kind, Kind::Link(_));
                files().filter(is_link).map(path).collect()
            }
            "context-archive" => {
                let is_archive = |entry: &&Entry| matches!(entry.kind, Kind::Archive { .. });
                files().filter(is_archive).map(path).collect()
            }
            _ => {
                let parents = files().filter_map(|entry| Some(entry.path.rsplit_once('/')?.0));
                let empty = files().filter(|entry| entry.kind == Kind::Directory);
                let all: BTreeSet<&str> = parents
                    .chain(empty.map(|entry| entry.path.as_str()))
                    .collect();
                all.into_iter().map(str::to_owned).collect()
            }
        };
        let candidate = self.random.pick(&candidates).cloned();
        if candidate
            .as_ref()
            .is_some_and(|path| ODD.contains(&path.as_str()))
        {
            self.note("odd-archive");
        }
        candidate.unwrap_or_else(|| "a".to_owned())
    }

    /// Writes a stage's name now and then in other letters.
    fn cased(&mut self, name: String) -> String {
        match self.random.below(6) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            _ => name,
        }
    }
}

fn plain(path: &str, contents: &str, runnable: bool) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: Kind::File {
            contents: contents.to_owned(),
            runnable,
        },
    }
}

/// Returns what a context may have.
fn menu() -> Vec<Entry> {
    let entry = |path: &str, kind: Kind| Entry {
        path: path.to_owned(),
        kind,
    };
    let link = |path: &str, target: &str| entry(path, Kind::Link(target.to_owned()));
    let archive = |path: &str, members: Vec<Member>, compressed| {
        let kind = Kind::Archive {
            members,
            compressed,
        };
        entry(path, kind)
    };
    vec![
        plain("a", "a\n", false),
        plain("b", "b\n", true),
        plain("c.txt", "c\n", false),
        plain("d.md", "", false),
        plain(".dot", "dot\n", false),
        plain("same", "a\n", false),
        plain("été", "summer\n", false),
        plain("with blank", "blank\n", false),
        plain("[x]", "brackets\n", false),
        plain("dir/one", "one\n", false),
        plain("dir/two.txt", "two\n", true),
        plain("dir/e.md", "md\n", false),
        plain("dir/sub/three", "three\n", false),
        plain("dir/sub/four.txt", "four\n", false),
        plain("dir/sub/.hidden", "hidden\n", false),
        plain("deep/er/est/c", "another c\n", false),
        plain("not.tar", "no archive\n", false),
        entry("empty", Kind::Directory),
        entry("dir/empty", Kind::Directory),
        link("link", "a"),
        link("dirlink", "dir"),
        link("dangling", "nowhere"),
        link("absolute", "/etc/passwd"),
        link("dir/up", "../c.txt"),
        archive("plain.tar", tree(), false),
        archive("packed.tar.gz", tree(), true),
        archive(ODD[0], odd(), false),
        archive(ODD[1], odd(), true),
    ]
}

fn member(path: &str, kind: MemberKind, mode: u32, owner: (u64, u64)) -> Member {
    Member {
        path: path.to_owned(),
        kind,
        mode,
        owner,
    }
}

/// Returns the members of an archive as there are many.
fn tree() -> Vec<Member> {
    use MemberKind::{Directory, File, Hard, Link};
    vec![
        member("t/", Directory, 0o755, (0, 0)),
        member("t/file", File("file\n".to_owned()), 0o644, (0, 0)),
        member("t/setuid", File("s\n".to_owned()), 0o4755, (0, 0)),
        member("t/owned", File("o\n".to_owned()), 0o600, (1000, 1001)),
        member("t/link", Link("file".to_owned()), 0o777, (0, 0)),
        member("t/hard", Hard("t/file".to_owned()), 0o644, (0, 0)),
    ]
}

/// Returns the members of an archive in which there is what is rare.
fn odd() -> Vec<Member> {
    use MemberKind::{Directory, File, Link};
    vec![
        member("./", Directory, 0o700, (7, 8)),
        member("no/directory/f", File("f\n".to_owned()), 0o640, (5, 6)),
        member("setgid/", Directory, 0o2775, (0, 9)),
        member("setgid/f", File("g\n".to_owned()), 0o664, (0, 9)),
        member("sticky/", Directory, 0o1777, (0, 0)),
        member("twice", File("1\n".to_owned()), 0o644, (0, 0)),
        member("twice", File("2\n".to_owned()), 0o600, (1, 1)),
        member("to-etc", Link("/etc".to_owned()), 0o777, (3, 4)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags;

    #[test]
    fn a_seed_gives_the_same_input_and_another_another() {
        assert_eq!(generate(7), generate(7));
        assert_ne!(generate(7).instructions, generate(8).instructions);
    }

    #[test]
    fn every_rule_with_a_name_is_taken_now_and_then() {
        let seen: BTreeSet<String> = (0..3000).flat_map(|seed| generate(seed).tags).collect();
        let missing: Vec<_> = tags()
            .into_iter()
            .filter(|tag| !seen.contains(*tag))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn most_inputs_can_be_read() {
        let readable = |seed: &u64| containerfile::parse(&generate(*seed).containerfile()).is_ok();
        let count = (0..500).filter(readable).count();
        assert!((400..500).contains(&count), "{count} of 500");
    }

    #[test]
    fn an_input_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(directory.path()).unwrap();
        for seed in 0..50 {
            let input = generate(seed);
            let place = root.join(seed.to_string());
            input.write(&place).unwrap();
            let written = std::fs::read_to_string(place.join("ctx/Containerfile")).unwrap();
            assert_eq!(written, input.containerfile());
        }
    }
}
