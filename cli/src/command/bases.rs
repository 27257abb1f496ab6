//! The images of packages that a user's Containerfile names beside what its caller gives: each by its digest, which enough
//! people must have signed. They are pulled, or their digests are written into the file.
//!
//! It does not know how signatures are judged, nor how an image is built.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use build::{Context as Named, Recipe};
use containerfile::{Platform, Reference, Scope};
use documents::{LockedImage, SignedBy, VerifiedPackage};
use images::Digest;
use registry::Repository;
use reproduce::{Missing, RecordedImages};

use super::trust::{Pinned, judged_pinned};
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::place;
use crate::render;
use crate::wait;

/// What the names of images of packages begin with.
const PREFIXES: [&str; 2] = ["stagex/", "docker.io/stagex/"];

/// The tag of an image that is named without one.
const LATEST: &str = "latest";

/// An image of a package, as a Containerfile names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Base {
    /// As it is written.
    reference: String,
    package: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Base {
    /// Reads what names an image of a package; nothing if it names something else.
    fn read(reference: &str) -> Option<Self> {
        let mut prefixes = PREFIXES.into_iter();
        let rest = prefixes.find_map(|prefix| reference.strip_prefix(prefix))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
            None => (rest, None),
        };
        let (package, tag) = match rest.split_once(':') {
            Some((package, tag)) => (package, Some(tag.to_owned())),
            None => (rest, None),
        };
        let is_one =
            package_tree::is_output(package) && tag.as_deref().is_none_or(package_tree::is_tag);
        is_one.then(|| Self {
            reference: reference.to_owned(),
            package: package.to_owned(),
            tag,
            digest,
        })
    }

    /// Returns the image as one that has to be found.
    fn missing(&self) -> Missing {
        let digest = self.digest.map(|digest| (String::new(), digest));
        Missing {
            package: self.package.clone(),
            recorded: digest.into_iter().collect(),
            instead: Vec::new(),
            kept: None,
        }
    }

    fn pinned(&self, digest: Digest) -> Pinned {
        Pinned {
            name: self.package.clone(),
            tag: self.tag.clone(),
            digest: digest.into(),
        }
    }
}

/// Has a recipe take the images of packages that it names from a registry, if enough people have signed them.
pub(super) fn bring(
    context: &Context,
    from: &Repository,
    recipe: &mut Recipe,
) -> Result<(), Failure> {
    let text = text(recipe)?;
    let bases = bases(recipe, &text)?.into_iter().map(|(base, _)| base);
    let bases: BTreeSet<Base> = bases.collect();
    let open: Vec<&Base> = bases.iter().filter(|base| base.digest.is_none()).collect();
    if !open.is_empty() {
        return Err(Failure::of(
            ErrorKind::NotVerified,
            open.into_iter().map(without_digest),
        ));
    }
    let images: Vec<Pinned> = bases
        .iter()
        .filter_map(|base| Some(base.pinned(base.digest?)))
        .collect();
    if images.is_empty() {
        return Ok(());
    }
    let judged = judged_pinned(context, &images)?;
    demand(&judged)?;
    if !context.verbosity.quiet {
        for (base, image) in bases.iter().zip(&judged) {
            let line = format!("{}: signed by {}", base.reference, SignedBy::from(image));
            render::note(&printable::line(&line));
        }
    }
    let directories = place::directories(context)?;
    wait::block_on(async {
        let mut interrupted = wait::watch();
        for base in bases {
            let mut found = RecordedImages::nothing_of(vec![base.missing()]);
            let from = std::slice::from_ref(from);
            super::pull::bring(context, from, &directories, &mut found, &mut interrupted).await?;
            let hint = "name the registry that has it with --from, or give it with --build-context";
            let given = found.give();
            let given = given.map_err(|missing| super::pull::not_found(&missing, hint))?;
            if let Some(image) = given.image(&base.package) {
                let named = Named::Given(image.layout.clone(), image.digest);
                // It was read as a reference before.
                let name = containerfile::familiar(&base.reference).unwrap_or(base.reference);
                recipe.contexts.insert(name, named);
            }
        }
        Ok(())
    })
}

fn without_digest(base: &Base) -> (String, Option<String>) {
    let message = format!("`{}` names no digest", base.reference);
    let hint = "`stagex build --lock PATH` writes one into the Containerfile that enough people have signed; or give it \
                with --build-context";
    (message, Some(hint.to_owned()))
}

