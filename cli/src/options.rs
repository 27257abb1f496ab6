//! The values of options that several commands have.
//!
//! It does not know which commands those are.

use clap::ValueEnum;

/// How results are printed by every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Human,
    Json,
}

/// How results are printed, as it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnyFormat {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON document on standard output.
    Json,
    /// Only for `stagex check`: SARIF 2.1.0, which code hosts read.
    Sarif,
    /// Only for `stagex check`: `file:line:column: severity: message`, which editors read.
    Lines,
}

impl AnyFormat {
    /// Returns the format, if every command has it.
    pub(crate) fn of_every_command(self) -> Option<Format> {
        match self {
            Self::Human => Some(Format::Human),
            Self::Json => Some(Format::Json),
            Self::Sarif | Self::Lines => None,
        }
    }
}

impl From<Format> for AnyFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Human,
            Format::Json => Self::Json,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A live display on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// One line for each event.
    Plain,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// A tree, or a list.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// For pages that draw Mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

/// The format of a bill of materials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BillFormat {
    /// SPDX 2.3.
    #[default]
    Spdx,
    /// `CycloneDX` 1.6.
    Cyclonedx,
}

/// What one node of a graph stands for, if not for a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Collapse {
    /// All packages of a stage.
    Stage,
}

/// The name of the older rules of StageX's packages.
pub(crate) const TREE_2024: &str = "tree-2024";

/// Whether builds get nothing that is not declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hermetic {
    /// They get what their Containerfiles take.
    #[default]
    No,
    /// Only files that git tracks, declared sources and dependencies; and no network but where `package.toml` lists the
    /// stage.
    Yes,
    /// The same, and a stage that is named `fetch` keeps its network.
    #[value(name = "tree-2024")]
    Tree2024,
}

/// The network of RUNs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// The engine's default.
    #[default]
    Default,
    /// No network.
    None,
    /// The machine's network: other users of the machine can connect to a RUN, and a RUN can
    /// connect to everything that listens on this machine.
    Host,
}

impl From<Network> for backend_api::Network {
    fn from(network: Network) -> Self {
        match network {
            Network::Default => Self::Default,
            Network::None => Self::None,
            Network::Host => Self::Host,
        }
    }
}

/// How much of what happens is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verbosity {
    /// Nothing but results and errors.
    pub(crate) quiet: bool,
    /// Engines' output, if it is above 0.
    pub(crate) verbose: u8,
}

/// How mirrors are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MirrorDepth {
    /// Ask what each says of its file.
    Quick,
    /// Download and hash each file.
    Full,
}
