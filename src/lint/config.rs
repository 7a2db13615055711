//! The files that configure a run.

use std::sync::Arc;

use crate::finding::RuleId;
use crate::policy::Problem;
use crate::source::File;
use crate::suppress::Baseline;

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

/// Parses the baseline in the file `name`.
pub fn parse_baseline(name: &str, text: &str) -> Result<Baseline, Problem> {
    Baseline::parse(text).map_err(|error| {
        let file = File::decode(name, text.as_bytes().to_vec()).ok();
        let location = file.zip(error.range).map(|(file, range)| {
            let span = file.span(range);
            (Arc::new(file), span)
        });
        Problem { path: name.into(), location, message: error.message }
    })
}
