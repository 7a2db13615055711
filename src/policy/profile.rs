//! The built-in profiles.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::did_you_mean;

/// A built-in set of rule levels. Each profile includes the rules of the previous one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// No rules except those that report unchecked input.
    None,
    /// All rules except `host-path`, `ignore-without-reason` and `unlisted-volume-type`.
    #[default]
    Recommended,
    /// Also forbids `hostPath` volumes, like the Pod Security Standard of the same name.
    Baseline,
    /// Also limits the types of volumes, like the Pod Security Standard of the same name, and
    /// requires a size limit for every `emptyDir`.
    Restricted,
}

impl Profile {
    /// All profiles, from the least to the most strict.
    pub const ALL: [Self; 4] = [Self::None, Self::Recommended, Self::Baseline, Self::Restricted];

    /// Returns the name used in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Recommended => "recommended",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
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
        let names = Self::ALL.iter().map(|profile| profile.name());
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| format!("unknown profile `{text}`{}", did_you_mean(text, names)))
    }
}
