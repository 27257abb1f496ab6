//! What came of an input on two sides, and of which kind a difference is.

use oci_image::ImageSet;

use super::built::{Built, Refusal};
use super::side::Side;
use crate::contrast::Contrast;
use crate::oracle::Sentence;

/// How many lines of what an engine printed are told.
const LAST_LINES: usize = 8;

/// What came of an input on two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The same image.
    Equal,
    /// No image on either side.
    RefusedByBoth {
        /// Why, without what is particular to the input.
        reason: String,
        /// Why, as the column says it.
        message: String,
    },
    /// One refused it while planning, and the other built it.
    RefusedWhilePlanning {
        /// Who refused it.
        who: String,
        /// Why, without what is particular to the input.
        reason: String,
        /// Why.
        message: String,
    },
    /// They differ.
    Differs(Difference),
    /// Nothing can be said of it.
    Broken(String),
    /// The user interrupted it.
    Interrupted,
}

/// How two sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Differences of the same kind have the same.
    pub(crate) kind: String,
    /// The first thing that differs: what the other side gives is expected, and what the column gives is found.
    pub(crate) contrast: Contrast,
}

/// Compares what a column gave with what another side gave.
pub(crate) fn compare(column: &Side, built: &Built, other: &Side, expected: &Built) -> Outcome {
    match (built, expected) {
        (Built::Interrupted, _) | (_, Built::Interrupted) => Outcome::Interrupted,
        (Built::Broken(why), _) | (_, Built::Broken(why)) => Outcome::Broken(why.clone()),
        (Built::Refused(refusal), Built::Refused(_)) => Outcome::RefusedByBoth {
            reason: general(&refusal.reason),
            message: refusal.message.clone(),
        },
        (Built::Refused(refusal), Built::Image(_)) => refused(column, other, refusal, true),
        (Built::Image(_), Built::Refused(refusal)) => refused(other, column, refusal, false),
        (Built::Image(found), Built::Image(expected)) => images(found, other, expected),
    }
}

/// Says what it means that one side refuses what the other builds.
fn refused(who: &Side, other: &Side, refusal: &Refusal, is_column: bool) -> Outcome {
    let message = refusal.message.clone();
    if refusal.while_planning {
        return Outcome::RefusedWhilePlanning {
            who: who.name(),
            reason: general(&refusal.reason),
            message,
        };
    }
    let (who, other) = (who.name(), other.name());
    let last = refusal.output.iter().rev().take(LAST_LINES);
    let last: Vec<&str> = last.map(String::as_str).collect();
    let output: Vec<&str> = last.into_iter().rev().collect();
    let failed = format!("{message}\n{}", output.join("\n"));
    let image = "an image".to_owned();
    let (expected, found) = if is_column {
        (image, failed)
    } else {
        (failed, image)
    };
    Outcome::Differs(Difference {
        kind: format!("{who} fails, {other} builds: {}", general(&refusal.reason)),
        contrast: Contrast {
            place: format!("{who} fails, and {other} builds it"),
            expected,
            found,
        },
    })
}

fn images(found: &ImageSet, other: &Side, expected: &ImageSet) -> Outcome {
    let sentence = match other {
        // The canonical image is the column's.
        Side::Oracle(oracle) => match oracle.compare_all(found, expected) {
            Ok(Sentence::Differs(contrast)) => Ok(Some(Contrast {
                expected: contrast.found,
                found: contrast.expected,
                ..contrast
            })),
            Ok(Sentence::Same) => Ok(None),
            Err(why) => Err(why),
        },
        Side::Column { .. } => between(found, expected),
    };
    match sentence {
        Err(why) => Outcome::Broken(why),
        Ok(None) => Outcome::Equal,
        Ok(Some(contrast)) => Outcome::Differs(Difference {
            kind: kind_of(&contrast.place),
            contrast,
        }),
    }
}

/// Returns the first difference between two canonical images.
fn between(found: &ImageSet, expected: &ImageSet) -> Result<Option<Contrast>, String> {
    if found.digest() == expected.digest() {
        return Ok(None);
    }
    for (expected, found) in expected.images().iter().zip(found.images()) {
        let first = oci_image::first_difference(expected, found);
        if let Some(difference) = first.map_err(crate::bench::text)? {
            return Ok(Some(Contrast::from(&difference)));
        }
    }
    Ok(Some(Contrast::of_digests(
        expected.digest(),
        found.digest(),
    )))
}

/// Returns of which kind a difference at a place is: without the numbers of layers and the names of files.
fn kind_of(place: &str) -> String {
    let parts: Vec<&str> = place.split(": ").collect();
    let ends = match parts.as_slice() {
        [first, .., last] => format!("{first}: {last}"),
        _ => place.to_owned(),
    };
    general(&ends)
}

/// Returns a message without what is particular to one input: numbers, names in quotation marks, paths.
pub(super) fn general(message: &str) -> String {
    let mut words = Vec::new();
    let mut quoted = None;
    for word in message.lines().next().unwrap_or_default().split(' ') {
        let mut plain = String::new();
        for c in word.chars() {
            match quoted {
                Some(end) if c == end => quoted = None,
                None if c == '`' || c == '"' => {
                    quoted = Some(c);
                    plain.push_str("...");
                }
                None if !c.is_ascii_digit() => plain.push(c),
                _ => {}
            }
        }
        let is_path = plain.contains('/') || plain.contains("Containerfile");
        if is_path {
            "...".clone_into(&mut plain);
        }
        if !plain.is_empty() {
            words.push(plain);
        }
    }
    words.dedup();
    words.join(" ").chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::{general, kind_of};

    #[test]
    fn a_kind_is_of_many_inputs() {
        assert_eq!(
            kind_of("layer 3: app/a: b: mode"),
            kind_of("layer 0: w/f: mode")
        );
        assert_eq!(
            kind_of("config: history[12].created_by"),
            "config: history[].created_by"
        );
        assert_ne!(
            kind_of("layer 3: app/f: mode"),
            kind_of("layer 3: app/f: uid")
        );
        assert_eq!(
            general("ctx/Containerfile:3:5: `a b` has no \"x\" 12"),
            general("ctx/Containerfile:14:5: `c` has no \"y z\" 3")
        );
    }
}
