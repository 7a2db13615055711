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

/// Why a finding is not reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The mechanism.
    pub by: SuppressedBy,
    /// The reason given for it; empty if none is given.
    pub reason: String,
}

/// The severities that comments and annotations may suppress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ignores {
    /// Every severity.
    #[default]
    All,
    /// Warnings and infos, but no errors.
    Warnings,
    /// None.
    None,
}