/// Writes the digests of the images of packages that a Containerfile names without one into it, if enough people have
/// signed them. Returns what was written.
pub(super) fn lock(
    context: &Context,
    from: &Repository,
    recipe: &Recipe,
) -> Result<Vec<LockedImage>, Failure> {
    let mut text = text(recipe)?;
    // Where each name stands that has no digest yet.
    let mut places = BTreeMap::new();
    for (base, reference) in bases(recipe, &text)? {
        if base.digest.is_none() {
            places.insert(start(&text, &base, &reference)?, base);
        }
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let open: BTreeSet<&Base> = places.values().collect();
    let digests = digests(context, from, &open, &recipe.platforms)?;
    let images: Vec<Pinned> = digests
        .iter()
        .map(|(base, digest)| base.pinned(*digest))
        .collect();
    let judged = judged_pinned(context, &images)?;
    demand(&judged)?;
    let locked = digests
        .iter()
        .zip(judged)
        .map(|((base, digest), judged)| LockedImage {
            reference: base.reference.clone(),
            locked: format!("{}@{digest}", base.reference),
            people: judged.people,
        });
    let locked = locked.collect();
    // From the last on, so that what is written moves nothing that is still to be.
    for (start, base) in places.iter().rev() {
        text.insert_str(start + base.reference.len(), &format!("@{}", digests[base]));
    }
    let cannot = |error: io::Error| place::cannot("write", &recipe.containerfile, &error);
    let typed = recipe.typed(&recipe.containerfile).map_err(cannot)?;
    let written = typed.base.write(&typed.path, text.as_bytes());
    written.map_err(cannot)?;
    Ok(locked)
}

/// Returns where the name of an image stands in what refers to it: alone, or behind the `from=` of a flag.
fn start(text: &str, base: &Base, reference: &Reference) -> Result<usize, Failure> {
    let (written, name) = (reference.span.of(text), base.reference.as_str());
    let is_name = |(at, _): &(usize, &str)| {
        let (before, after) = (&written[..*at], &written[at + name.len()..]);
        let before = before.trim_end_matches('"');
        (before.is_empty() || before.ends_with("from="))
            && !after.starts_with(|next: char| !",\" ".contains(next))
    };
    let mut places = written.match_indices(name).filter(is_name);
    if let (Some((at, _)), None) = (places.next(), places.next()) {
        return Ok(reference.span.start + at);
    }
    let message = format!("`{name}` does not stand in `{written}` as it is written");
    let hint = "write it without variables, or with its digest where they are set";
    Err(usage(printable::line(&message).into_owned(), Some(hint)))
}

/// Reads the Containerfile of a recipe.
fn text(recipe: &Recipe) -> Result<String, Failure> {
    let typed = recipe.typed(&recipe.containerfile);
    let text = typed.and_then(|typed| typed.read_text(beneath::TEXT));
    text.map_err(|error| place::cannot("read", &recipe.root.join(&recipe.containerfile), &error))
}

/// Returns the images of packages that the Containerfile names and that nobody gives, with where they are named.
fn bases(recipe: &Recipe, text: &str) -> Result<Vec<(Base, Reference)>, Failure> {
    let wrong = |error: containerfile::Error| {
        let path = recipe.containerfile.clone();
        Failure::from(build::Error::Containerfile {
            path,
            source: Box::new(error),
        })
    };
    let file = containerfile::parse(text).map_err(wrong)?;
    let mut found: Vec<(Base, Reference)> = Vec::new();
    for name in &recipe.platforms {
        let platform: Platform = name.parse().map_err(build::Error::from)?;
        let mut scope = Scope::new(platform);
        scope.build_args.clone_from(&recipe.build_arguments);
        scope.target.clone_from(&recipe.target);
        for reference in file.references(&scope).map_err(wrong)? {
            if recipe.named(&reference.name).is_none()
                && let Some(base) = Base::read(&reference.name)
                && !found.iter().any(|(known, place)| {
                    *known == base && place.span.start == reference.span.start
                })
            {
                found.push((base, reference));
            }
        }
    }
    Ok(found)
}

/// Refuses images that not enough people have signed.
fn demand(judged: &[VerifiedPackage]) -> Result<(), Failure> {
    let bad: Vec<_> = judged.iter().filter(|image| !image.verified).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let problem = |image: &&VerifiedPackage| {
        let digest = image
            .digest
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let others = image
            .signatures
            .iter()
            .filter_map(|one| one.message.clone());
        let why: Vec<String> = image.problems.iter().cloned().chain(others).collect();
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({})", why.join("; "))
        };
        let (name, by) = (&image.name, SignedBy::from(*image));
        let message = format!("stagex/{name}@{digest} is not verified: signed by {by}{why}");
        let hint = "use a digest that enough people of your policy have signed; [trust] in your stagex.toml says where \
                    signatures lie";
        (
            printable::line(&message).into_owned(),
            Some(hint.to_owned()),
        )
    };
    Err(Failure::of(ErrorKind::NotVerified, bad.iter().map(problem)))
}

