use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::did_you_mean;

/// The severity of a finding. At admission, a finding can deny an object only if it is an error,
/// and only in mode `deny`. In the modes `deny` and `warn`, the client receives errors and
/// warnings. Audit annotations record the rules of all findings. By default, `volcheck lint` exits
/// with 1 if it reports an error and all input could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, but no action is needed.
    Info,
    /// Probably a mistake.
    Warning,
    /// Unsafe, or rejected by Kubernetes.
    Error,
}

impl Severity {
    /// All severities, from the highest to the lowest.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// Returns the name used in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.iter().map(|severity| severity.name());
        Self::ALL
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| format!("unknown severity `{text}`{}", did_you_mean(text, names)))
    }
}
