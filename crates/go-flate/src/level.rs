//! The levels that Go's lazy encoder has, and how hard it tries at each.
//!
//! Knows the numbers; what they limit is known where matches are looked for.

/// How hard the encoder tries: one of Go's levels 4 to 9.
///
/// A higher level gives a smaller file and takes longer. Every level gives another file. Go's
/// levels 1 to 3 are other encoders, and are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// Go's `BestCompression`: 9.
    pub const BEST: Self = Self(9);
    /// Go's `DefaultCompression`: 6.
    pub const DEFAULT: Self = Self(6);
    /// The lowest that is offered: 4.
    pub const LOWEST: Self = Self(4);

    /// Returns the level of that number, if it is offered.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            4..=9 => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns what Go's table of levels says.
    pub(crate) const fn effort(self) -> Effort {
        // Go's table has a fourth number, which would shorten the search for a match that is to
        // beat a good one. Its encoder never passes on the match to beat, so that has no effect.
        let (good_enough, nice, candidates) = match self.0 {
            4 => (4, 16, 16),
            5 => (16, 32, 32),
            6 => (16, 128, 128),
            7 => (32, 128, 256),
            8 => (128, 258, 1024),
            _ => (258, 258, 4096),
        };
        Effort {
            good_enough,
            nice,
            candidates,
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// When the encoder stops trying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// With a match of this length in hand, the next byte is not tried.
    pub(crate) good_enough: u16,
    /// A match at least this long ends the search.
    pub(crate) nice: u16,
    /// How many earlier positions a search looks at.
    pub(crate) candidates: u32,
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn only_levels_of_the_lazy_encoder_are_offered() {
        let offered: Vec<u8> = (0..=u8::MAX)
            .filter_map(Level::new)
            .map(Level::number)
            .collect();
        assert_eq!(offered, [4, 5, 6, 7, 8, 9]);
    }
}