/// Finds out which images names stand for in a registry, for the one platform that is built for.
fn digests<'a>(
    context: &Context,
    from: &Repository,
    bases: &BTreeSet<&'a Base>,
    platforms: &[String],
) -> Result<BTreeMap<&'a Base, Digest>, Failure> {
    let [platform] = platforms else {
        let message = "--lock needs one platform: each has a digest of its own".to_owned();
        return Err(usage(message, Some("name one with --platform")));
    };
    let client = super::pull::client(context, "ask a registry")?;
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut digests = BTreeMap::new();
        for base in bases {
            let place = from.join(&base.package).map_err(registry::Error::from)?;
            let tag = base.tag.as_deref().unwrap_or(LATEST);
            let reference = format!("{place}:{tag}")
                .parse()
                .map_err(registry::Error::from)?;
            let resolving = client.resolve(&reference, platform);
            digests.insert(*base, wait::unless(&mut interrupted, resolving).await??);
        }
        Ok(digests)
    })
}

#[cfg(test)]
mod tests {
    use containerfile::{Platform, Scope};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("FROM stagex/core-a", Some("stagex/core-a"))]
    #[case(
        "FROM --platform=linux/amd64 stagex/core-a AS b",
        Some("stagex/core-a AS")
    )]
    #[case(
        "FROM scratch\nCOPY --from=stagex/core-a /stagex/core-a /",
        Some("stagex/core-a /stagex")
    )]
    #[case(
        "FROM scratch\nRUN --mount=source=/stagex/core-a,from=stagex/core-a,target=/x y",
        Some("stagex/core-a,target")
    )]
    #[case("ARG A=a\nFROM stagex/core-$A", None)]
    fn a_digest_is_written_behind_the_name_and_nowhere_else(
        #[case] text: &str,
        #[case] expected: Option<&str>,
    ) {
        let file = containerfile::parse(text).unwrap();
        let scope = Scope::new("linux/amd64".parse::<Platform>().unwrap());
        let reference = file.references(&scope).unwrap().remove(0);
        let base = Base::read(&reference.name).unwrap();
        let found = start(text, &base, &reference).ok().map(|at| &text[at..]);
        assert_eq!(found.is_some(), expected.is_some());
        assert!(
            found
                .zip(expected)
                .is_none_or(|(found, expected)| found.starts_with(expected))
        );
    }

    #[test]
    fn an_image_of_a_package_is_told_from_others() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let read = |text: &str| {
            Base::read(text).map(|base| (base.package, base.tag, base.digest.is_some()))
        };
        let musl = |tag: Option<&str>, pinned| {
            Some(("core-musl".to_owned(), tag.map(str::to_owned), pinned))
        };
        assert_eq!(read("stagex/core-musl"), musl(None, false));
        assert_eq!(
            read("docker.io/stagex/core-musl:1.2"),
            musl(Some("1.2"), false)
        );
        assert_eq!(
            read(&format!("stagex/core-musl@{digest}")),
            musl(None, true)
        );
        assert_eq!(
            read(&format!("stagex/core-musl:1.2@{digest}")),
            musl(Some("1.2"), true)
        );
        for other in [
            "debian",
            "stagex/musl",
            "stagex/core-musl@sha256:0",
            "quay.io/stagex/core-musl",
            "stagex/core-musl:",
            "xstagex/core-musl",
            "stagex/../core-musl",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
