//! What happens while packages are made. Workers emit, whoever prints listens.

use std::time::Duration;

use oci_image::Digest;

use documents::{ErrorKind, Reason};

/// Something that happens while packages are made. `package` is always an output's full name,
/// `<stage>-<name>`.
#[derive(Debug, Clone)]
pub enum Event {
    /// Another `stagex` is building in this tree; this one waits for it.
    Waiting {
        /// The other's process, if it is known.
        process: Option<u32>,
    },
    /// All that `clean` removes is out of the way. Removing it goes on; what is left when that is
    /// interrupted goes with the next build.
    Cleaning,
    /// The work begins.
    Began {
        /// How many packages there are, dependencies included.
        packages: usize,
        /// The runtime that builds them.
        runtime: String,
    },
    /// A package's build begins.
    Started {
        /// The package.
        package: String,
        /// Why it is built, as far as anybody knows.
        reasons: Vec<Reason>,
    },
    /// A package's build from one of its seeds begins.
    Seed {
        /// The package.
        package: String,
        /// The seed.
        seed: String,
        /// Which one it is in the order of `package.toml`, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// It is known which worker of a server builds a package, or has built it.
    Worker {
        /// The package.
        package: String,
        /// What its server calls the worker.
        worker: String,
    },
    /// A build has come to an instruction that makes a layer. Engines may do several at once; then
    /// this is one of them.
    Step {
        /// The package.
        package: String,
        /// Which one it is in the order of the Containerfile, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// The instruction, in one line.
        instruction: String,
    },
    /// The engine printed a line.
    Output {
        /// The package.
        package: String,
        /// The line.
        line: String,
    },
    /// A build goes on, but a person should know this.
    Notice {
        /// The package.
        package: String,
        /// One sentence.
        message: String,
    },
    /// A package was there already, made from the same inputs.
    Fresh {
        /// The package.
        package: String,
        /// The digest of its manifest.
        digest: Digest,
    },
    /// A package was built.
    Built {
        /// The package.
        package: String,
        /// The digest of its manifest.
        digest: Digest,
        /// How long it took.
        duration: Duration,
    },
    /// A package could not be built.
    Failed {
        /// The package.
        package: String,
        /// Why, in one sentence.
        message: String,
        /// Of which kind that is.
        kind: ErrorKind,
        /// What the user can do about it, if anything is known.
        hint: Option<String>,
        /// The last lines of its log.
        last_lines: Vec<String>,
    },
    /// How long the rest of the work may take, where former builds tell.
    Remaining {
        /// An estimate.
        duration: Duration,
    },
    /// A package was not tried, because something that it needs is not there.
    Skipped {
        /// The package.
        package: String,
    },
}

/// Takes events; shared by all workers.
pub trait Listener: Send + Sync {
    /// Takes one event. It must not block for long.
    fn hear(&self, event: Event);
}

/// Hears nothing.
impl Listener for () {
    fn hear(&self, _event: Event) {}
}
