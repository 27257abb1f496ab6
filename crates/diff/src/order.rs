//! What order the same names have in two lists, and what gave it to them. It does not know what is named.

use std::collections::BTreeMap;

use documents::DiffCause;

/// Returns how many of the numbers have to be moved to bring them into order.
pub(crate) fn moved(numbers: &[usize]) -> usize {
    // The last numbers of the best rising rows of each length.
    let mut ends: Vec<usize> = Vec::new();
    for number in numbers {
        let place = ends.partition_point(|end| end < number);
        match ends.get_mut(place) {
            Some(end) => *end = *number,
            None => ends.push(*number),
        }
    }
    numbers.len() - ends.len()
}

/// Returns what gave two orders to the same names: another locale, if one of them is sorted by bytes and the
/// other without regard to case and punctuation; otherwise something that has no order.
pub(crate) fn cause(left: &[&[u8]], right: &[&[u8]]) -> DiffCause {
    let by_bytes = |names| is_sorted(names, <[u8]>::to_vec);
    let by_locale = |names| is_sorted(names, as_a_locale);
    if (by_bytes(left) && by_locale(right)) || (by_bytes(right) && by_locale(left)) {
        DiffCause::Locale
    } else {
        DiffCause::UnstableOrder
    }
}

/// Returns by what a locale sorts first.
fn as_a_locale(name: &[u8]) -> Vec<u8> {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(u8::to_ascii_lowercase).collect()
}

/// Tells whether the names in each directory are sorted by a key.
fn is_sorted(names: &[&[u8]], key: fn(&[u8]) -> Vec<u8>) -> bool {
    let mut last: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    names.iter().all(|name| {
        let slash = name.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = name.split_at(slash.map_or(0, |slash| slash + 1));
        let key = key(name);
        let before = last.insert(directory, key.clone());
        before.is_none_or(|before| before <= key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(left: &[&str], right: &[&str]) -> DiffCause {
        let left: Vec<&[u8]> = left.iter().map(|name| name.as_bytes()).collect();
        let right: Vec<&[u8]> = right.iter().map(|name| name.as_bytes()).collect();
        cause(&left, &right)
    }

    #[test]
    fn an_order_of_a_locale_is_told_from_none() {
        assert_eq!(of(&["B", "_c", "a"], &["a", "B", "_c"]), DiffCause::Locale);
        assert_eq!(
            of(&["a", "b", "c"], &["b", "c", "a"]),
            DiffCause::UnstableOrder
        );
        // Each directory by itself.
        assert_eq!(
            of(&["z/A", "z/b", "y/c"], &["y/c", "z/b", "z/A"]),
            DiffCause::UnstableOrder
        );
    }

    #[test]
    fn the_fewest_are_moved() {
        assert_eq!(moved(&[0, 1, 2]), 0);
        assert_eq!(moved(&[2, 0, 1]), 1);
        assert_eq!(moved(&[2, 1, 0]), 2);
        assert_eq!(moved(&[]), 0);
    }
}
