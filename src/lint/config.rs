//! Reports of invalid policies and baselines. Such a report has the form of a run that checked
//! nothing, so every format can show it.

use super::{LocatedFinding, Location, Report};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;
use crate::policy::{Overrides, Policy, Problem, Profile};

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

impl Report {
    /// Creates the report of a run that checked nothing because of these problems.
    pub fn of_invalid_config(config: ConfigFile, problems: Vec<Problem>) -> Self {
        let located = |Problem { path, location, message }| {
            let finding = Finding::new(config.id(), Severity::Error, FieldPath::root(), message);
            let (file, primary) = location.unzip();
            LocatedFinding::new(finding, Location { file, primary, ..Location::of_file(&path) })
        };
        let errors = problems.into_iter().map(located).collect();
        let policy = Policy::from_profile(Profile::default(), &Overrides::default());
        let policy = policy.expect("the built-in profiles are valid");
        Self { invalid_config: Some(config), errors, ..Self::new(&policy) }
    }
}
