//! The security severities of rules, and the controls of security standards that they check.

use std::fmt;

use super::Rule;
use crate::finding::{RuleId, Severity};

/// The security relevance of a rule. Rules about reliability have none.
#[derive(Clone, Copy, Debug)]
pub struct Security {
    rule: RuleId,
    /// The severity if the rule reports errors.
    severity: SecuritySeverity,
    /// The controls that forbid or limit what the rule reports.
    pub controls: &'static [Control],
}

/// A severity from 0.1 to 10.0, in tenths, on the scale of GitHub code scanning: above 9.0 is
/// critical, from 7.0 high, from 4.0 medium, and below 4.0 low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecuritySeverity(u8);

impl fmt::Display for SecuritySeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Security {
    /// Returns the security severity of a rule whose most severe finding has this severity. For
    /// warnings, it is at most medium, and for info findings, it is low.
    pub fn severity(&self, worst: Severity) -> SecuritySeverity {
        let max = match worst {
            Severity::Error => 100,
            Severity::Warning => 69,
            Severity::Info => 39,
        };
        self.severity.min(SecuritySeverity(max))
    }
}

impl Rule {
    /// Returns the security relevance of the rule; `None` if the rule is not about security.
    pub fn security(&self) -> Option<&'static Security> {
        SECURITY.iter().find(|security| security.rule == self.id)
    }
}

/// A control of a security standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// "Minimize the admission of HostPath volumes" of the CIS Kubernetes Benchmark, which has the
    /// number 5.2.12 in version 1.8.
    Cis18HostPath,
    /// The same control in version 1.12, with the number 5.2.11.
    Cis112HostPath,
    /// "HostPath Volumes" of the Pod Security Standard `baseline`.
    BaselineHostPath,
    /// "Volume Types" of the Pod Security Standard `restricted`.
    RestrictedVolumeTypes,
    /// The limitation of host paths (`allowedHostPaths`) in the Kubernetes Hardening Guidance of
    /// the NSA and CISA, version 1.0.
    NsaCisaHostPaths,
}

impl Control {
    /// All controls, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Cis18HostPath,
        Self::Cis112HostPath,
        Self::BaselineHostPath,
        Self::RestrictedVolumeTypes,
        Self::NsaCisaHostPaths,
    ];

    /// Returns the tag in `sarif` reports.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Cis18HostPath => "cis-kubernetes-1.8/5.2.12",
            Self::Cis112HostPath => "cis-kubernetes-1.12/5.2.11",
            Self::BaselineHostPath => "pod-security-baseline/host-path-volumes",
            Self::RestrictedVolumeTypes => "pod-security-restricted/volume-types",
            Self::NsaCisaHostPaths => "nsa-cisa-kubernetes-1.0/allowed-host-paths",
        }
    }
}

const HOST_PATH: &[Control] =
    &[Control::Cis18HostPath, Control::Cis112HostPath, Control::BaselineHostPath, Control::NsaCisaHostPaths];
const VOLUME_TYPES: &[Control] = &[Control::RestrictedVolumeTypes];

const fn security(rule: &'static str, tenths: u8, controls: &'static [Control]) -> Security {
    Security { rule: RuleId::new(rule), severity: SecuritySeverity(tenths), controls }
}

/// The rules about security, most severe first. The severities estimate the effect of a
/// compromised container:
///
/// - from 9.1: it controls the node
/// - from 7.0: it can read credentials, or change files with which it can control the node
/// - from 4.0: it has access to the node, but its effect depends on the path; or a protection is
///   missing or has no effect
///
/// The control about host paths applies to the rules that report the access to a path of the node,
/// but not to those that report how the path is written.
static SECURITY: &[Security] = &[
    security("runtime-socket", 98, HOST_PATH),
    security("runtime-socket-parent", 96, HOST_PATH),
    security("host-root", 95, HOST_PATH),
    security("node-agent-socket", 88, HOST_PATH),
    security("sensitive-host-path", 86, HOST_PATH),
    security("cloud-credentials", 86, HOST_PATH),
    security("hidden-host-path", 82, &[]),
    security("writable-host-path", 80, HOST_PATH),
    security("git-repo-volume", 80, VOLUME_TYPES),
    security("host-mount-propagation", 75, HOST_PATH),
    security("host-path-persistent-volume", 65, &[]),
    security("unknown-socket", 65, HOST_PATH),
    security("unlisted-host-path", 65, HOST_PATH),
    security("host-path", 60, HOST_PATH),
    security("shared-host-path", 60, HOST_PATH),
    security("app-data-host-path", 60, HOST_PATH),
    security("scratch-host-path", 60, HOST_PATH),
    security("host-path-sub-path", 60, HOST_PATH),
    security("conflicting-read-only", 60, HOST_PATH),
    security("ineffective-read-only", 60, HOST_PATH),
    security("non-recursive-read-only", 55, HOST_PATH),
    security("manual-service-account-token", 50, &[]),
    security("unlisted-volume-type", 45, VOLUME_TYPES),
    security("inline-network-volume", 45, VOLUME_TYPES),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rules::Registry;

    #[test]
    fn security_rules_exist_once_and_are_in_order() {
        let registry = Registry::built_in();
        let ids: HashSet<_> = SECURITY.iter().map(|security| security.rule).collect();
        assert_eq!(ids.len(), SECURITY.len());
        assert!(ids.iter().all(|id| registry.find(id.as_str()).is_some()));
        assert!(SECURITY.is_sorted_by_key(|security| std::cmp::Reverse(security.severity)));
    }

    #[test]
    fn security_severity_is_limited_by_the_severity_of_the_findings() {
        let severity = |rule: &str, worst| {
            let rule = Registry::built_in().find(rule).expect("a rule");
            rule.security().map(|security| security.severity(worst).to_string())
        };
        assert_eq!(severity("host-root", Severity::Error).as_deref(), Some("9.5"));
        assert_eq!(severity("host-root", Severity::Warning).as_deref(), Some("6.9"));
        assert_eq!(severity("unlisted-volume-type", Severity::Warning).as_deref(), Some("4.5"));
        assert_eq!(severity("host-path", Severity::Info).as_deref(), Some("3.9"));
        assert_eq!(severity("unused-volume", Severity::Error), None);
    }
}
