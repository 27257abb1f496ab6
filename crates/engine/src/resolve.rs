//! From a package's Containerfile to the build that its target needs: every variable expanded,
//! with what the base images hand on.

use std::fs;

use camino::Utf8Path;
use containerfile::{Build, Containerfile, Platform, ReferenceKind, Scope};
use oci_image::Layout;
use package_tree::PlannedPackage;

use crate::error::{Error, IoContext, PLATFORMS};
use crate::folders::Folders;

/// What the names of packages begin with in a Containerfile.
const PACKAGES: &str = "stagex/";

/// Returns the full name of the package that `reference` names, if it names one: the part after
/// `stagex/`, without tag and digest.
pub(crate) fn package_named(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix(PACKAGES)?;
    name.split([':', '@']).next()
}

/// Returns the platform that a package is built for.
pub(crate) fn platform(package: &PlannedPackage) -> Result<&str, Error> {
    match package.platforms.as_slice() {
        [only] if PLATFORMS.contains(&only.as_str()) => Ok(only),
        [other] => Err(Error::Platform {
            platform: other.clone(),
        }),
        _ => Err(Error::SeveralPlatforms {
            platforms: package.platforms.clone(),
        }),
    }
}

/// Reads and resolves a package's Containerfile.
pub(crate) fn resolve(
    root: &Utf8Path,
    folders: &Folders,
    package: &PlannedPackage,
) -> Result<(Containerfile, Build), Error> {
    let path = root.join(&package.containerfile);
    let wrong = |error: containerfile::Error| Error::Containerfile {
        path: package.containerfile.clone(),
        source: Box::new(error),
    };
    let text = fs::read_to_string(&path).at("read", &path)?;
    let file = containerfile::parse(&text).map_err(wrong)?;

    let name = platform(package)?;
    let wanted: Platform = name.parse().map_err(|_| Error::Platform {
        platform: name.to_owned(),
    })?;
    let mut scope = Scope::new(wanted);
    scope.build_platform = build_platform();
    scope.build_args.clone_from(&package.build_args);
    scope.target.clone_from(&package.target);
    for reference in file.references(&scope).map_err(wrong)? {
        if reference.kind == ReferenceKind::Base
            && let Some(needed) = package_named(&reference.name)
            && package.dependencies.iter().any(|name| name == needed)
        {
            let base = Layout::open(&folders.output(needed))?;
            let facts = oci_image::image_facts(base.config())?;
            scope.images.insert(reference.name, facts);
        }
    }
    let build = file.resolve(&scope).map_err(wrong)?;
    Ok((file, build))
}

/// Returns the platform that builds run on, as BUILDPLATFORM names it.
fn build_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    }
}
