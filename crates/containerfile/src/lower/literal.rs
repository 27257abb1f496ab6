//! Instructions with their variables written out, so that no engine evaluates them again.
//!
//! It does not know how an instruction was written.

use super::text::{arguments, destination, flag, literal, owner, source};
use crate::instruction::{Argument, Instruction, Pair, Sources};

/// Writes an expanded instruction; nothing where it has no variables, or where something in it cannot stand in a line.
pub(super) fn written_out(instruction: &Instruction, escape: char) -> Option<String> {
    let line = |text: &str| {
        // What would be cut off, or taken for a flag, stands in quotes.
        if text.is_empty() || text.trim() != text || text.starts_with("--") {
            quoted(text, escape)
        } else {
            literal(text, escape)
        }
    };
    let text = match instruction {
        Instruction::Arg(arguments) => format!("ARG {}", declarations(arguments, escape)?),
        Instruction::Env(pairs) => format!("ENV {}", assignments(pairs, escape)?),
        Instruction::User(user) => format!("USER {}", line(user)),
        Instruction::Workdir(path) => format!("WORKDIR {}", line(path)),
        Instruction::Add(add) if add.sources.heredocs.is_empty() => {
            let mut words = vec!["ADD".to_owned()];
            let switches = [("keep-git-dir", add.keep_git_dir), ("unpack", add.unpack)];
            words.extend(
                switches
                    .iter()
                    .filter_map(|(name, value)| Some(format!("--{name}={}", (*value)?))),
            );
            words.extend(
                add.checksum
                    .as_deref()
                    .map(|value| flag("checksum", &literal(value, escape), escape)),
            );
            let common = Common {
                chown: add.chown.as_deref(),
                chmod: add.chmod.as_deref(),
                link: add.link,
                exclude: &add.exclude,
                sources: &add.sources,
            };
            words.extend(common.words(escape));
            words.join(" ")
        }
        Instruction::Copy(copy) if copy.sources.heredocs.is_empty() => {
            let mut words = vec!["COPY".to_owned()];
            words.extend(copy.from.as_deref().map(|name| flag("from", name, escape)));
            words.extend(copy.parents.then(|| "--parents".to_owned()));
            let common = Common {
                chown: copy.chown.as_deref(),
                chmod: copy.chmod.as_deref(),
                link: copy.link,
                exclude: &copy.exclude,
                sources: &copy.sources,
            };
            words.extend(common.words(escape));
            words.join(" ")
        }
        _ => return None,
    };
    (!text.contains('\n')).then_some(text)
}

/// What `COPY` and `ADD` have in common.
struct Common<'a> {
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    link: bool,
    exclude: &'a [String],
    sources: &'a Sources,
}

impl Common<'_> {
    fn words(&self, escape: char) -> Vec<String> {
        let mut words = Vec::new();
        let chown = self.chown.map(owner);
        for (name, value) in [("chown", chown.as_deref()), ("chmod", self.chmod)] {
            words.extend(value.map(|value| flag(name, &literal(value, escape), escape)));
        }
        words.extend(self.link.then(|| "--link".to_owned()));
        // Variables in patterns are never expanded.
        words.extend(
            self.exclude
                .iter()
                .map(|text| flag("exclude", text, escape)),
        );
        let paths = self.sources.paths.iter().map(String::as_str);
        let paths = paths.chain([destination(&self.sources.destination)]);
        let paths: Vec<_> = paths.map(|path| source(path, escape)).collect();
        words.push(arguments(&paths, self.sources.json));
        words
    }
}

fn declarations(arguments: &[Argument], escape: char) -> Option<String> {
    let words = arguments
        .iter()
        .map(|argument| match &argument.value {
            Some(value) => assignment(&argument.name, value, escape),
            None => is_usual(&argument.name).then(|| argument.name.clone()),
        })
        .collect::<Option<Vec<_>>>()?;
    Some(words.join(" "))
}

fn assignments(pairs: &[Pair], escape: char) -> Option<String> {
    let words = pairs
        .iter()
        .map(|pair| assignment(&pair.name, &pair.value, escape))
        .collect::<Option<Vec<_>>>()?;
    Some(words.join(" "))
}

/// Writes `name="value"`.
fn assignment(name: &str, value: &str, escape: char) -> Option<String> {
    is_usual(name).then(|| format!("{name}={}", quoted(value, escape)))
}

/// Writes a text in double quotes, in which only three characters mean anything.
fn quoted(text: &str, escape: char) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        if character == '"' || character == '$' || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Tells whether a name needs no quotes, and is not taken for a flag.
fn is_usual(name: &str) -> bool {
    let usual = |character: char| character.is_alphanumeric() || "_.-/".contains(character);
    !name.is_empty() && !name.starts_with("--") && name.chars().all(usual)
}
