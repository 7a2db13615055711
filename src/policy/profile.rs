//! The built-in profiles.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

/// A built-in selection of rules; each includes the one before.
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
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| format!("`{text}` is none of {}", names()))
    }
}
