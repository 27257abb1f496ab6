//! Which names a person may have meant.

/// How many names are offered at most.
const OFFERED: usize = 3;

/// Returns those of `known` that are most like `name`, the most alike first; none if none is
/// like it.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let mut near: Vec<_> = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter()
        .take(OFFERED)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Counts the edits between two names; a name that is contained whole is one edit away.
fn distance(name: &str, candidate: &str) -> usize {
    let edits = strsim::damerau_levenshtein(name, candidate);
    let contained = name.len() > 2 && candidate.split('-').any(|part| part == name);
    if contained { edits.min(1) } else { edits }
}

/// Returns a hint that offers the nearest names, if there are any.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(name, known);
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_most_alike_come_first_and_strangers_not_at_all() {
        let known = ["core-musl", "core-mold", "core-make", "user-linux-generic"];
        assert_eq!(nearest("core-mussl", known), ["core-musl"]);
        assert_eq!(nearest("core-mols", known)[0], "core-mold");
        assert_eq!(nearest("core-xyzzy", known), [""; 0]);
        assert_eq!(nearest("linux", known), ["user-linux-generic"]);
    }
}
