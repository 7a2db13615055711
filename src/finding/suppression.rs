//! That a finding is silenced, by what, and why.

use serde::Serialize;

/// What silences a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressedBy {
    /// An exemption of the policy: the cluster excuses it, too.
    Exemption,
    /// A comment in the manifest.
    Comment,
    /// An annotation of the object.
    Annotation,
    /// The baseline.
    Baseline,
}

impl SuppressedBy {
    /// Its word in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Exemption => "exemption",
            Self::Comment => "comment",
            Self::Annotation => "annotation",
            Self::Baseline => "baseline",
        }
    }
}

/// That a finding is silenced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// By what.
    pub by: SuppressedBy,
    /// Why; empty where nobody said so.
    pub reason: String,
}
