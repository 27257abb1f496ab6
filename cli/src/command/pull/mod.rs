//! `stagex pull`: an image of a registry as an OCI layout; and the same for commands that look at one.

mod client;
mod missing;
mod source;

use documents::{Pull, Version};
use registry::{Reference, Repository, Version as Named};
use state::Digests;

use crate::arguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, usage};
use crate::options::Format;
use crate::place;
use crate::render;
use crate::wait;

pub(super) use client::client;
pub(super) use missing::{bring, not_found};
pub(super) use source::source;

pub(super) fn run(context: &Context, arguments: &arguments::Pull) -> Result<Exit, Failure> {
    let reference = reference(context, arguments)?;
    let client = client(context, "pull")?;
    let (parent, name) = place::parent(&context.directory, &arguments.output)?;
    let platform = arguments.platform.as_deref();
    let pulled = wait::block_on(async {
        let mut interrupted = wait::watch();
        let fetching = client.fetch(&reference, platform, &parent, &name);
        Ok(wait::unless(&mut interrupted, fetching).await??)
    })?;
    let (repository, digest) = (&reference.repository, pulled.digest);
    if let (Named::Tag(tag), false) = (&reference.version, context.verbosity.quiet) {
        render::note(&format!("{repository}:{tag} is {digest} now"));
    }
    match context.format {
        Format::Json => render::json(&Pull {
            version: Version,
            image: format!("{repository}@{digest}"),
            digest: digest.into(),
            layout: arguments.output.to_string(),
            images: pulled.images,
            bytes: pulled.bytes,
        }),
        Format::Human => render::result(&format!("{repository}@{digest}")),
    }
    Ok(Exit::Success)
}

/// Returns what names the image in a registry.
fn reference(context: &Context, arguments: &arguments::Pull) -> Result<Reference, Failure> {
    let image = &arguments.image;
    if image.contains(['/', '@', ':']) {
        if arguments.from.is_some() {
            let message = format!("--from is for the name of a package, and `{image}` is none");
            let hint = "leave --from out: the image's own name says where it is";
            return Err(usage(message, Some(hint)));
        }
        return Ok(image.parse().map_err(registry::Error::from)?);
    }
    let recorded = Digests::read(&context.directory)?;
    let (stage, _) = image.split_once('-').unwrap_or_default();
    let platform = arguments.platform.as_deref();
    let of_platform = platform.and_then(|platform| recorded.of(stage, image, Some(platform)));
    let Some(digest) = of_platform.or_else(|| recorded.of(stage, image, None)) else {
        let hint =
            "name a package by its full name, such as core-musl, or write HOST/NAME@sha256:DIGEST";
        return Err(usage(
            format!("no digest of `{image}` is recorded"),
            Some(hint),
        ));
    };
    let named = |from: &Repository| Ok(from.join(image)?.at(digest));
    let named = match &arguments.from {
        Some(from) => named(from),
        None => arguments::PUBLISHED.parse().and_then(|from| named(&from)),
    };
    Ok(named.map_err(registry::Error::from)?)
}
