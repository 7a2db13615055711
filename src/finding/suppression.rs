//! Suppression: why a finding is not reported, and what may suppress it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mechanism that suppresses a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressedBy {
    /// An exemption in the policy; the webhook applies it too.
    Exemption,
    /// A comment in the manifest.
    Comment,
    /// An annotation of the object.
    Annotation,
    /// The baseline.
    Baseline,
}

impl SuppressedBy {
    /// Returns the noun for use in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Exemption => "exemption",
            Self::Comment => "comment",
            Self::Annotation => "annotation",
            Self::Baseline => "baseline",
        }
    }
}

/// The reason why a finding is suppressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The mechanism.
    pub by: SuppressedBy,
    /// The reason given for it; empty if none is given.
    pub reason: String,
}

/// The findings that comments and annotations can suppress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ignores {
    /// Findings of any severity.
    #[default]
    All,
    /// Warnings and infos, but not errors.
    Warnings,
    /// No findings.
    None,
}
