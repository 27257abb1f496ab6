//! Which packages may be built at the same time, by the memory that they say they need.
//!
//! What says nothing counts as nothing: it is `jobs` that holds it back.

use std::collections::BTreeMap;

/// Where Linux says how much memory there is.
const MEMORY: &str = "/proc/meminfo";

/// Hands out the memory that was available at the beginning.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What there is, in bytes; nothing where nobody knows.
    available: Option<u64>,
    /// What running packages have asked for, by their places.
    taken: BTreeMap<usize, u64>,
}

impl Memory {
    /// Hands out what is available now.
    pub(crate) fn of_machine() -> Self {
        let text = std::fs::read_to_string(MEMORY).unwrap_or_default();
        Self::of(available(&text))
    }

    /// Hands out as much as is asked for: it is another machine's.
    pub(crate) fn of_others() -> Self {
        Self::of(None)
    }

    fn of(available: Option<u64>) -> Self {
        Self {
            available,
            taken: BTreeMap::new(),
        }
    }

    /// Tells whether a package that needs so many bytes may begin now. When nothing else that has
    /// asked for memory runs, it may in any case.
    pub(crate) fn suffices(&self, needed: Option<u64>) -> bool {
        let (Some(needed), Some(available)) = (needed, self.available) else {
            return true;
        };
        let taken: u64 = self.taken.values().sum();
        self.taken.is_empty() || taken.saturating_add(needed) <= available
    }

    /// Notes that a package has begun. Returns what there is if that is less than it needs.
    pub(crate) fn take(&mut self, package: usize, needed: Option<u64>) -> Option<u64> {
        let needed = needed?;
        self.taken.insert(package, needed);
        self.available.filter(|available| *available < needed)
    }

    /// Notes that a package has ended.
    pub(crate) fn give_back(&mut self, package: usize) {
        self.taken.remove(&package);
    }
}

/// Returns the bytes that can be had without swapping.
fn available(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_waits_and_never_for_ever() {
        let mut memory = Memory::of(available("MemTotal: 16 kB\nMemAvailable:   8 kB\n"));
        let kibibytes = |number: u64| Some(number * 1024);
        assert!(memory.suffices(kibibytes(20)), "nothing else runs");
        assert_eq!(memory.take(0, kibibytes(20)), kibibytes(8));
        assert!(!memory.suffices(kibibytes(1)) && memory.suffices(None));
        memory.give_back(0);
        assert_eq!(memory.take(1, kibibytes(5)), None);
        assert!(memory.suffices(kibibytes(3)) && !memory.suffices(kibibytes(4)));
    }
}
