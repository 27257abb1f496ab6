//! The options of `stagex check`.

use clap::Args;
use lint::RuleSet;

const CHECK: &str = "\
Examples:
  stagex check                           every package of the tree
  stagex check core-musl                 one package and its dependencies
  stagex check packages/core/musl        one package, by its directory or one of its files
  stagex check --rules tree-2024         with the rules of 2024
  stagex check --fix                     repair what can be repaired without a change to any image
  stagex check --format lines            file:line:column: severity: message, for editors
  stagex check --list-rules              every rule, with its reason and its rule sets

A finding is suppressed by a comment before the instruction, `# stagex: allow(RULE) REASON`, or by
the tree's stagex.toml. docs/lint.md has the whole list of rules.";

#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(crate) struct Check {
    /// The packages, as for make, or paths of Containerfiles. Default: all packages.
    #[arg(value_name = "TARGET|PATH")]
    pub(crate) targets: Vec<String>,

    /// The rules: `tree-2026` or `tree-2024`. Default: those that the tree's stagex.toml names, or
    /// `tree-2026`.
    #[arg(long, value_name = "SET")]
    pub(crate) rules: Option<RuleSet>,

    /// Repair what can be repaired without a change to any image.
    #[arg(long)]
    pub(crate) fix: bool,

    /// List the rules, and check nothing.
    #[arg(long, conflicts_with_all = ["targets", "fix", "deny_warnings"])]
    pub(crate) list_rules: bool,

    /// Fail if there is a warning.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}
