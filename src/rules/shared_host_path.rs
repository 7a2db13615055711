//! Containers of a Pod share files through a host path.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume that two containers of a Pod mount, if the mounted host paths
//! overlap and at least one of the mounts is writable. Sockets, devices, files, and paths in the
//! host path catalog are not reported. DaemonSets and objects of unknown kinds, which may create
//! DaemonSets, are not reported either.
//!
//! ## Why is this bad?
//!
//! Through a host path, the containers share the files with all other Pods on the node that mount
//! the path. An `emptyDir` is accessible only to the containers of its Pod.
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
//!     - name: logs
//!       mountPath: /var/log/nginx
//!   - name: shipper
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /srv/web-logs # finding
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
//!     - name: logs
//!       mountPath: /var/log/nginx
//!   - name: shipper
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     emptyDir: {}
//! ```
//!
//! ## Fix
//!
//! Replaces the `hostPath` with `emptyDir: {}`. Unsafe: the containers lose access to the existing
//! files in the path and to the files of other Pods.
//!
//! There is no fix if a container mounts a file of the volume or a path in the host path catalog,
//! or if the files should outlive the Pod. The files should outlive the Pod if it belongs to a
//! StatefulSet, or if the volume is mounted at or inside a directory where a well-known image
//! stores its data. Use a PersistentVolumeClaim for such files.
//!
//! ## When to allow it
//!
//! Allow it if the files should stay on the node for other Pods.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::empty_dir::is_stateful_set;
use super::support::findings::{host_path_finding, with_empty_dir_fix};
use super::support::wording::{container, host_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, Rule};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::{Container, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shared-host-path"),
    summary: "containers of a Pod share files through a host path",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("shared_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.can_be_daemon_set() {
        return;
    }
    for volume in cx.host_path_volumes() {
        let Some((access, writer, other)) = shared_access(volume) else { continue };
        let (writer, other) = (container(writer), container(other));
        let message = format!("{} is shared by {writer} and {other}", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Warning, volume, access, message)
            .why("other Pods on the node that mount this path use the same files");
        out.push(if should_outlive_pod(cx, volume) {
            finding.help("use a `persistentVolumeClaim`, or an `emptyDir` for files that can be lost")
        } else {
            with_empty_dir_fix(volume, finding)
        });
    }
}

/// Checks whether the files in the volume should outlive the Pod.
fn should_outlive_pod(cx: &Context<'_>, volume: &HostPathVolume<'_>) -> bool {
    let mut mounts = volume.accesses.iter().filter_map(|access| access.mount);
    is_stateful_set(cx)
        || mounts.any(|mount| {
            let mount_path = HostPath::in_container(&mount.mount.mount_path);
            cx.options.data_directories.find_containing(&mount_path).is_some()
        })
}

/// Returns a writable access, its container, and another container that accesses the same path or a
/// path above or below it.
fn shared_access<'h>(
    volume: &'h HostPathVolume<'_>,
) -> Option<(&'h HostPathAccess<'h>, &'h Container<'h>, &'h Container<'h>)> {
    let mut accesses: Vec<_> =
        volume.accesses.iter().filter_map(|access| Some((access, access.mount?.container))).collect();
    accesses.retain(|(access, _)| access.can_be_directory() && !access.class.is_in_catalog());
    // After sorting, each path comes after the paths above it.
    accesses.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut above: Vec<(&HostPathAccess<'_>, &Container<'_>)> = Vec::new();
    for (access, container) in accesses {
        above.retain(|(outer, _)| {
            matches!(access.path.relation_to(&outer.path), Relation::Equal | Relation::Descendant)
        });
        for &(outer, other) in above.iter().filter(|(_, other)| !std::ptr::eq(*other, container)) {
            if outer.effective == Access::Write {
                return Some((outer, other, container));
            }
            if access.effective == Access::Write {
                return Some((access, container, other));
            }
        }
        above.push((access, container));
    }
    None
}
