//! Versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::text::printable;
use super::value::Str;

/// A minor version of Kubernetes 1, such as 1.33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion(u32);

impl KubernetesVersion {
    /// The newest version that volcheck knows.
    pub const LATEST: Self = Self::minor(37);

    /// Returns version 1.`minor`.
    pub const fn minor(minor: u32) -> Self {
        Self(minor)
    }
}

impl Default for KubernetesVersion {
    fn default() -> Self {
        Self::LATEST
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl FromStr for KubernetesVersion {
    type Err = String;

    /// Parses a version such as `1.33`, `v1.33.2` or `1.33.2-gke.100`.
    fn from_str(text: &str) -> Result<Self, String> {
        let minor = text.strip_prefix('v').unwrap_or(text).strip_prefix("1.").and_then(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (minor, rest) = rest.split_at(digits);
            minor.parse().ok().filter(|_| rest.is_empty() || rest.starts_with(['.', '-', '+']))
        });
        minor.map(Self).ok_or_else(|| {
            format!("invalid Kubernetes version `{}`, expected a version such as `1.33`", printable(text))
        })
    }
}

impl<'de> Deserialize<'de> for KubernetesVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Str::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for KubernetesVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_versions_as_tools_print_them() {
        let minor = |text: &str| text.parse().map(|KubernetesVersion(minor)| minor).ok();
        for text in ["1.33", "v1.33", "1.33.0", "v1.33.13-gke.1721000", "1.33.1+k3s1", "1.33+"] {
            assert_eq!(minor(text), Some(33), "{text}");
        }
        for text in ["", "1", "1.", "2.0", "1.x", "1.33x", "33", "1.-3", "1.99999999999", "latest"] {
            assert_eq!(minor(text), None, "{text}");
        }
        assert!(KubernetesVersion::minor(9) < KubernetesVersion::minor(10));
    }
}
