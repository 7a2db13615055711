//! A Pod has a `hostPath` volume.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of a Pod, regardless of the path, and even if all mounts are
//! read-only. A volume that no container mounts is reported too, because an ephemeral container can
//! mount it later. If a rule about specific paths, such as `host-root`, reports an error about the
//! same volume, only that error is shown.
//!
//! The rule is off in the profile `recommended`. It is an error in the profiles `baseline` and
//! `restricted`, because the Pod Security Standards of the same names forbid `hostPath` volumes.
//!
//! ## Why is this bad?
//!
//! A Pod with a `hostPath` volume depends on its node and is not isolated from it. Other Pods can
//! use the same path, symbolic links in the path can lead to other files on the node, and a Pod
//! with a writable mount can fill the node's disk.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     hostPath:
//!       path: /srv/www # finding
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!   volumes:
//!   - name: pages
//!     configMap:
//!       name: pages
//! ```
//!
//! ## When to allow it
//!
//! Node agents need host paths. Use the profile `recommended`, or exempt the agents by namespace,
//! name, path and access.
//!
//! ## References
//!
//! - [Kubernetes: Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline)

use super::support::findings::host_path_finding;
use super::support::wording::{self, quoted};
use super::{Check, Context, FixClass, Group, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path"),
    summary: "a Pod has a `hostPath` volume",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let accesses = cx.host_path_accesses();
    // Excludes PersistentVolumes, and fields whose host path is used without a mount.
    let is_volume = |volume: &HostPathVolume<'_>| {
        !volume.is_persistent_volume() && (volume.is_mounted() || !volume.form().is_used_without_mount())
    };
    for (volume, access) in accesses.filter(|(volume, _)| is_volume(volume)) {
        let name = wording::volume(volume);
        let message = match volume.path {
            "" => format!("{name} is a `hostPath` without a path"),
            path => format!("{name} uses host path {}", quoted(path)),
        };
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why("the volume ties the Pod to its node and exposes files of the node")
            .help("use a `persistentVolumeClaim`, an `emptyDir` for scratch files, or a `configMap` for settings");
        out.push(finding);
    }
}
