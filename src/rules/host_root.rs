//! A volume exposes the node's root filesystem.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is `/` or the root of a Windows
//! drive. Other spellings of the root, such as `//`, `/.` and `/proc/1/root`, are recognized too.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount, if there is
//! one. Aliases are resolved: `/var/run` counts as `/run`.
//!
//! ## Why is this bad?
//!
//! The root filesystem contains, among other files:
//!
//! - the kubelet's credentials
//! - the tokens and Secrets of all Pods on the node
//! - the sockets of the container runtimes
//! - on a control plane node, the keys of the cluster
//!
//! A read-only mount is not sufficient. The container can still read the credentials and connect to
//! the sockets. Without `recursiveReadOnly`, it can also write to the filesystems that are mounted
//! below `/`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: exporter
//! spec:
//!   containers:
//!   - name: exporter
//!     image: quay.io/prometheus/node-exporter
//!     volumeMounts:
//!     - name: root
//!       mountPath: /host
//!       readOnly: true
//!   volumes:
//!   - name: root
//!     hostPath:
//!       path: / # finding
//!       type: Directory
//! ```
//!
//! Mount only the directories that are needed, each in its own volume:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: exporter
//! spec:
//!   containers:
//!   - name: exporter
//!     image: quay.io/prometheus/node-exporter
//!     volumeMounts:
//!     - name: proc
//!       mountPath: /host/proc
//!       readOnly: true
//!   volumes:
//!   - name: proc
//!     hostPath:
//!       path: /proc
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! A node exporter that reports on every filesystem needs a read-only mount of `/`. Exempt it in
//! the policy by namespace, name and access.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::findings::host_path_finding;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-root"),
    summary: "a volume exposes the node's root filesystem",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("host_root.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        if !matches!(access.class, PathClass::Root) {
            continue;
        }
        let (exposed, why) = match access.path.is_windows() {
            true => ("an entire drive of the node", "a drive can contain keys and the Secrets of Pods"),
            false => (
                "the node's root filesystem",
                "it contains keys, the Secrets of the node's Pods, and sockets that `readOnly` does not protect",
            ),
        };
        let message = format!("{} exposes {exposed}", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why(why)
            .help("mount only the files and directories that are needed, each in its own volume");
        out.push(finding);
    }
}
