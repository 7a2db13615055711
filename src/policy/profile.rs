//! The built-in profiles.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::Level;
use super::builtin::{built_in, document};
use crate::finding::Severity;
use crate::rules;

/// A built-in choice of rules; each holds the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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

    /// How much each rule counts in this profile.
    pub fn levels(self) -> HashMap<&'static str, Level> {
        let document: Document = built_in(self.document());
        let mut levels = match document.extends {
            Some(outer) => outer.parse::<Self>().map(Self::levels).unwrap_or_default(),
            None => rules::ALL.iter().map(|rule| (rule.meta().id, Level::Default)).collect(),
        };
        for rule in rules::ALL {
            let id = rule.meta().id;
            if let Some(level) = document.rules.get(id).or_else(|| document.rules.get("*")) {
                levels.insert(id, level.0);
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    extends: Option<String>,
    rules: BTreeMap<String, LevelWord>,
}

/// `off`, or a severity.
#[derive(Deserialize)]
#[serde(try_from = "&str")]
struct LevelWord(Level);

impl TryFrom<&str> for LevelWord {
    type Error = <Severity as FromStr>::Err;

    fn try_from(word: &str) -> Result<Self, Self::Error> {
        Ok(Self(if word == "off" { Level::Off } else { Level::As(word.parse()?) }))
    }
}
