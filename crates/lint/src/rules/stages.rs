//! The stages of a Containerfile: which of them are needed, which becomes the image, and what they are called.
//!
//! It does not know what they do.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::subject::Subject;
use crate::table::{PACKAGE_NOT_LAST, STAGE_NAME, UNREACHABLE_STAGE};

/// The stage that becomes the image.
const PACKAGE: &str = "package";

/// The stage of the tree whose packages are environments: most of them have a stage without a name.
const PALLET: &str = "pallet";

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    unreachable(subject, found);
    let Some(package) = &subject.package else {
        return;
    };
    let has_targets = package.outputs.iter().any(|output| output.target.is_some());
    let Some(last) = subject.file.stages.last().filter(|_| !has_targets) else {
        return;
    };
    if last.name.as_deref() == Some(PACKAGE) {
        return;
    }
    let name = subject.stage_name(subject.file.stages.len() - 1);
    let mut stages = subject.file.stages.iter();
    if let Some(stage) = stages.find(|stage| stage.name.as_deref() == Some(PACKAGE)) {
        let message = format!("stage `{name}`, which is the last, becomes the image");
        found.push(
            subject
                .containerfile
                .finding(&PACKAGE_NOT_LAST, stage.span, message),
        );
    } else if package.stage != PALLET && !package.outputs.is_empty() {
        let message = format!("stage `{name}` becomes the image");
        found.push(
            subject
                .containerfile
                .finding(&STAGE_NAME, last.span, message),
        );
    }
}

/// Notes stages that no output needs.
fn unreachable(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    if !subject.all_build || subject.builds.is_empty() {
        return;
    }
    let builds = subject.builds.iter();
    let needed = builds.flat_map(|build| build.stages.iter().map(|stage| stage.id.0));
    let needed: BTreeSet<usize> = needed.collect();
    for (number, stage) in subject.file.stages.iter().enumerate() {
        if !needed.contains(&number) {
            let name = subject.stage_name(number);
            let message = format!("nothing needs stage `{name}`");
            found.push(
                subject
                    .containerfile
                    .finding(&UNREACHABLE_STAGE, stage.span, message),
            );
        }
    }
}
