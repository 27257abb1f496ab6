//! Targets of StageX's Makefile that are no packages: what is done before, after or instead of
//! building.
//!
//! It knows the words. It does not know how any of it is done.

use crate::output::Output;
use crate::problem::{Problem, Problems};
use crate::tree::Tree;

/// What the words on make's command line ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Goals {
    /// What was made is removed first, and nothing of an engine's cache is used.
    pub clean: bool,
    /// What is built; everything where there is nothing.
    pub targets: Vec<String>,
    /// Whether anything is built at all.
    pub build: bool,
    /// Whether it is built again and compared with what is recorded, instead.
    pub reproduce: bool,
    /// What is done with what was built, in this order.
    pub after: Vec<After>,
    /// What is done instead of all this.
    pub instead: Option<Instead>,
}

/// What is done with what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The digests are written to `digests/*.txt`.
    Digests,
    /// And what of them is new is printed.
    NewDigests,
    /// The digests of what a target selects are printed, each with its platform.
    DigestsOf(String),
    /// What is in the images that a target selects is listed.
    ContentOf(String),
    /// The images that a target selects are put into the engine's own store.
    Import(String),
}

/// What is done instead of building.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Every package is checked.
    Check,
    /// What of this machine fits is said.
    Compat,
    /// The sources of every package are fetched.
    Fetch,
    /// What this machine has reproduced is signed.
    Sign,
    /// The targets and variables are explained.
    Help,
}

/// Targets that the Makefile has and that are not here, with what to do instead.
const NOT_YET: [(&str, &str); 5] = [
    (
        "preseed",
        "take what was published and signed: stagex preseed",
    ),
    (
        "prep-release-branch",
        "this target of the Makefile only prints commands to type",
    ),
    ("publish", PUBLISHING),
    ("targets", "leave it out: stagex generates no rules"),
    (
        "verify",
        "compare with the recorded digests: stagex digests --check",
    ),
];
/// What the targets begin with that name a package behind it.
const AFTER: [&str; 3] = ["digests", "content", "import"];
const PUBLISHING: &str =
    "`stagex publish PACKAGE... --to HOST/NAME` publishes what is recorded and signed";

/// Sorts the words on make's command line. A package of the tree goes before a target of the same
/// name.
///
/// # Errors
///
/// Words that are targets of the Makefile and cannot be had here, and targets that exclude each other.
pub fn goals(tree: &Tree, words: &[String]) -> Result<Goals, Problems> {
    let mut goals = Goals {
        build: words.is_empty(),
        ..Goals::default()
    };
    let is_package = |word: &str| {
        let named = |output: &Output| output.name == word || output.package == word;
        tree.outputs().any(named)
    };
    let mut problems = Vec::new();
    let mut instead = Vec::new();
    for word in words {
        let of = |prefix: &str| word.strip_prefix(prefix).map(str::to_owned);
        match word.as_str() {
            word if is_package(word) => goals.build(word),
            "clean" => goals.clean = true,
            "reproduce" => {
                goals.reproduce = true;
                goals.build = true;
            }
            "digests" => goals.after_everything(After::Digests),
            "new-digests" => goals.after_everything(After::NewDigests),
            "check" => instead.push((word, Instead::Check)),
            "compat" => instead.push((word, Instead::Compat)),
            "fetch" => instead.push((word, Instead::Fetch)),
            "sign" => instead.push((word, Instead::Sign)),
            "help" => instead.push((word, Instead::Help)),
            word => {
                let prefix = word.split_once('-').map_or("", |(prefix, _)| prefix);
                let refused = NOT_YET.iter().find(|(name, _)| *name == word);
                if word == format!("{prefix}-") && AFTER.contains(&prefix) {
                    problems.push(
                        Problem::new(format!("`{word}` has no package after it"))
                            .hint(format!("add one: {word}core-musl")),
                    );
                } else if let Some(target) = of("digests-") {
                    goals.build(&target);
                    goals.after.push(After::DigestsOf(target));
                } else if let Some(target) = of("content-") {
                    goals.build(&target);
                    goals.after.push(After::ContentOf(target));
                } else if let Some(target) = of("import-") {
                    goals.build(&target);
                    goals.after.push(After::Import(target));
                } else if let Some((name, hint)) = refused {
                    problems.push(
                        Problem::new(format!("there is no target `{name}` here"))
                            .hint((*hint).to_owned()),
                    );
                } else if matches!(prefix, "publish" | "registry") {
                    problems.push(
                        Problem::new(format!("there are no targets `{prefix}-*` here"))
                            .hint(PUBLISHING.to_owned()),
                    );
                } else {
                    goals.build(word);
                }
            }
        }
    }
    if goals.reproduce && !goals.after.is_empty() {
        let message = "`reproduce` cannot be combined with targets that use what was built";
        let hint = "use it with `clean` and with packages only";
        problems.push(Problem::new(message.to_owned()).hint(hint.to_owned()));
    }
    if let Some((word, what)) = instead.first() {
        goals.instead = Some(*what);
        if words.len() > 1 {
            let hint = match what {
                Instead::Check => "to check some packages: stagex check PACKAGE...",
                Instead::Fetch => "to fetch the sources of some packages: stagex fetch PACKAGE...",
                Instead::Sign => "to sign some packages: stagex sign PACKAGE...",
                Instead::Compat | Instead::Help => "use it alone",
            };
            problems.push(
                Problem::new(format!("`{word}` cannot be combined with other targets"))
                    .hint(hint.to_owned()),
            );
        }
    }
    if problems.is_empty() {
        Ok(goals)
    } else {
        Err(Problems(problems))
    }
}

