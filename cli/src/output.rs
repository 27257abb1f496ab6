//! `--output` of `docker build`: where the image goes, and what is said of it there.

use std::collections::BTreeMap;
use std::str::FromStr;

use build::Profile;
use camino::Utf8PathBuf;
use registry::{Reference, Version};

use crate::failure::{Failure, usage};

const NO_DESTINATION: &str = "expected dest=FILE, or dest=- for standard output";
/// What writes files of an image, and what is meant by a directory alone.
const LOCAL: &str = "local";

/// Where the image goes, and what is said of it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) to: To,
    name: Option<String>,
    annotations: BTreeMap<String, String>,
}

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    /// A tar of an OCI layout, into a file or, as `-`, to standard output; for Docker, with what `docker load` reads.
    Archive { file: Utf8PathBuf, docker: bool },
    /// An OCI layout.
    Layout(Utf8PathBuf),
    /// The files of the image.
    Files(Utf8PathBuf),
    /// The store of an engine's user; of the one that builds, if none is named.
    Store(Option<String>),
    /// A registry, under a name with a tag; under the image's own, if none is named.
    Registry(Option<Reference>),
}

/// The words of an output.
#[derive(Default)]
struct Words<'a> {
    kind: Option<&'a str>,
    destination: Option<&'a str>,
    tar: Option<bool>,
    push: bool,
    /// The first word that is about an image, and not about its files.
    of_image: Option<&'a str>,
    name: Option<&'a str>,
    annotations: BTreeMap<String, String>,
}

impl<'a> Words<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let mut words = Self::default();
        for word in text.split(',') {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("`{word}`: expected KEY=VALUE, such as type=oci"));
            };
            let truth = || {
                let parsed = value.parse();
                parsed.map_err(|_| format!("{word}: expected true or false"))
            };
            let must_be = |only: &str| {
                if value == only {
                    Ok(())
                } else {
                    Err(format!(
                        "{word}: the canonical image has {key}={only}, and nothing else is possible"
                    ))
                }
            };
            match key {
                "type" => words.kind = Some(value),
                "dest" if value.is_empty() => return Err(NO_DESTINATION.to_owned()),
                "dest" => words.destination = Some(value),
                _ => {
                    words.of_image = words.of_image.or(Some(word));
                    match key {
                        "name" => words.name = Some(value),
                        "tar" => words.tar = Some(truth()?),
                        "push" => words.push = truth()?,
                        "rewrite-timestamp" | "force-compression" | "oci-mediatypes" => {
                            must_be("true")?;
                        }
                        "compression" => must_be("gzip")?,
                        _ => match key.strip_prefix("annotation.") {
                            Some(annotation) => {
                                let annotation = annotation.to_owned();
                                words.annotations.insert(annotation, value.to_owned());
                            }
                            None => return Err(format!("the key `{key}` is not supported")),
                        },
                    }
                }
            }
        }
        Ok(words)
    }

    fn file(&self) -> Result<Utf8PathBuf, String> {
        Ok(self.destination.ok_or(NO_DESTINATION)?.into())
    }

    /// Returns where it goes.
    fn to(&self) -> Result<To, String> {
        let kind = self.kind.unwrap_or_default();
        let tar = self.tar.unwrap_or(true);
        if self.tar.is_some() && !matches!(kind, "oci" | "docker") {
            return Err(format!("type={kind} knows no `tar`"));
        }
        if self.push && kind != "image" {
            return Err(format!(
                "type={kind} knows no `push`: expected type=registry"
            ));
        }
        match kind {
            "oci" if tar => Ok(To::Archive {
                file: self.file()?,
                docker: false,
            }),
            "oci" => Ok(To::Layout(self.file()?)),
            LOCAL => match (self.of_image, self.destination) {
                (Some(word), _) => Err(format!("{word}: type=local writes files, and no image")),
                (None, None | Some("-")) => Err("type=local: expected dest=DIR".to_owned()),
                (None, Some(directory)) => Ok(To::Files(directory.into())),
            },
            "docker" if self.destination.is_some() && tar => Ok(To::Archive {
                file: self.file()?,
                docker: true,
            }),
            "docker" if !tar => {
                Err("type=docker,tar=false is not supported: a layout is type=oci".to_owned())
            }
            "image" if !self.push => Err(
                "type=image: expected push=true, or type=docker, podman or buildah for an engine's store".to_owned(),
            ),
            "image" | "registry" => {
                if self.destination.is_some() {
                    return Err(format!("type={kind} knows no `dest`: expected name=REGISTRY/NAME:TAG"));
                }
                Ok(To::Registry(self.name.map(tagged).transpose()?))
            }
            engine if runtimes::NAMES.contains(&engine) => match self.destination {
                Some(_) => Err(format!("type={engine} knows no `dest`: it is the store of {engine}")),
                None => Ok(To::Store(Some(engine.to_owned()))),
            },
            _ => Err(format!(
                "type={kind} is not supported: expected oci, docker, local, registry, or an engine whose store it is"
            )),
        }
    }
}

