//! Versions, the forms that a tree derives from them, and the placeholders that stand for those
//! forms in the names of sources.

/// The names that may stand between braces.
pub(crate) const PLACEHOLDERS: [&str; 7] = [
    "version",
    "version_under",
    "version_dash",
    "version_major",
    "version_major_minor",
    "version_strip_suffix",
    "format",
];

/// The forms of a version, each by its name as a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version<'a>(pub &'a str);

impl Version<'_> {
    pub(crate) fn under(self) -> String {
        self.0.replace('.', "_")
    }

    pub(crate) fn dash(self) -> String {
        self.0.replace('.', "-")
    }

    /// Returns what stands before the first dot.
    pub(crate) fn major(self) -> String {
        self.0.split('.').next().unwrap_or_default().to_owned()
    }

    /// Returns the first two parts, if there are two.
    pub(crate) fn major_minor(self) -> Option<String> {
        let mut parts = self.0.splitn(3, '.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    }

    /// Returns what stands before the first dash.
    pub(crate) fn strip_suffix(self) -> String {
        self.0.split('-').next().unwrap_or_default().to_owned()
    }
}

/// The most bytes that a name is given when its placeholders are replaced. No name may be as long.
const LONGEST: usize = 4096;

/// Replaces each `{name}` of `text` by what `value` gives for it; `{{` and `}}` are braces.
///
/// # Errors
///
/// A message if a brace has no partner, `value` has nothing for a name, or the whole is too long.
pub(crate) fn expand(
    text: &str,
    value: impl Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        expanded.push_str(&rest[..at]);
        if expanded.len() > LONGEST {
            break;
        }
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix(brace) {
            expanded.push_str(brace);
            rest = escaped;
        } else if brace == "{" {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a `{{` without its `}}`"))?;
            expanded.push_str(&value(name)?);
            rest = behind;
        } else {
            return Err(format!("`{text}` has a `}}` without its `{{`"));
        }
    }
    if expanded.len() + rest.len() > LONGEST {
        return Err(format!("a name is longer than {LONGEST} bytes"));
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Returns what the placeholder `name` stands for.
///
/// # Errors
///
/// A message if there is no such placeholder, or the version has no such form.
pub(crate) fn placeholder(name: &str, version: &str, format: &str) -> Result<String, String> {
    let forms = Version(version);
    let form = match name {
        "format" => return Ok(format.to_owned()),
        "version" => version.to_owned(),
        "version_under" => forms.under(),
        "version_dash" => forms.dash(),
        "version_major" => forms.major(),
        "version_major_minor" => forms
            .major_minor()
            .ok_or_else(|| format!("version `{version}` has no minor part for `{{{name}}}`"))?,
        "version_strip_suffix" => forms.strip_suffix(),
        _ => {
            let known = PLACEHOLDERS.map(|known| format!("{{{known}}}")).join(", ");
            return Err(format!(
                "there is no placeholder `{{{name}}}`, expected one of {known}"
            ));
        }
    };
    if version.is_empty() {
        return Err(format!("`{{{name}}}` needs a version, and there is none"));
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("{version}", "1.2.3-rc1")]
    #[case("{version_under}", "1_2_3-rc1")]
    #[case("{version_dash}", "1-2-3-rc1")]
    #[case("{version_major}", "1")]
    #[case("{version_major_minor}", "1.2")]
    #[case("{version_strip_suffix}", "1.2.3")]
    #[case("a-{version_major}.{format}", "a-1.tar.gz")]
    #[case("{{{version_major}}}", "{1}")]
    fn placeholders_stand_for_forms(#[case] text: &str, #[case] expected: &str) {
        let value = |name: &str| placeholder(name, "1.2.3-rc1", "tar.gz");
        assert_eq!(expand(text, value).unwrap(), expected);
    }

    #[rstest]
    #[case("{versoin}", "there is no placeholder `{versoin}`")]
    #[case("{version", "without its")]
    #[case("version}", "without its")]
    fn what_cannot_be_expanded_is_said(#[case] text: &str, #[case] expected: &str) {
        let error = expand(text, |name| placeholder(name, "1", "")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_form_that_a_version_does_not_have_is_said() {
        assert!(
            placeholder("version_major_minor", "12", "")
                .unwrap_err()
                .contains("no minor part")
        );
        assert!(
            placeholder("version", "", "")
                .unwrap_err()
                .contains("needs a version")
        );
    }
}
