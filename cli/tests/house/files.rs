//! What the source of a crate says of its own structure: its files, which of them takes something from which
//! other, and the types that it has `impl`s of. It reads words and not grammar, and so sees no method that is
//! called without a name of its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "words.rs"]
mod words;

use words::words;

/// A module, by the names that lead to it from the crate on.
type Module = Vec<String>;

/// A crate's modules, and what they say.
#[derive(Default)]
pub(crate) struct Sources {
    base: PathBuf,
    files: BTreeMap<Module, PathBuf>,
    /// What is imported into a module, or re-exported from it: the name there, and the path.
    names: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
    /// Paths that a module mentions.
    mentions: Vec<(Module, Vec<String>)>,
    /// Types that a module has an `impl` of.
    impls: Vec<(Module, Vec<String>)>,
}

impl Sources {
    /// Reads the file of a crate's root, and those of its modules; tests are left out. The paths of files are
    /// those below `base`.
    pub(crate) fn read(base: &Path, root: &Path) -> Self {
        let base = base.to_owned();
        let mut sources = Self {
            base,
            ..Self::default()
        };
        let root = root.strip_prefix(&sources.base).unwrap().to_owned();
        sources.file(&Vec::new(), root);
        sources
    }

    fn file(&mut self, module: &Module, path: PathBuf) {
        let text = fs::read_to_string(self.base.join(&path)).unwrap();
        self.files.insert(module.clone(), path);
        let all = words(&text);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.items(module, &all);
    }

    /// Takes what is said in a module, or in a part of it.
    fn items(&mut self, module: &Module, words: &[&str]) {
        let mut at = 0;
        let mut is_public = false;
        while let Some(word) = words.get(at) {
            let rest = &words[at..];
            at += match (*word, rest) {
                ("#", ["#", "[", "cfg", "(", "test", ")", "]", after @ ..]) => 7 + item(after),
                ("pub", ["pub", "(", ..]) => {
                    is_public = true;
                    at += 1 + end(&rest[1..]);
                    continue;
                }
                ("pub", _) => {
                    is_public = true;
                    at += 1;
                    continue;
                }
                ("mod", ["mod", name, ";", ..]) => {
                    let below = below(module, name);
                    self.file(&below, self.path_of(module, &below));
                    3
                }
                ("mod", ["mod", name, "{", ..]) => {
                    let below = below(module, name);
                    self.files.insert(below.clone(), self.files[module].clone());
                    let length = end(&rest[2..]);
                    self.items(&below, &rest[3..=length]);
                    2 + length
                }
                ("use", _) => {
                    let length = rest.iter().position(|word| *word == ";").unwrap();
                    self.import(module, &rest[1..length], is_public);
                    length
                }
                ("impl", _) => {
                    self.impls
                        .extend(implemented(rest).map(|of| (module.clone(), of)));
                    1
                }
                (_, [_, "::", ..]) if is_name(word) => {
                    let path = path(rest);
                    let length = 2 * path.len() - 1;
                    self.mentions.push((module.clone(), path));
                    length
                }
                _ => 1,
            };
            is_public = false;
        }
    }

    /// Takes an import: what each thing is called, and its path.
    fn import(&mut self, module: &Module, tree: &[&str], is_public: bool) {
        let mut leaves = Vec::new();
        flatten(tree, &[], &mut leaves);
        for (name, path) in leaves {
            // To re-export something is to give it a name, and not to use it.
            if !is_public {
                self.mentions.push((module.clone(), path.clone()));
            }
            let names = self.names.entry(module.clone()).or_default();
            names.insert(name, path);
        }
    }

    /// Finds the file of a module that is declared in another.
    fn path_of(&self, parent: &Module, module: &Module) -> PathBuf {
        let file = &self.files[parent];
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let directory = match stem {
            "lib" | "main" | "mod" => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        let name = module.last().unwrap();
        let flat = directory.join(format!("{name}.rs"));
        if self.base.join(&flat).exists() {
            return flat;
        }
        directory.join(name).join("mod.rs")
    }

    /// Returns the module that has what a path in another one means, and what it is called there: the path's
    /// own, and not one that has only re-exported it. Nothing where it is of another crate, or of the
    /// function that it is in.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<(Module, String)> {
        let mut at = module.clone();
        let mut rest = path;
        let mut is_rooted = false;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => _ = at.pop()?,
                _ => break,
            }
            is_rooted = true;
            rest = others;
        }
        let mut name = String::new();
        while let Some((first, others)) = rest.split_first() {
            let mut below = at.clone();
            below.push(first.clone());
            let imported = self.names.get(&at).and_then(|names| names.get(first));
            if self.files.contains_key(&below) {
                at = below;
            } else if let Some(imported) = imported.filter(|_| depth > 0) {
                let whole: Vec<_> = imported.iter().chain(others).cloned().collect();
                return self.resolve(&at, &whole, depth - 1);
            } else if is_rooted {
                name.clone_from(first);
                break;
            } else {
                return None;
            }
            is_rooted = true;
            rest = others;
        }
        Some((at, name))
    }

    /// Returns which file takes something from which other.
    pub(crate) fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (module, path) in &self.mentions {
            let from = self.files[module].as_path();
            if let Some((to, _)) = self.resolve(module, path, 8)
                && self.files[&to] != from
            {
                arrows.entry(from).or_default().insert(&self.files[&to]);
            }
        }
        arrows
    }

    /// Returns the circles of files, each in order.
    pub(crate) fn circles(&self) -> BTreeSet<Vec<&Path>> {
        let arrows = self.arrows();
        let reached = |from: &Path| {
            let mut reached = BTreeSet::new();
            let mut next: Vec<&Path> = arrows.get(from).into_iter().flatten().copied().collect();
            while let Some(file) = next.pop() {
                if reached.insert(file) {
                    next.extend(arrows.get(file).into_iter().flatten());
                }
            }
            reached
        };
        let reached: BTreeMap<&Path, _> =
            arrows.keys().map(|file| (*file, reached(file))).collect();
        let circle = |file: &&Path| -> Vec<&Path> {
            let others = reached[file].iter().copied();
            let is_back = |other: &&Path| reached.get(other).is_some_and(|all| all.contains(file));
            others.filter(is_back).collect()
        };
        let circles = arrows.keys().map(circle);
        circles.filter(|circle| circle.len() > 1).collect()
    }

    /// Returns the types of the crate, each with the files that have an `impl` of it.
    pub(crate) fn impls(&self) -> BTreeMap<(Module, String), BTreeSet<&Path>> {
        let mut impls: BTreeMap<_, BTreeSet<&Path>> = BTreeMap::new();
        for (module, path) in &self.impls {
            // A name alone is of this module, unless it is imported.
            let own = || (path.len() == 1).then(|| (module.clone(), path[0].clone()));
            let of = self.resolve(module, path, 8).or_else(own);
            if let Some(of) = of {
                impls.entry(of).or_default().insert(&self.files[module]);
            }
        }
        impls
    }

    /// Returns the files.
    pub(crate) fn files(&self) -> BTreeSet<&Path> {
        self.files.values().map(PathBuf::as_path).collect()
    }
}

