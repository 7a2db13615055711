//! What makes two findings the same, in two versions of an object or in two runs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a container may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look.
    Read,
    /// Change.
    Write,
}

/// The identity of a finding within its object: names, never an index, a line or a file.
///
/// Another path is another finding, even where it is a better one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// The rule's id.
    pub rule: &'static str,
    /// The volume; empty where the finding is about none.
    pub volume: String,
    /// The container; empty where the finding is about the volume as such.
    pub container: String,
    /// The effective path; empty where it doesn't matter.
    pub path: String,
    /// What the container may do there.
    pub access: Option<Access>,
}

impl fmt::Display for Fingerprint {
    /// 16 hexadecimal digits; the same in every version of volcheck.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            None => "",
            Some(Access::Read) => "read",
            Some(Access::Write) => "write",
        };
        let parts = [self.rule, &self.volume, &self.container, &self.path, access];
        write!(f, "{:016x}", digest(&parts))
    }
}

/// A number for texts; the same in every version of volcheck.
pub fn digest(parts: &[&str]) -> u64 {
    // FNV-1a, with a byte between the parts that no UTF-8 text holds.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_in_every_version() {
        let fingerprint = Fingerprint {
            rule: "writable-host-path",
            volume: "logs".into(),
            container: "agent".into(),
            path: "/var/log".into(),
            access: Some(Access::Write),
        };
        assert_eq!(fingerprint.to_string(), "ede5647347990c81");
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        let of = |volume: &str, container: &str| Fingerprint {
            rule: "r",
            volume: volume.into(),
            container: container.into(),
            ..Fingerprint::default()
        };
        assert_ne!(of("ab", "c").to_string(), of("a", "bc").to_string());
    }
}
