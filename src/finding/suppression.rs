//! Suppressions of findings: the mechanisms and their reasons.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mechanism that suppresses a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressedBy {
    /// An exemption in the policy, which also applies at admission.
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

/// The suppression of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The mechanism.
    pub by: SuppressedBy,
    /// The reason that the user gives for the suppression; may be empty.
    pub reason: String,
}

impl fmt::Display for Suppression {
    /// Writes the mechanism and, if there is one, the reason, such as
    /// `by an exemption: reviewed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = match self.by {
            SuppressedBy::Exemption | SuppressedBy::Annotation => "an",
            SuppressedBy::Comment => "a",
            SuppressedBy::Baseline => "the",
        };
        write!(f, "by {article} {}", self.by.noun())?;
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

/// The findings that comments and annotations can suppress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ignores {
    /// Findings of any severity.
    #[default]
    All,
    /// Warnings and info findings, but not errors.
    Warnings,
    /// No findings.
    None,
}
