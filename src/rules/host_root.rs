//! A volume gives the whole file system of the node.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is `/`, in any spelling (`//`, `/.`,
//! `/proc/1/root`), or the root of a drive of Windows.
//!
//! ## Why is this bad?
//!
//! It holds everything: the kubelet's credentials, the tokens and Secrets of every Pod, the keys of the
//! cluster on a control plane, the runtimes' sockets. A read-only mount does not protect what is mounted
//! below it, nor sockets and devices.
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
//! Mount what is needed, each as a volume of its own:
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
//! A node exporter that reports on every file system, read-only. Exempt it by namespace, name and access.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::findings::host_path_finding;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-root"),
    summary: "a volume gives the whole file system of the node",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("host_root.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        if !matches!(used.class, PathClass::Root) {
            continue;
        }
        let message = format!("{} is the whole file system of the node", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message)
            .why("it holds every key, every Pod's Secrets, and sockets that no read-only mount protects")
            .help("mount only the files and folders that are needed, each as a volume of its own");
        out.push(finding);
    }
}
