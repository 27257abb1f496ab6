//! `stagex explain`: why an image is not canonical, or which variant of one has a digest.

use std::fmt::Write as _;

use camino::Utf8Path;
use canon::Digest;
use documents::{Explain, ExplainVerdict};

use super::known::KnownImage;
use super::scratch::Scratch;
use super::words;
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, usage};
use crate::options::Format;
use crate::render;

/// What digests begin with; it may be left out.
const ALGORITHM: &str = "sha256:";

pub(in super::super) fn run(
    context: &Context,
    arguments: &arguments::Explain,
) -> Result<Exit, Failure> {
    let document = match (digest(&arguments.image.input), &arguments.of) {
        (Some(digest), Some(of)) => of_digest(context, arguments, digest, of)?,
        (Some(_), None) => {
            let message = "a digest alone says nothing of an image".to_owned();
            let hint = "say with --of which image or package it should be the digest of";
            return Err(usage(message, Some(hint)));
        }
        (None, Some(_)) => {
            let message = format!("`{}` is not a digest", arguments.image.input);
            let hint = "expected sha256: and 64 hex digits; without --of, an image is explained";
            return Err(usage(message, Some(hint)));
        }
        (None, None) => {
            let found = KnownImage::new(context, &arguments.image)?;
            let scratch = Scratch::new(None)?;
            scratch.run(found, |request, layout, work| {
                canon::explain(request, layout, work)
            })?
        }
    };
    match context.format {
        Format::Json => render::json(&document),
        Format::Human => render::result(&text(&document)),
    }
    Ok(match document.verdict {
        ExplainVerdict::Canonical | ExplainVerdict::Explained => Exit::Success,
        ExplainVerdict::Unexplained => ErrorKind::Differs.into(),
    })
}

/// Reads a digest. Something that is there under that name is meant before.
fn digest(input: &Utf8Path) -> Option<Digest> {
    let text = input.as_str();
    let hex = text.strip_prefix(ALGORITHM).unwrap_or(text);
    let digest = format!("{ALGORITHM}{hex}").parse().ok()?;
    (!input.exists()).then_some(digest)
}

fn of_digest(
    context: &Context,
    arguments: &arguments::Explain,
    digest: Digest,
    of: &Utf8Path,
) -> Result<Explain, Failure> {
    let found = KnownImage::of(context, of, &arguments.image)?;
    let scratch = Scratch::new(None)?;
    scratch.run(found, move |request, layout, work| {
        canon::explain_digest(request, &digest, layout, work)
    })
}

/// Returns the answer, and then what there is to say of it.
fn text(document: &Explain) -> String {
    let mut text = format!("{}\n", document.sentence);
    if document.causes.len() > 1 {
        for cause in &document.causes {
            let _ = writeln!(text, "  {}{}", cause.sentence, layers(&cause.layers));
        }
    }
    if let Some(canon) = &document.canon {
        let (repository, tag) = (&canon.repository, &canon.tag);
        let hex = canon.digest.hex();
        let _ = writeln!(text, "canonical: {hex} {repository}:{tag}");
        if document.tried == 0 {
            text += &words::changes(canon);
        }
    }
    if let Some(refused) = &document.refused {
        let _ = writeln!(text, "its canonical form is not known: {refused}");
    }
    if let Some(hint) = &document.refused_hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    match document.verdict {
        ExplainVerdict::Unexplained => {
            text += "`stagex diff` says what differs between two images\n";
        }
        ExplainVerdict::Explained if document.tried == 0 && document.canon.is_some() => {
            text += "`stagex canon --output` writes the canonical image\n";
        }
        _ => {}
    }
    text
}

/// Returns which layers it is, if it is not all.
fn layers(layers: &[u64]) -> String {
    let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
    match layers.as_slice() {
        [] => String::new(),
        [only] => format!(" (layer {only})"),
        several => format!(" (layers {})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use documents::{ExplainCause, ExplainReason, Version};

    use super::{Explain, ExplainVerdict, text};

    #[test]
    fn what_helps_is_said_and_what_cannot_be_done_is_not() {
        let cause = ExplainCause {
            cause: ExplainReason::Buildah,
            sentence: "Buildah built it".to_owned(),
            layers: Vec::new(),
        };
        let document = Explain {
            version: Version,
            subject: "image.tar".to_owned(),
            verdict: ExplainVerdict::Explained,
            sentence: cause.sentence.clone(),
            causes: vec![cause],
            tried: 0,
            canon: None,
            refused: Some("its history is another".to_owned()),
            refused_hint: Some("name its Containerfile".to_owned()),
        };
        let expected = "Buildah built it\n\
            its canonical form is not known: its history is another\n\
            hint: name its Containerfile\n";
        assert_eq!(text(&document), expected);
    }
}
