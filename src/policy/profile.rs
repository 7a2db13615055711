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

/// `off`, or a severity. YAML reads `off` as a boolean.
struct LevelWord(Level);

impl<'de> Deserialize<'de> for LevelWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = LevelWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("off, error, warning or info")
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<LevelWord, E> {
                if on {
                    Err(E::invalid_value(serde::de::Unexpected::Bool(on), &self))
                } else {
                    Ok(LevelWord(Level::Off))
                }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LevelWord, E> {
                if text == "off" {
                    return Ok(LevelWord(Level::Off));
                }
                text.parse::<Severity>().map(|severity| LevelWord(Level::As(severity))).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
