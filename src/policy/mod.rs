//! The policy: which rules count, how much, and what they know.
//!
//! It resolves profiles and flags into one [`Policy`], and reads the built-in documents of `policies/`.
//! It never looks at an object.

mod builtin;
mod profile;

use std::collections::HashMap;
use std::fmt;

use crate::finding::Severity;
use crate::model::CustomKinds;
use crate::rules::{self, Options, Rule};

pub use builtin::{holds_no_volume, options, workloads};
pub use profile::Profile;

/// How much a rule counts in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not at all.
    Off,
    /// Each finding as the rule says.
    Default,
    /// Each finding as much as this.
    As(Severity),
}

/// A policy, resolved: nothing is left to look up.
#[derive(Clone, Debug)]
pub struct Policy {
    levels: HashMap<&'static str, Level>,
    /// The rules that count, as places in the list of rules.
    active: Vec<(usize, Level)>,
    /// What the rules know beside the object.
    pub options: Options,
    /// Where the pods of custom kinds are.
    pub custom_kinds: CustomKinds,
    /// The namespace of objects that name none.
    pub namespace: String,
}

/// What the command line changes of a policy.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// These rules alone, whatever the profile; none for what the profile says.
    pub select: Option<Vec<String>>,
    /// Not these rules.
    pub ignore: Vec<String>,
}

/// A rule that doesn't exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule(pub String);

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown rule `{}`", crate::model::printable(&self.0))?;
        match rules::similar(&self.0) {
            Some(known) => write!(f, "; did you mean `{known}`?"),
            None => f.write_str("; `volcheck rules` lists them all"),
        }
    }
}

impl std::error::Error for UnknownRule {}

impl Policy {
    /// The policy of a built-in profile, changed by `overrides`.
    pub fn of_profile(profile: Profile, overrides: &Overrides) -> Result<Self, UnknownRule> {
        let mut levels = profile.levels();
        let known =
            |id: &String| rules::find(id).map(|rule| rule.meta().id).ok_or_else(|| UnknownRule(id.clone()));
        if let Some(select) = &overrides.select {
            let selected = select.iter().map(known).collect::<Result<Vec<_>, _>>()?;
            for rule in rules::ALL {
                let id = rule.meta().id;
                let level = match (selected.contains(&id), levels.get(id)) {
                    (false, _) => Level::Off,
                    (true, None | Some(Level::Off)) => Level::Default,
                    (true, Some(level)) => *level,
                };
                levels.insert(id, level);
            }
        }
        for id in &overrides.ignore {
            levels.insert(known(id)?, Level::Off);
        }
        let level = |rule: &&dyn Rule| levels.get(rule.meta().id).copied().unwrap_or(Level::Default);
        let active =
            rules::ALL.iter().map(level).enumerate().filter(|(_, level)| *level != Level::Off).collect();
        Ok(Self {
            levels,
            active,
            options: options().clone(),
            custom_kinds: workloads().clone(),
            namespace: "default".to_owned(),
        })
    }

    /// How much a rule counts.
    pub fn level(&self, id: &str) -> Level {
        self.levels.get(id).copied().unwrap_or(Level::Default)
    }

    /// The rules that count, and how much, in the order of the catalogue.
    pub fn rules(&self) -> impl Iterator<Item = (&'static dyn Rule, Level)> {
        self.active.iter().map(|(at, level)| (rules::ALL[*at], *level))
    }
}
