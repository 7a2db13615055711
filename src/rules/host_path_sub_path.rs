//! A container mounts a sub path of a writable host path.
//!
//! ## What it does
//!
//! Reports each `subPath` or `subPathExpr` in a mount of a `hostPath` volume if any container of
//! the Pod has a writable mount of the volume's path, or of a path above or below it.
//! `sub-path-backstep` reports sub paths that lead out of the volume.
//!
//! ## Why is this bad?
//!
//! The kubelet resolves sub paths as root. A container with write access to the volume can replace
//! a directory of the sub path with a symbolic link. Two vulnerabilities in the handling of such
//! links exposed the node's filesystem (CVE-2017-1002101, CVE-2021-25741). Both are fixed in later
//! versions of Kubernetes.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: state
//!       mountPath: /state
//!       subPath: agent # finding
//!   volumes:
//!   - name: state
//!     hostPath:
//!       path: /var/lib/agents
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: state
//!       mountPath: /state
//!   volumes:
//!   - name: state
//!     hostPath:
//!       path: /var/lib/agents
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Advice only: mount the volume without a sub path, or make all mounts of the path read-only.
//! Read-only mounts do not help for sockets and devices, which remain writable. Moving the sub path
//! into `hostPath.path` does not help if a container can write to the parent directory: the
//! container runtime follows symbolic links there without the kubelet's checks.
//!
//! ## When to allow it
//!
//! Allow it if all containers that can write to the path are as trusted as the node.
//!
//! ## References
//!
//! - [CVE-2017-1002101](https://github.com/kubernetes/kubernetes/issues/60813)
//! - [CVE-2021-25741](https://github.com/kubernetes/kubernetes/issues/104980)

use std::cell::LazyCell;

use super::sub_path_backstep;
use super::support::wording::{container, volume_and_path, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathType, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Relation;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-sub-path"),
    summary: "a container mounts a sub path of a writable host path",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("host_path_sub_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let accesses =
        || cx.host_path_accesses().filter_map(|(volume, access)| Some((volume, access, access.mount?)));
    let reported = LazyCell::new(|| cx.pod().map(sub_path_backstep::reported).unwrap_or_default());
    let writers: Vec<_> = accesses().filter(|(_, access, _)| !access.is_read_only).collect();
    for (volume, access, mount) in accesses() {
        let Some((key, _)) = mount.mount.sub_path_entry() else { continue };
        if reported.contains(&std::ptr::from_ref(mount.mount)) {
            continue;
        }
        let overlaps =
            |other: &HostPathAccess<'_>| other.path.relation_to(&volume.clean) != Relation::Unrelated;
        let Some((_, _, writer)) = writers.iter().find(|(_, other, _)| overlaps(other)) else { continue };
        let path = written_path(volume, access);
        let message =
            format!("{} mounts {path}, a sub path of a writable host path", container(mount.container));
        let bypasses_read_only =
            access.is_socket() || access.file_type.is_some_and(HostPathType::bypasses_read_only);
        let help = if bypasses_read_only {
            "mount the volume without a sub path"
        } else {
            "mount the volume without a sub path, or make all mounts of the path read-only"
        };
        let finding = Finding::new(RULE.id, Severity::Info, mount.path().key(key), message)
            .why("the kubelet mounts it as root and may follow a symbolic link that a container created")
            .help(help)
            .volume(volume.name)
            .container(&mount.container.name)
            .path(&access.path);
        out.push(if writer.path() == mount.path() {
            finding.related(volume.path_field(), volume_and_path(volume))
        } else {
            finding.related(writer.path(), format!("{} can write here", container(writer.container)))
        });
    }
}
