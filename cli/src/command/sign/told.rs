//! What `stagex sign` says: what is to be signed, and what came of each image.

use documents::{SignOutcome, SignedImage, SignedWhat, Version};
use sign::{Refused, Signer, Subject};
use trust::file_name;

use super::candidates::Candidates;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::print_problem;
use crate::options::Format;
use crate::render;

/// What came of each image so far.
pub(super) struct Told<'a> {
    context: &'a Context,
    certificate: Option<String>,
    images: Vec<SignedImage>,
    by_subkey: bool,
}

impl<'a> Told<'a> {
    /// Nothing is signed yet.
    pub(super) fn new(context: &'a Context, found: &Candidates) -> Self {
        let image = |image: &Result<Subject, Refused>| match image {
            Ok(subject) => SignedImage {
                package: subject.package.clone(),
                platform: subject.platform.clone(),
                outcome: SignOutcome::Unsigned {
                    what: what(found, subject),
                },
            },
            Err(refused) => SignedImage {
                package: refused.package.clone(),
                platform: refused.platform.clone(),
                outcome: SignOutcome::Refused {
                    message: refused.why.to_string(),
                    hint: refused.why.hint(&refused.package),
                },
            },
        };
        Self {
            context,
            certificate: None,
            images: found.images.iter().map(image).collect(),
            by_subkey: false,
        }
    }

    /// Notes who signs.
    pub(super) fn by(&mut self, signer: &Signer) {
        self.certificate = Some(signer.certificate.clone());
    }

    /// Notes that a subkey has signed. Tells whether it is the first time.
    pub(super) fn first_by_subkey(&mut self, signer: &Signer, key: &str) -> bool {
        let before = self.by_subkey;
        self.by_subkey |= signer.certificate != key;
        self.by_subkey && !before
    }

    /// Notes that an image was signed.
    pub(super) fn signed(&mut self, subject: &Subject, number: u32, key: &str) {
        let path = subject.place.path().join(file_name(number)).into_string();
        if self.context.format == Format::Human {
            render::result(&format!("{path} signed"));
        }
        let key = key.to_owned();
        self.change(subject, |what| SignOutcome::Signed { what, path, key });
    }

    /// Notes that an image was signed before.
    pub(super) fn already(&mut self, subject: &Subject, number: u32) {
        let path = subject.place.path().join(file_name(number)).into_string();
        if self.context.format == Format::Human {
            render::result(&format!("{path} is there already"));
        }
        self.change(subject, |what| SignOutcome::Already { what, path });
    }

    fn change(&mut self, subject: &Subject, outcome: impl FnOnce(SignedWhat) -> SignOutcome) {
        let is_it = |image: &&mut SignedImage| {
            image.package == subject.package && image.platform == subject.platform
        };
        let Some(image) = self.images.iter_mut().find(is_it) else {
            return;
        };
        if let SignOutcome::Unsigned { what } = &image.outcome {
            image.outcome = outcome(what.clone());
        }
    }

    /// Says what came of all of it.
    pub(super) fn tell(&self, interrupted: bool) {
        if self.context.format == Format::Json {
            render::json(&documents::Sign {
                version: Version,
                certificate: self.certificate.clone(),
                interrupted,
                images: self.images.clone(),
            });
        }
        let mut unsigned = 0;
        for SignedImage {
            package,
            platform,
            outcome,
        } in &self.images
        {
            let platform = platform.iter().map(|platform| format!(" {platform}"));
            let name = format!("{package}{}", platform.collect::<String>());
            match outcome {
                SignOutcome::Refused { message, hint } => {
                    print_problem("error", &format!("{name}: {message}"), hint.as_deref());
                }
                SignOutcome::Unsigned { what } => {
                    unsigned += 1;
                    if self.context.format == Format::Human {
                        render::result(&format!("{name} {} is not signed", what.digest));
                    }
                }
                SignOutcome::Signed { .. } | SignOutcome::Already { .. } => {}
            }
        }
        if unsigned > 0 && !self.context.verbosity.quiet {
            render::note(&format!("not signed: {}", render::count(unsigned, "image")));
        }
    }

    /// Returns of which kind the failure is; nothing if all that was asked for may be signed.
    pub(super) fn failure(&self, interrupted: bool) -> Option<ErrorKind> {
        let refused = |image: &SignedImage| matches!(image.outcome, SignOutcome::Refused { .. });
        if interrupted {
            return Some(ErrorKind::Interrupted);
        }
        self.images
            .iter()
            .any(refused)
            .then_some(ErrorKind::NotVerified)
    }
}

/// Returns what is signed of an image, and what speaks for it.
pub(super) fn what(found: &Candidates, subject: &Subject) -> SignedWhat {
    let (runtimes, forced) = (subject.reproduced.iter(), subject.forced.as_ref());
    SignedWhat {
        reference: subject.payload.reference(),
        digest: subject.payload.digest().clone(),
        reproduced_by: runtimes
            .map(|attempt| attempt.runtime.name.clone())
            .collect(),
        forced: forced.map(|forced| forced.reason.clone()),
        against: forced.map(|forced| forced.against.clone()),
        since: found.since(subject),
    }
}

/// Lists what is to be signed, for somebody who is asked.
pub(super) fn list(found: &Candidates, subjects: &[&Subject], signer: &Signer) {
    for subject in subjects {
        let what = what(found, subject);
        let by = match &what.forced {
            Some(reason) => {
                let against = what.against.as_deref().unwrap_or_default();
                format!("NOT reproduced: {against}: {reason}")
            }
            None => format!("reproduced by {}", what.reproduced_by.join(", ")),
        };
        let since = what.since.map_or_else(
            || "recorded in no commit".to_owned(),
            |since| format!("recorded since {} ({:.12})", since.date, since.commit),
        );
        render::note(&format!("{} {}", what.reference, what.digest));
        render::note(&printable::line(&format!("  {by}; {since}")));
    }
    let user = printable::line(&signer.user);
    render::note(&format!("with the key {} {user}", signer.certificate));
}

/// Says that not everybody takes the signature of a subkey.
pub(super) fn warn_of_subkey(key: &str) {
    print_problem(
        "warning",
        &format!(
            "{key} is a subkey, and Podman before containers/image#2905 refuses what a subkey signed"
        ),
        Some(
            "if Podman of Debian 12 or 13 has to take it, sign with the primary key: --key FINGERPRINT!",
        ),
    );
}
