//! What stands on pages: the templates, and words for what they show. What others wrote is made printable here, and is
//! escaped by the templates.

use std::fmt::Write as _;

use documents::{Attempt, Report, ReportState};

/// What surrounds every page.
pub(crate) struct Frame {
    pub(crate) policy: String,
    pub(crate) style: &'static str,
    /// The way from the page to the top of the report.
    pub(crate) up: &'static str,
    pub(crate) stagex: String,
    pub(crate) profile: String,
    pub(crate) newest: Option<String>,
    pub(crate) commit: Option<String>,
}

impl Frame {
    pub(crate) fn new(report: &Report, stagex: &str, up: &'static str) -> Self {
        let tree = report.tree.as_ref();
        let commit = tree.and_then(|tree| tree.commit.as_deref());
        Self {
            policy: crate::policy::policy(),
            style: crate::policy::STYLE,
            up,
            stagex: stagex.to_owned(),
            profile: shown(&report.profile),
            newest: report.newest.clone(),
            commit: commit.map(shown),
        }
    }
}

/// Returns a text of somebody else's without what is not seen.
pub(crate) fn shown(text: &str) -> String {
    printable::line(text).into_owned()
}

/// Returns the class of a state, which decides about its colour.
pub(crate) const fn class_of(state: ReportState) -> &'static str {
    match state {
        ReportState::Reproduced => "r",
        ReportState::Differs => "d",
        ReportState::Unstable => "u",
        ReportState::Failed => "f",
        ReportState::Outdated => "o",
        ReportState::NotRecorded | ReportState::Missing => "n",
    }
}

/// Returns the path of a package's page from the top of the report.
pub(crate) fn page_of(package: &str) -> String {
    format!("package/{}", file_of(package))
}

/// Returns the name of the file of a page. What is not usual in a name is replaced by its code, so that a name
/// leads nowhere else and no two have one file.
pub(crate) fn file_of(name: &str) -> String {
    let mut file = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@') {
            file.push(letter);
        } else {
            let _ = write!(file, "={:x}=", u32::from(letter));
        }
    }
    file + ".html"
}

/// Returns a duration for people.
pub(crate) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    if minutes >= 60.0 {
        format!(
            "{:.0} h {:02.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    } else if minutes >= 1.0 {
        format!("{minutes:.0} min {:02.0} s", (seconds % 60.0).floor())
    } else {
        format!("{seconds:.1} s")
    }
}

/// Returns what happened in an attempt, in words.
pub(crate) fn happened(attempt: &Attempt, state: ReportState) -> String {
    if let Some(failure) = &attempt.failure {
        return shown(&failure.message);
    }
    if let Some(variation) = &attempt.broken_by {
        return format!("The image changes with: {}", shown(variation));
    }
    match state {
        ReportState::Differs => "The digest is not the recorded one.".to_owned(),
        ReportState::Unstable => "The rounds do not have one digest.".to_owned(),
        ReportState::Outdated => "It was not built from what is recorded now.".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::file_of;

    #[test]
    fn a_name_leads_nowhere_else() {
        assert_eq!(file_of("core-musl"), "core-musl.html");
        assert_eq!(file_of("../a"), "..=2f=a.html");
        assert_ne!(file_of("a+b"), file_of("a=2b=b"));
    }
}
