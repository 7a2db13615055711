//! The keys of an exemption's `match` for which the findings of a rule have a value.

use super::super::{Check, Rule};

/// A key that matches a part of a finding's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKey {
    Volume,
    Container,
    Path,
    Access,
}

use MatchKey::{Access, Container, Path, Volume};

impl MatchKey {
    /// All keys, in the order of the documentation.
    pub const ALL: [Self; 4] = [Volume, Container, Path, Access];

    /// Returns the policy key.
    pub fn name(self) -> &'static str {
        match self {
            Volume => "volume",
            Container => "container",
            Path => "path",
            Access => "access",
        }
    }
}

/// The keys of rules about volumes and texts, if their findings do not have all keys. A finding of
/// such a rule may lack one of its keys, for example the container of an unmounted volume.
static KEYS: &[(&[MatchKey], &[&str])] = &[
    (
        &[Volume, Path, Access],
        &[
            "app-data-host-path",
            "cloud-credentials",
            "hidden-host-path",
            "host-path",
            "host-path-persistent-volume",
            "host-root",
            "node-agent-socket",
            "runtime-socket",
            "runtime-socket-parent",
            "scratch-host-path",
            "sensitive-host-path",
            "shared-host-path",
            "stale-file-mount",
            "unknown-socket",
            "unlisted-host-path",
            "unpinned-host-path",
            "unpinned-persistent-volume",
        ],
    ),
    (
        &[Volume, Container, Path],
        &[
            "duplicate-mount-path",
            "host-path-sub-path",
            "image-volume-over-claim",
            "invalid-recursive-read-only",
            "literal-variable-in-path",
            "manual-service-account-token",
            "mismatched-volume-mode",
            "mount-inside-read-only",
            "shadowing-mount",
            "stale-sub-path",
            "sub-path-backstep",
            "sub-path-of-file",
            "unclean-mount-path",
            "undefined-sub-path-variable",
            "undefined-volume",
        ],
    ),
    (
        &[Volume, Path],
        &[
            "app-data-empty-dir",
            "app-data-ephemeral-claim",
            "deprecated-volume-type",
            "host-path-backstep",
            "inline-network-volume",
            "mismatched-host-path-type",
            "relative-host-path",
            "removed-volume-type",
            "unclassed-claim",
            "unclean-host-path",
            "unknown-host-path-type",
            "unknown-volume-source",
            "unlisted-volume-type",
            "untyped-host-path",
        ],
    ),
    (
        &[Volume],
        &[
            "conflicting-access-mode",
            "deleted-persistent-volume",
            "duplicate-volume-name",
            "evictable-empty-dir",
            "git-repo-volume",
            "implicit-empty-dir",
            "memory-medium-on-windows",
            "multiple-volume-sources",
            "recycled-persistent-volume",
            "shadowed-volume",
            "tiny-size-limit",
            "unbounded-empty-dir",
            "unbounded-memory-empty-dir",
            "unknown-empty-dir-medium",
            "unmountable-huge-pages",
            "unreachable-size-limit",
            "unused-volume",
        ],
    ),
    (&[Container], &["missing-scratch-volume"]),
    (&[Path], &["deleted-claim", "duplicate-key", "overriding-merge-key"]),
    (&[], &["dropped-text", "ignored-fs-group"]),
];

impl Rule {
    /// Returns the keys for which the rule's findings have a value.
    pub fn match_keys(&self) -> &'static [MatchKey] {
        let known = KEYS.iter().find(|(_, rules)| rules.contains(&self.id.as_str()));
        known.map_or(&MatchKey::ALL as &[MatchKey], |&(keys, _)| keys)
    }

    /// Checks whether an exemption can apply to the rule's findings: they are about an object.
    pub fn is_exemptable(&self) -> bool {
        matches!(self.check, Check::Volumes(_) | Check::Claims(_) | Check::Text(_))
    }
}
