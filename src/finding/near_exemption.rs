//! Exemptions that almost apply to a finding.

use super::Finding;

/// An exemption that applies to a finding except for one key. The key is probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearExemption {
    /// The file and line, or the pack, that declares the exemption.
    pub origin: String,
    /// The key of `match` that does not match the finding, or `expires` if the exemption has
    /// expired.
    pub key: &'static str,
    /// The value of the key in the exemption. Several patterns are joined to one text.
    pub expected: String,
}

impl NearExemption {
    /// Returns the value of the finding for the key; empty if it has none.
    pub fn found<'f>(&self, finding: &'f Finding) -> &'f str {
        let object = finding.object.as_deref();
        let fingerprint = &finding.fingerprint;
        match self.key {
            "namespace" => object.map_or("", |id| &id.namespace),
            "kind" => object.map_or("", |id| &id.kind),
            "name" => object.map_or("", |id| &id.name),
            "volume" => &fingerprint.volume,
            "container" => &fingerprint.container,
            "path" => &fingerprint.path,
            "access" => fingerprint.access.map_or("", super::Access::as_str),
            _ => "",
        }
    }

    /// Describes the exemption and the key in one sentence.
    pub fn describe(&self, finding: &Finding) -> String {
        let Self { origin, key, expected } = self;
        match (*key, self.found(finding)) {
            ("expires", _) => format!("the exemption at {origin} expired on {expected}"),
            (_, "") => {
                format!("the exemption at {origin} matches except for `{key}`: this finding has no {key}")
            }
            (_, found) => format!(
                "the exemption at {origin} matches except for `{key}`: {expected} does not match `{found}`"
            ),
        }
    }
}
