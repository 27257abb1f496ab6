//! Why an image is not canonical, and which variant of one has a digest.

use std::fs;

use camino::Utf8Path;
use documents::{Explain, ExplainCause, ExplainVerdict, Version};
use oci_image::Digest;

use crate::canon::{Plan, canon};
use crate::error::Error;
use crate::facts::Manifest;
use crate::reasons::{Evidence, Reasons, is_known};
use crate::request::Request;
use crate::unpack::unpack;
use crate::variants::Variants;

/// Says why an image is not canonical. Its canonical form is written to `destination`, and its layers are unpacked
/// into `work`, an empty directory.
///
/// # Errors
///
/// What keeps the image from being read; or from having a canonical form, if no reason is known either.
pub fn explain(
    request: &Request<'_>,
    destination: &Utf8Path,
    work: &Utf8Path,
) -> Result<Explain, Error> {
    let (image, profile) = (request.image, request.profile);
    let manifest = Manifest::of(image)?;
    let history = oci_image::history(&image.config.bytes)?;
    let unpacked = unpack(&image.layers, work, profile.epoch)?;
    let canonical =
        Plan::new(request).and_then(|plan| plan.write(request, &unpacked, (destination, work)));
    let (canon, refused) = match canonical {
        Ok(canonical) => (Some(canonical.document), None),
        Err(error) if error.is_of_knowledge() => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let evidence = Evidence {
        image,
        manifest: &manifest,
        history: &history,
        unpacked: &unpacked,
        profile,
        canon: canon.as_ref(),
    };
    let is_canonical = canon.as_ref().is_some_and(|canon| canon.is_canonical);
    let causes = if is_canonical {
        Vec::new()
    } else {
        evidence.reasons().into_causes()
    };
    let verdict = if is_canonical {
        ExplainVerdict::Canonical
    } else {
        verdict(&causes)
    };
    let refused = match (verdict, refused) {
        (ExplainVerdict::Unexplained, Some(error)) => return Err(error),
        (_, refused) => refused,
    };
    Ok(Explain {
        version: Version,
        subject: request.input.to_owned(),
        verdict,
        sentence: sentence(verdict, &causes),
        causes,
        tried: 0,
        canon,
        refused_hint: refused.as_ref().and_then(Error::hint),
        refused: refused.map(|error| error.to_string()),
    })
}

/// Says which variant of an image has a digest.
///
/// # Errors
///
/// What keeps the image from having a canonical form.
pub fn explain_digest(
    request: &Request<'_>,
    digest: &Digest,
    destination: &Utf8Path,
    work: &Utf8Path,
) -> Result<Explain, Error> {
    let canonical = canon(request, destination, work)?;
    let variants = work.join("variants");
    fs::create_dir(&variants).map_err(|source| Error::Unpack {
        path: variants.clone(),
        source,
    })?;
    let mut variants = Variants::new(&canonical, request.profile, variants);
    let found = variants.find(digest)?;
    let mut reasons = Reasons::default();
    let verdict = match &found {
        None => ExplainVerdict::Unexplained,
        Some(found) if found.is_empty() => ExplainVerdict::Canonical,
        Some(_) => ExplainVerdict::Explained,
    };
    for reason in found.into_iter().flatten() {
        reasons.add(reason);
    }
    let causes = reasons.into_causes();
    Ok(Explain {
        version: Version,
        subject: digest.to_string(),
        verdict,
        sentence: match verdict {
            ExplainVerdict::Canonical => "it is the canonical digest of this image".to_owned(),
            ExplainVerdict::Explained => sentence(verdict, &causes),
            ExplainVerdict::Unexplained => {
                let count = variants.tried;
                format!(
                    "none of {count} variants of this image has this digest: its contents may differ"
                )
            }
        },
        causes,
        tried: variants.tried,
        canon: Some(canonical.document),
        refused: None,
        refused_hint: None,
    })
}

fn verdict(causes: &[ExplainCause]) -> ExplainVerdict {
    if causes.iter().any(|cause| is_known(cause.cause)) {
        ExplainVerdict::Explained
    } else {
        ExplainVerdict::Unexplained
    }
}

fn sentence(verdict: ExplainVerdict, causes: &[ExplainCause]) -> String {
    match (verdict, causes) {
        (ExplainVerdict::Canonical, _) => "it is canonical".to_owned(),
        (_, [only]) => only.sentence.clone(),
        (_, [first, others @ ..]) => {
            let more = match others.len() {
                1 => "there is 1 more reason".to_owned(),
                count => format!("there are {count} more reasons"),
            };
            format!("{}, and {more}", first.sentence)
        }
        (_, []) => "it differs, and it is not known why".to_owned(),
    }
}