impl Goals {
    fn build(&mut self, target: &str) {
        self.build = true;
        self.targets.push(target.to_owned());
    }

    /// Tells whether images are put into an engine's store.
    pub fn imports(&self) -> bool {
        let imports = |after: &After| matches!(after, After::Import(_));
        self.after.iter().any(imports)
    }

    fn after_everything(&mut self, after: After) {
        self.build("all");
        self.after.push(after);
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let temporary = tempfile::tempdir().unwrap();
        for name in ["musl", "help"] {
            let directory = temporary.path().join("packages/core").join(name);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("Containerfile"), "FROM scratch\n").unwrap();
            let manifest = format!("[package]\nname = \"{name}\"\n");
            std::fs::write(directory.join("package.toml"), manifest).unwrap();
        }
        let tree = Tree::open(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        (temporary, tree)
    }

    fn of(words: &[&str]) -> Result<Goals, Problems> {
        let (_temporary, tree) = tree();
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        goals(&tree, &words)
    }

    #[test]
    fn nothing_is_everything_and_only_clean_is_nothing() {
        let nothing = of(&[]).unwrap();
        assert!(nothing.build && nothing.targets.is_empty());
        let clean = of(&["clean"]).unwrap();
        assert!(clean.clean && !clean.build);
        let both = of(&["clean", "musl"]).unwrap();
        assert!(both.clean && both.build);
    }

    #[test]
    fn what_is_done_afterwards_is_built_before() {
        let goals = of(&["digests-musl", "content-core-musl"]).unwrap();
        assert_eq!(goals.targets, ["musl", "core-musl"]);
        let after = [
            After::DigestsOf("musl".to_owned()),
            After::ContentOf("core-musl".to_owned()),
        ];
        assert_eq!(goals.after, after);
        assert_eq!(of(&["new-digests"]).unwrap().targets, ["all"]);
    }

    #[test]
    fn a_package_goes_before_a_target_of_its_name() {
        let goals = of(&["help"]).unwrap();
        assert_eq!(
            (goals.instead, goals.targets),
            (None, vec!["help".to_owned()])
        );
        assert_eq!(of(&["check"]).unwrap().instead, Some(Instead::Check));
        assert_eq!(of(&["fetch"]).unwrap().instead, Some(Instead::Fetch));
        assert_eq!(of(&["sign"]).unwrap().instead, Some(Instead::Sign));
    }

    #[test]
    fn what_is_not_here_is_refused_by_name() {
        for word in ["publish", "publish-core-musl", "registry-musl", "digests-"] {
            assert!(of(&[word]).is_err(), "{word}");
        }
        assert!(of(&["check", "musl"]).is_err());
        assert!(of(&["fetch", "musl"]).is_err());
        assert!(of(&["sign", "musl"]).is_err());
    }
}
