use std::fmt;

use super::{Group, RULES, Rule};
use crate::finding::RuleId;
use crate::model::printable;

/// The registry of the rules. Each policy owns a registry, from which other modules get the rules.
#[derive(Clone, Copy, Debug)]
pub struct Registry {
    rules: &'static [Rule],
}

impl Registry {
    /// Returns the registry of the built-in rules. Except in tests, only a policy calls this; other
    /// code uses the registry of its policy.
    pub fn built_in() -> Self {
        Self { rules: RULES }
    }

    /// Returns all rules, by group, in the order of the documentation.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'static Rule> {
        self.rules.iter()
    }

    pub fn in_group(self, group: Group) -> impl Iterator<Item = &'static Rule> {
        self.rules.iter().filter(move |rule| rule.group == group)
    }

    /// Returns the rule with the id `id`, if it exists.
    pub fn find(self, id: &str) -> Option<&'static Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// Returns the rule with the id `id`, or an error that suggests a similar id.
    pub fn require(self, id: &str) -> Result<&'static Rule, UnknownRule> {
        self.find(id).ok_or_else(|| {
            let similar = crate::model::similar(id, self.rules.iter().map(|rule| rule.id.as_str()));
            UnknownRule { name: id.to_owned(), similar }
        })
    }
}

/// The error for a name that is not the id of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule {
    pub name: String,
    /// The most similar rule id, if any is similar.
    pub similar: Option<&'static str>,
}

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown rule `{}`", printable(&self.name))?;
        match self.similar {
            Some(similar) => write!(f, "; did you mean `{similar}`?"),
            None => f.write_str("; run `volcheck rules` for a list"),
        }
    }
}

impl std::error::Error for UnknownRule {}

/// The rules that belong to a family, from most to least specific. If several findings of a family
/// about a volume have the same severity, volcheck reports the finding whose rule comes first.
pub static FAMILY_ORDER: &[RuleId] = &[
    RuleId::new("runtime-socket"),
    RuleId::new("runtime-socket-parent"),
    RuleId::new("host-root"),
    RuleId::new("cloud-credentials"),
    RuleId::new("node-agent-socket"),
    RuleId::new("sensitive-host-path"),
    RuleId::new("unknown-socket"),
    RuleId::new("unlisted-host-path"),
    RuleId::new("host-path"),
    // More specific than `app-data-host-path`. Its findings are only warnings, so errors of
    // `app-data-host-path` still supersede them.
    RuleId::new("shared-host-path"),
    RuleId::new("app-data-host-path"),
    RuleId::new("scratch-host-path"),
    RuleId::new("unpinned-host-path"),
];
