//! How much of the Containerfile's grammar a Docker has, by the release of its daemon, or of a BuildKit of its own.
//!
//! It does not know how that is found out.

use crate::parse::Release;

/// The release with BuildKit 0.10 inside: it knows heredocs and RUN's networks, honours limits,
/// and takes away what it mounts. Its client builds by buildx alone.
pub(crate) const WITH_BUILDX: Release = Release::new(23, 0);
/// The release with BuildKit 0.25 inside, which has `--exclude`, `--unpack`, and modes in letters.
const WITH_EXCLUDE: Release = Release::new(28, 5);
/// The release with BuildKit 0.26 inside, which has `--parents`.
const WITH_PARENTS: Release = Release::new(29, 1);

/// The same of BuildKit itself, where it is not the one inside of a daemon.
const BUILDKIT_WITH_HEREDOCS: Release = Release::new(0, 10);
const BUILDKIT_WITH_EXCLUDE: Release = Release::new(0, 25);
const BUILDKIT_WITH_PARENTS: Release = Release::new(0, 26);

/// How much of the grammar its BuildKit has, by generations.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Grammar {
    /// Heredocs, and RUN's networks.
    pub(crate) modern: bool,
    /// `--exclude`, `--unpack`, and modes in letters.
    pub(crate) exclude: bool,
    /// `--parents`.
    pub(crate) parents: bool,
}

impl Grammar {
    /// Returns that of the BuildKit inside of a daemon of this release.
    pub(crate) fn of_daemon(release: Release) -> Self {
        Self {
            modern: release >= WITH_BUILDX,
            exclude: release >= WITH_EXCLUDE,
            parents: release >= WITH_PARENTS,
        }
    }

    /// Returns that of a BuildKit which is not the one inside of a daemon. Where it does not say its release, it is taken
    /// for a usual one, but not for one with the newest flags: some older ones ignore modes in letters.
    pub(crate) fn of_buildkit(release: Option<Release>) -> Self {
        let surely = |oldest| release.is_some_and(|release| release >= oldest);
        Self {
            modern: release.is_none() || surely(BUILDKIT_WITH_HEREDOCS),
            exclude: surely(BUILDKIT_WITH_EXCLUDE),
            parents: surely(BUILDKIT_WITH_PARENTS),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, true, false, false)]
    #[case(Some("0.9"), false, false, false)]
    #[case(Some("0.13"), true, false, false)]
    #[case(Some("0.25"), true, true, false)]
    #[case(Some("0.26"), true, true, true)]
    fn a_buildkit_has_the_flags_of_its_release(
        #[case] release: Option<&str>,
        #[case] modern: bool,
        #[case] exclude: bool,
        #[case] parents: bool,
    ) {
        let release = release.map(|release| Release::parse(release).unwrap());
        let grammar = Grammar::of_buildkit(release);
        let found = (grammar.modern, grammar.exclude, grammar.parents);
        assert_eq!(found, (modern, exclude, parents));
    }
}
