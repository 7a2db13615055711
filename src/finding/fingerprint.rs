//! The identity of a finding across versions of its object and across runs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RuleId;

/// The access that a container has to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    /// Write access, which includes reading.
    Write,
}

impl Access {
    /// Returns the name, as in the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The identity of a finding within its object. It contains neither a line nor a file, so that
/// unrelated edits do not change it. A change of the path changes the fingerprint, even if the new
/// path is less harmful.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    pub rule: RuleId,
    /// The name of the volume; empty if the finding is not about a volume. For a host path in a
    /// field outside of a volume, this is the path of the field, which may contain an index.
    pub volume: String,
    /// The name of the container; empty if the finding is not about a container.
    pub container: String,
    /// The effective host path, or another path or key that identifies the finding; may be empty.
    pub path: String,
    /// The access that the container has to the host path; `None` if the rule does not depend on
    /// it.
    pub access: Option<Access>,
}

impl Fingerprint {
    /// Creates a fingerprint that consists of the rule alone.
    pub fn new(rule: RuleId) -> Self {
        Self { rule, volume: String::new(), container: String::new(), path: String::new(), access: None }
    }
}

impl fmt::Display for Fingerprint {
    /// Writes 16 hexadecimal digits. They are the same in every version of volcheck.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            None => "",
            Some(Access::Read) => "read",
            Some(Access::Write) => "write",
        };
        let parts = [self.rule.as_str(), &self.volume, &self.container, &self.path, access];
        write!(f, "{:016x}", digest(&parts))
    }
}

/// Returns a 64-bit hash (FNV-1a) of the parts. It is the same in every version of volcheck.
pub fn digest(parts: &[&str]) -> u64 {
    // 0xFF separates the parts, because it never occurs in UTF-8.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_stable_across_versions() {
        let fingerprint = Fingerprint {
            rule: RuleId::new("writable-host-path"),
            volume: "logs".into(),
            container: "agent".into(),
            path: "/var/log".into(),
            access: Some(Access::Write),
        };
        assert_eq!(fingerprint.to_string(), "ede5647347990c81");
    }

    #[test]
    fn separates_parts() {
        let fingerprint = |volume: &str, container: &str| Fingerprint {
            volume: volume.into(),
            container: container.into(),
            ..Fingerprint::new(RuleId::new("r"))
        };
        assert_ne!(fingerprint("ab", "c").to_string(), fingerprint("a", "bc").to_string());
    }
}
