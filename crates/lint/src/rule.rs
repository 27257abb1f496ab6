//! What a rule is: its name, how grave a breach is, why there is the rule, and which rule sets have it.
//!
//! It does not know how a rule is checked.

use std::fmt;
use std::str::FromStr;

pub use documents::Severity;

/// The rules of one time of StageX's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleSet {
    /// Five stages with fixed names, an ordinary user, and sources that the stage `fetch` gets.
    Tree2024,
    /// The stages `build` and `package`, and sources that `package.toml` declares.
    Tree2026,
}

impl RuleSet {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tree2024, Self::Tree2026];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree2024 => "tree-2024",
            Self::Tree2026 => "tree-2026",
        }
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no rule set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rule set; expected tree-2026 or tree-2024")]
pub struct UnknownRuleSet(pub String);

impl FromStr for RuleSet {
    type Err = UnknownRuleSet;

    fn from_str(text: &str) -> Result<Self, UnknownRuleSet> {
        let mut all = Self::ALL.into_iter();
        all.find(|set| set.name() == text)
            .ok_or_else(|| UnknownRuleSet(text.to_owned()))
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// The name; that of BuildKit's own check where it is one.
    pub id: &'static str,
    /// How grave a breach is.
    pub severity: Severity,
    /// Why there is the rule, in one sentence.
    pub reason: &'static str,
    /// What to do about a breach, in one sentence.
    pub advice: &'static str,
    /// The rule sets that have it.
    pub sets: &'static [RuleSet],
    /// Whether a breach can be repaired without a change to any image.
    pub has_fix: bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
