//! The files that configure a run.

use crate::finding::RuleId;

/// A file that configures a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    Policy,
    Baseline,
}

impl ConfigFile {
    /// Returns the id that reports show for problems in the file, in place of a rule id. No rule
    /// reports these problems, because a policy can disable rules.
    pub fn id(self) -> RuleId {
        match self {
            Self::Policy => RuleId::new("invalid-policy"),
            Self::Baseline => RuleId::new("invalid-baseline"),
        }
    }

    /// Returns the configuration file with this [`id`](Self::id), or `None` if there is none.
    pub fn from_id(id: RuleId) -> Option<Self> {
        [Self::Policy, Self::Baseline].into_iter().find(|config| config.id() == id)
    }

    pub fn noun(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Baseline => "baseline",
        }
    }

    /// Returns the command that prints a description of the file.
    pub fn docs(self) -> &'static str {
        match self {
            Self::Policy => "volcheck schema policy",
            Self::Baseline => "volcheck baseline --help",
        }
    }
}
