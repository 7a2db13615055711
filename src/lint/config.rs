//! The files that configure a run.

use crate::finding::RuleId;

/// A file that configures a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    Policy,
    Baseline,
}

impl ConfigFile {
    /// Returns the id that reports show instead of a rule id for problems in the file. The problems
    /// are not findings of a rule, because a policy can disable rules.
    pub fn id(self) -> RuleId {
        match self {
            Self::Policy => RuleId::new("invalid-policy"),
            Self::Baseline => RuleId::new("invalid-baseline"),
        }
    }

    pub fn from_id(id: RuleId) -> Option<Self> {
        [Self::Policy, Self::Baseline].into_iter().find(|config| config.id() == id)
    }

    pub fn noun(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Baseline => "baseline",
        }
    }

    /// Returns the command that describes the file.
    pub fn docs(self) -> &'static str {
        match self {
            Self::Policy => "volcheck schema policy",
            Self::Baseline => "volcheck baseline --help",
        }
    }
}
