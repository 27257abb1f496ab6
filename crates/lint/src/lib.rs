//! The linter of package trees: rules, rule sets, findings, suppression, repairs, SARIF.
//!
//! It runs nothing, reaches no network and knows no engine; how findings are shown is for others.

mod allow;
mod finding;
mod fix;
mod manifest;
mod outcome;
mod rule;
mod rules;
mod sarif;
mod subject;
mod table;
mod tree;
mod words;

pub use allow::Allow;
pub use finding::{Edit, Finding, Place};
pub use fix::fix;
pub use outcome::{Error, Outcome};
pub use rule::{Rule, RuleSet, Severity, UnknownRuleSet};
pub use sarif::{Sarif, sarif};
pub use table::{RULES, rule};
pub use tree::{Options, Selection, check_files, check_tree};
