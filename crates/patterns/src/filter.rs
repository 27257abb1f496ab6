//! Which files below a directory are copied: those that `--parents` names, without those of `--exclude`.
//!
//! The rules are those of a `.dockerignore`: `**` stands for any number of directories, `!` takes back what a
//! pattern before it said, and what holds for a directory holds for all that is in it.

use crate::pattern::Deep;
use crate::{BadPattern, Result};

/// Patterns, of which the last that matches decides.
#[derive(Debug)]
struct Patterns(Vec<(Deep, bool)>);

/// Says what is copied.
#[derive(Debug)]
pub struct Filter {
    include: Option<Patterns>,
    exclude: Patterns,
}

/// What is known of a place below the directory that is copied.
#[derive(Debug, Clone, Default)]
pub struct Below {
    path: Vec<u8>,
    /// Which patterns match it.
    include: Vec<bool>,
    exclude: Vec<bool>,
}

impl Patterns {
    fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut patterns = Vec::new();
        for text in texts {
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let (text, takes_back) = match text.strip_prefix(b"!") {
                Some(rest) => (rest, true),
                None => (text, false),
            };
            if text.is_empty() {
                return Err(BadPattern("!".to_owned()));
            }
            patterns.push((Deep::new(&clean(text))?, takes_back));
        }
        Ok(Self(patterns))
    }

    /// Tells whether the patterns hold for a path, and which of them match it, itself or by the directory
    /// that it is in.
    fn holds(&self, path: &[u8], parent: &[bool]) -> (bool, Vec<bool>) {
        let mut holds = false;
        let mut matched = Vec::with_capacity(self.0.len());
        for (place, (pattern, takes_back)) in self.0.iter().enumerate() {
            let inherited = parent.get(place).copied().unwrap_or(false);
            let matches = inherited || pattern.matches(path);
            if matches {
                holds = !takes_back;
            }
            matched.push(matches);
        }
        (holds, matched)
    }
}

/// Returns a pattern as Go's `filepath.Clean` does.
fn clean(text: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let rooted = text.starts_with(b"/");
    for name in text.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.last().is_some_and(|last| *last != b"..") => {
                names.pop();
            }
            b".." if rooted => {}
            name => names.push(name),
        }
    }
    let mut clean = if rooted { b"/".to_vec() } else { Vec::new() };
    clean.extend(names.join(&b'/'));
    if clean.is_empty() {
        b".".to_vec()
    } else {
        clean
    }
}

impl Filter {
    /// Reads what is to be copied, if it is not everything, and what is not; nothing if that is all.
    ///
    /// # Errors
    ///
    /// What is no pattern.
    pub fn new(include: Option<&[u8]>, exclude: &[String]) -> Result<Option<Self>> {
        if include.is_none() && exclude.is_empty() {
            return Ok(None);
        }
        let include = include.map(|pattern| Patterns::new([pattern]));
        Ok(Some(Self {
            include: include.transpose()?,
            exclude: Patterns::new(exclude.iter().map(String::as_bytes))?,
        }))
    }

    /// Goes on to what has a name in a directory. Returns whether it is copied, and what is known of it.
    pub fn step(&self, directory: &Below, name: &[u8]) -> (bool, Below) {
        let mut path = directory.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let (included, include) = match &self.include {
            Some(patterns) => patterns.holds(&path, &directory.include),
            None => (true, Vec::new()),
        };
        let (excluded, exclude) = self.exclude.holds(&path, &directory.exclude);
        let below = Below {
            path,
            include,
            exclude,
        };
        (included && !excluded, below)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn copied(include: Option<&str>, exclude: &[&str], path: &str) -> bool {
        let exclude: Vec<String> = exclude.iter().map(|&text| text.to_owned()).collect();
        let filter = Filter::new(include.map(str::as_bytes), &exclude).unwrap();
        let filter = filter.expect("there are patterns");
        let (mut copied, mut below) = (true, Below::default());
        for name in path.split('/') {
            (copied, below) = filter.step(&below, name.as_bytes());
        }
        copied
    }

    #[rstest]
    #[case(&["*.txt"], "a.txt", false)]
    #[case(&["*.txt"], "a/b.txt", true)]
    #[case(&["**/*.txt"], "a/b.txt", false)]
    #[case(&["**/*.txt"], "b.txt", false)]
    #[case(&["a"], "a/b/c", false)]
    #[case(&["a", "!a/b"], "a/b/c", true)]
    #[case(&["a", "!a/b"], "a/c", false)]
    #[case(&["a/**"], "a", true)]
    #[case(&["a/**"], "a/b/c", false)]
    #[case(&["./a//b/"], "a/b", false)]
    #[case(&["/a"], "a", true)]
    #[case(&["[ab]?"], "bx", false)]
    // `**` and letters are the end of a path; with anything else behind it, `**` ends with a directory.
    #[case(&["**.md"], "README.md", false)]
    #[case(&["**.md"], "sub/README.md", false)]
    #[case(&["**.md"], "a.mdx", true)]
    #[case(&["**.md"], "x.md/in", false)]
    #[case(&["**foo"], "sub/barfoo", false)]
    #[case(&["**/foo"], "sub/barfoo", true)]
    #[case(&["**/foo"], "foo", false)]
    #[case(&["**/foo"], "sub/foo", false)]
    #[case(&["**foo*"], "barfoo", true)]
    #[case(&["**foo*"], "bar/food", false)]
    #[case(&["a**b"], "a/x/b", false)]
    #[case(&["a**b"], "axb", true)]
    #[case(&["**"], "a/b", false)]
    #[case(&["*", "!**.md"], "sub/README.md", true)]
    // A class of what is not in it has the slash, too.
    #[case(&["a[^b]c"], "a/c", false)]
    #[case(&["[[]x]"], "[x]", false)]
    fn what_is_excluded(#[case] exclude: &[&str], #[case] path: &str, #[case] expected: bool) {
        assert_eq!(copied(None, exclude, path), expected);
    }

    #[rstest]
    #[case("x/a.txt", "x", false)]
    #[case("x/a.txt", "x/a.txt", true)]
    #[case("x/a.txt", "x/b.txt", false)]
    #[case("x", "x/y/z", true)]
    #[case("*/y", "x/y", true)]
    fn what_is_included(#[case] include: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(copied(Some(include), &[], path), expected);
        assert!(!copied(Some(include), &["**"], path));
    }
}
