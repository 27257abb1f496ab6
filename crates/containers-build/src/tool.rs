//! How one engine's command line differs from that of its siblings. Knows no engine by name.

use camino::Utf8PathBuf;
use process::Invocation;

/// A program that builds with the shared builder, and how it is called.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The program, as an absolute path.
    pub program: Utf8PathBuf,
    /// What comes before every subcommand.
    pub global_arguments: &'static [&'static str],
    /// What `push` needs beside its source and destination to write uncompressed layers.
    pub push_arguments: &'static [&'static str],
    /// What asks for the identifier of an image in its store, and for the digests of its manifests; its name comes
    /// last.
    pub inspect_arguments: &'static [&'static str],
    /// Variables that the program is to see beside the pinned environment.
    pub variables: &'static [(&'static str, &'static str)],
}

impl Tool {
    /// Prepares a run over the store that the tool has for its user, as the user would run it.
    pub(crate) fn in_own_store(&self) -> Invocation {
        let variables = self.variables.iter();
        variables
            .fold(Invocation::new(&self.program), |run, (name, value)| {
                run.variable(name, value)
            })
            .arguments(self.global_arguments)
    }
}