/// Reads the name of an image in a registry, with its tag.
pub(crate) fn tagged(name: &str) -> Result<Reference, String> {
    let host = name.split('/').next().unwrap_or_default();
    // As Docker has it: what does not look like a host is a name on Docker Hub.
    let is_host = name.contains('/') && (host.contains(['.', ':']) || host == "localhost");
    let full = if is_host {
        name.to_owned()
    } else {
        format!("docker.io/{name}")
    };
    let parsed: Result<Reference, _> = full.parse();
    match parsed {
        Ok(reference) if matches!(reference.version, Version::Tag(_)) => Ok(reference),
        Ok(_) => Err(format!(
            "name={name}: expected a name with a tag, not a digest"
        )),
        Err(error) => Err(error.to_string()),
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            // A directory alone, as Docker and Podman have it.
            if matches!(text, "" | "-") || text.contains(',') {
                return Err(format!(
                    "`{text}`: expected KEY=VALUE,... or a directory for the image's files"
                ));
            }
            return Ok(Self::of(To::Files(text.into())));
        }
        let words = Words::read(text)?;
        Ok(Self {
            to: words.to()?,
            name: words.name.map(str::to_owned),
            annotations: words.annotations,
        })
    }
}

impl Output {
    /// Returns the output of which nothing is said but where it goes.
    pub(crate) fn of(to: To) -> Self {
        Self {
            to,
            name: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Tells whether the image goes to standard output.
    pub(crate) fn is_standard_output(&self) -> bool {
        matches!(&self.to, To::Archive { file, .. } if file == "-")
    }

    /// Returns the image's name, if it is said there; that of a registry is another.
    pub(crate) fn name(&self) -> Option<&String> {
        match self.to {
            To::Registry(_) => None,
            _ => self.name.as_ref(),
        }
    }

    /// Tells what it is that takes images for one platform only; nothing if it takes all.
    pub(crate) fn of_one_platform(&self) -> Option<&'static str> {
        match self.to {
            To::Archive { docker: true, .. } => Some("type=docker"),
            To::Files(_) => Some("type=local"),
            To::Store(_) => Some("an engine's store"),
            To::Archive { docker: false, .. } | To::Layout(_) | To::Registry(_) => None,
        }
    }

    /// Refuses annotations that the canonical image does not have.
    pub(crate) fn check_annotations(
        &self,
        profile: &Profile,
        repository: &str,
        tag: &str,
    ) -> Result<(), Failure> {
        let canonical = profile.annotations(repository, tag);
        for (name, value) in &self.annotations {
            let has = canonical.get(name);
            if has != Some(value) {
                let expected =
                    has.map_or("no such annotation".to_owned(), |has| format!("`{has}`"));
                return Err(usage(
                    format!("--output annotation.{name}={value}: a canonical image has {expected}"),
                    None,
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("type=oci,dest=a.tar", "Archive { file: \"a.tar\", docker: false }")]
    #[case("type=oci,dest=-", "Archive { file: \"-\", docker: false }")]
    #[case("type=oci,tar=false,dest=a", "Layout(\"a\")")]
    #[case("type=docker,dest=a.tar", "Archive { file: \"a.tar\", docker: true }")]
    #[case("type=docker", "Store(Some(\"docker\"))")]
    #[case("type=podman", "Store(Some(\"podman\"))")]
    #[case("type=local,dest=a", "Files(\"a\")")]
    #[case("a", "Files(\"a\")")]
    #[case("type=registry", "Registry(None)")]
    fn an_output_goes_somewhere(#[case] text: &str, #[case] to: &str) {
        assert_eq!(format!("{:?}", text.parse::<Output>().unwrap().to), to);
    }

    #[rstest]
    #[case("type=registry,name=me/a:1", "docker.io/me/a:1")]
    #[case("type=registry,name=a:1", "docker.io/library/a:1")]
    #[case("type=image,push=true,name=localhost:5000/a:1", "localhost:5000/a:1")]
    #[case("type=image,push=true,name=quay.io/me/a:1", "quay.io/me/a:1")]
    fn a_registry_is_named_as_docker_has_it(#[case] text: &str, #[case] name: &str) {
        let output: Output = text.parse().unwrap();
        assert_eq!(output.name(), None);
        let To::Registry(Some(reference)) = output.to else {
            panic!("expected a registry");
        };
        assert_eq!(reference.to_string(), name);
    }

    #[rstest]
    #[case("")]
    #[case("-")]
    #[case("a,b")]
    #[case("type=oci")]
    #[case("type=oci,dest=")]
    #[case("type=tar,dest=a")]
    #[case("type=cacheonly")]
    #[case("type=image,name=a/b:1")]
    #[case("type=image,push=false,name=a/b:1")]
    #[case(
        "type=registry,name=a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )]
    #[case("type=registry,name=A/b:1")]
    #[case("type=registry,dest=a")]
    #[case("type=oci,push=true,dest=a")]
    #[case("type=local")]
    #[case("type=local,dest=-")]
    #[case("type=local,dest=a,name=b:1")]
    #[case("type=local,dest=a,rewrite-timestamp=true")]
    #[case("type=docker,tar=false,dest=a")]
    #[case("type=podman,dest=a")]
    #[case("type=podman,tar=true")]
    #[case("type=oci,dest=a,push-by-digest=true")]
    fn another_output_is_refused(#[case] text: &str) {
        assert!(text.parse::<Output>().is_err(), "{text}");
    }
}
