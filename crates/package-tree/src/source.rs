//! A source: a file that a package is built from, with where it can be had and the hash that it
//! must have.

use crate::name;
use crate::version::{expand, placeholder};

/// A file that a package is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its key in `package.toml`.
    pub key: String,
    /// The name of the file in `fetch/<stage>/<package>/`.
    pub file: String,
    /// The sha256 that it must have, in lower-case hex.
    pub hash: String,
    /// Where it can be had; the first is the primary one.
    pub mirrors: Vec<String>,
    /// Its own version, where it has another than the package.
    pub version: Option<String>,
    /// The commit that it was made from, where that is recorded.
    pub git_sha: Option<String>,
    /// The line of `package.toml` that it begins in, from 1.
    pub line: usize,
}

impl From<&Source> for documents::Source {
    fn from(source: &Source) -> Self {
        Self {
            key: source.key.clone(),
            file: source.file.clone(),
            hash: source.hash.clone(),
            mirrors: source.mirrors.clone(),
            version: source.version.clone(),
            git_sha: source.git_sha.clone(),
        }
    }
}

/// A root file system that a package is built from: the contents of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// Its name in `package.toml`.
    pub name: String,
    /// The archive.
    pub source: Source,
}

impl From<&Seed> for documents::Seed {
    fn from(seed: &Seed) -> Self {
        Self {
            name: seed.name.clone(),
            source: seed.source.key.clone(),
        }
    }
}

/// What `package.toml` says of a source, before its names are expanded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    pub key: String,
    pub hash: String,
    pub mirrors: Vec<String>,
    pub file: Option<String>,
    pub format: String,
    pub version: Option<String>,
    pub git_sha: Option<String>,
}

impl Description {
    /// Expands the names of a source of a package that has `package_version`, and that stands in this line.
    ///
    /// # Errors
    ///
    /// A message that says which name cannot be expanded, or would leave the fetch directory.
    pub(crate) fn expand(
        &self,
        package_version: Option<&str>,
        line: usize,
    ) -> Result<Source, String> {
        let version = self
            .version
            .as_deref()
            .or(package_version)
            .unwrap_or_default();
        let value = |name: &str| placeholder(name, version, &self.format);
        let template = match &self.file {
            Some(file) => file.as_str(),
            None => last_part(self.mirrors.first().map_or("", String::as_str)),
        };
        let file = expand(template, value)?;
        if !name::is_file(&file) {
            return Err(format!(
                "`{file}` is not a valid name for a file in fetch/: expected {}",
                name::FILE
            ));
        }
        let in_mirror = |name: &str| {
            if name == "file" {
                Ok(file.clone())
            } else {
                value(name)
            }
        };
        let mirrors = self.mirrors.iter().map(|mirror| {
            let url = expand(mirror, in_mirror)?;
            if name::is_mirror(&url) {
                return Ok(url);
            }
            Err(format!(
                "`{url}` is not a valid mirror: expected {}",
                name::MIRROR
            ))
        });
        Ok(Source {
            key: self.key.clone(),
            mirrors: mirrors.collect::<Result<_, _>>()?,
            file,
            hash: self.hash.clone(),
            version: self.version.clone(),
            git_sha: self.git_sha.clone(),
            line,
        })
    }
}

/// Returns the last part of a URL's path.
fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn description(file: Option<&str>, mirror: &str) -> Description {
        Description {
            mirrors: vec![mirror.to_owned()],
            file: file.map(str::to_owned),
            format: "tar.gz".to_owned(),
            ..Description::default()
        }
    }

    #[rstest]
    #[case(None, "https://a.org/b/v{version}.{format}?x=/y", "v1.2.tar.gz")]
    #[case(Some("b-{version}.tar"), "https://a.org/{file}", "b-1.2.tar")]
    fn the_file_is_named_or_ends_the_first_mirror(
        #[case] file: Option<&str>,
        #[case] mirror: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(
            description(file, mirror)
                .expand(Some("1.2"), 1)
                .unwrap()
                .file,
            expected
        );
    }

    #[test]
    fn mirrors_know_the_file() {
        let source = description(
            Some("b-{version_dash}.{format}"),
            "https://a.org/{version}/{file}",
        );
        let source = source.expand(Some("1.2"), 1).unwrap();
        assert_eq!(source.mirrors, ["https://a.org/1.2/b-1-2.tar.gz"]);
    }

    #[rstest]
    #[case("../x")]
    #[case("/etc/passwd")]
    #[case("a/b")]
    #[case("..")]
    #[case("a\0b")]
    #[case("-x")]
    #[case(".x")]
    #[case("{version}/x")]
    #[case("a\u{1b}[2J")]
    #[case("{version_dash}\n")]
    fn names_that_leave_the_directory_are_refused(#[case] file: &str) {
        let error = description(Some(file), "https://a.org/x")
            .expand(Some("1.2"), 1)
            .unwrap_err();
        assert!(error.contains("is not a valid name for a file"), "{error}");
    }
}