fn below(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// Returns what an import names: what each thing is called, and its path.
fn flatten(tree: &[&str], before: &[String], leaves: &mut Vec<(String, Vec<String>)>) {
    let mut whole = before.to_vec();
    let mut rest = tree;
    while let [name, "::", others @ ..] = rest {
        whole.push((*name).to_owned());
        rest = others;
    }
    match rest {
        ["{", inner @ .., "}"] => {
            let mut depth = 0;
            let parts = inner.split(|word| {
                depth += i32::from(*word == "{") - i32::from(*word == "}");
                depth == 0 && *word == ","
            });
            for part in parts.filter(|part| !part.is_empty()) {
                flatten(part, &whole, leaves);
            }
        }
        [name, others @ ..] => {
            if *name != "self" && *name != "*" {
                whole.push((*name).to_owned());
            }
            let last = whole.last().cloned().unwrap_or_default();
            let name = match others {
                ["as", name] => (*name).to_owned(),
                _ => last,
            };
            leaves.push((name, whole));
        }
        [] => {}
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// Returns the path that something begins with.
fn path(words: &[&str]) -> Vec<String> {
    let mut path = vec![words[0].to_owned()];
    let mut rest = &words[1..];
    while let ["::", name, others @ ..] = rest
        && is_name(name)
    {
        path.push((*name).to_owned());
        rest = others;
    }
    path
}

/// Returns how many words there are from a bracket to the one that closes it, with both.
fn end(words: &[&str]) -> usize {
    let mut depth = 0;
    for (place, word) in words.iter().enumerate() {
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    words.len()
}

/// Returns how many words the item has that something begins with.
fn item(words: &[&str]) -> usize {
    let is_value = words
        .iter()
        .find(|word| !matches!(**word, "pub" | "(" | "crate" | "super" | ")"))
        .is_some_and(|word| matches!(*word, "use" | "const" | "static" | "type"));
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match *word {
            ";" => return at + 1,
            "{" if !is_value => return at + end(&words[at..]),
            "(" | "[" | "{" => at += end(&words[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Returns the type that an `impl` is of; nothing where it is a parameter or no path.
fn implemented(words: &[&str]) -> impl Iterator<Item = Vec<String>> {
    let mut depth = 0;
    let mut of = None;
    for (place, word) in words.iter().enumerate().skip(1) {
        match *word {
            "<" => depth += 1,
            ">" => depth -= 1,
            "{" | "where" | ";" => break,
            "for" if words.get(place + 1) != Some(&"<") => of = None,
            word if depth == 0 && of.is_none() && is_name(word) && word != "for" => {
                of = Some(path(&words[place..]));
            }
            _ => {}
        }
    }
    of.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_seen_through_re_exports_and_not_in_tests() {
        let temporary = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("lib.rs", "mod a; mod b; mod c; mod d;\npub use a::A;"),
            (
                "a.rs",
                "use crate::b::{B, self as other};\npub struct A(B);\nimpl A {}",
            ),
            ("b.rs", "pub struct B;\nimpl crate::A { fn f() {} }"),
            (
                "c.rs",
                "impl Drop for super::A {}\n#[cfg(test)]\nmod tests { use crate::d::D; }",
            ),
            (
                "d.rs",
                "pub struct D;\nfn f<'a>() -> &'a str { let _ = crate::c::C; \"crate::b::B\" }",
            ),
        ] {
            fs::write(temporary.path().join(name), text).unwrap();
        }
        let root = temporary.path().join("lib.rs");
        let sources = Sources::read(temporary.path(), &root);
        let circle = ["a.rs", "b.rs"].map(Path::new).to_vec();
        assert_eq!(sources.circles(), BTreeSet::from([circle]));
        let impls = sources.impls();
        let of_a = &impls[&(vec!["a".to_owned()], "A".to_owned())];
        assert_eq!(
            *of_a,
            BTreeSet::from(["a.rs", "b.rs", "c.rs"].map(Path::new))
        );
    }
}
