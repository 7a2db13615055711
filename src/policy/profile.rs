//! The built-in profiles.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Level;
use super::builtin::{built_in, document};
use super::document::Document;
use crate::rules;

/// A built-in choice of rules; each holds the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// No rule.
    None,
    /// Every rule that needs no decision of the user.
    #[default]
    Recommended,
    /// No hostPath at all, as in the Pod Security Standard of that name.
    Baseline,
    /// Besides, a bound on every emptyDir.
    Restricted,
}

impl Profile {
    /// All profiles, the weakest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Recommended, Self::Baseline, Self::Restricted];

    /// Its name, as in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Recommended => "recommended",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }

    fn document(self) -> &'static str {
        match self {
            Self::None => document!("none"),
            Self::Recommended => document!("recommended"),
            Self::Baseline => document!("baseline"),
            Self::Restricted => document!("restricted"),
        }
    }

    /// How much each rule counts in this profile, and which profile says so.
    pub(super) fn settings(self) -> HashMap<&'static str, (Level, Self)> {
        let document: Document = built_in(self.document());
        let mut levels = document.profile.map(Self::settings).unwrap_or_default();
        for rule in rules::ALL {
            let id = rule.meta().id;
            let setting = document.rules.get(id).or_else(|| document.rules.get("*"));
            if let Some(level) = setting.and_then(|setting| setting.level) {
                levels.insert(id, (level, self));
            }
        }
        levels
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| format!("`{text}` is none of {}", names()))
    }
}
