//! Containers of a Pod share files through a host path.
//!
//! ## What it does
//!
//! Reports a `hostPath` volume in two cases:
//!
//! - Two containers of a Pod mount overlapping host paths, and at least one of the mounts is
//!   writable. Paths overlap if they are equal or one contains the other. The containers may mount
//!   the same volume or two different volumes.
//! - One container mounts the same host path through two volumes, and at least one of the mounts is
//!   writable. Tools that convert containers to manifests often write such volumes.
//!
//! Sockets, devices, files, relative paths, and paths in volcheck's host path catalog are not
//! reported. DaemonSets are not reported either. An object whose kind is not part of Kubernetes is
//! not reported if volcheck cannot decode its Pods completely, because it may create a DaemonSet.
//!
//! ## Why is this bad?
//!
//! Through a host path, the containers share the files with every other Pod on the node that mounts
//! the path. In contrast, an `emptyDir` is accessible only to the containers of its Pod. Two
//! volumes with the same host path look separate in the manifest, but contain the same files.
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
//! There is no fix in these cases:
//!
//! - The files are shared through two volumes.
//! - A container mounts a file of the volume or a path in the host path catalog.
//! - The files should outlive the Pod. volcheck assumes this if the Pod belongs to a StatefulSet,
//!   or if the volume is mounted at or inside a directory where a well-known image stores its data.
//!   Use a PersistentVolumeClaim for such files.
//!
//! ## When to allow it
//!
//! Allow it if the files should stay on the node for other Pods.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use std::ptr;

use super::support::empty_dir::is_stateful_set;
use super::support::findings::{host_path_finding, with_empty_dir_fix};
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, has_variable, host_path, volume_and_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds, Rule};
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
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("shared_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.can_be_daemon_set() {
        return;
    }
    for shared in shared_accesses(cx) {
        out.push(finding(cx, &shared));
    }
}

fn finding(cx: &Context<'_>, shared: &SharedAccess<'_>) -> Finding {
    let (own, other) = (shared.own, shared.other);
    let path = host_path(own.volume, own.access);
    let verb = if may_be_disjoint(own.access, other.access) { "may be" } else { "is" };
    let message = if ptr::eq(own.container, other.container) {
        format!("{path} {verb} mounted twice in {}, through two volumes", container(own.container))
    } else {
        let (first, second) = match own.access.effective {
            Access::Write => (own, other),
            Access::Read => (other, own),
        };
        format!("{path} {verb} shared by {} and {}", container(first.container), container(second.container))
    };
    let finding = host_path_finding(RULE.id, Severity::Warning, own.volume, own.access, message)
        .why("every other Pod on the node that mounts this path accesses the same files");
    if should_outlive_pod(cx, own.volume) {
        return finding.help("use a `persistentVolumeClaim`, or an `emptyDir` for files that can be lost");
    }
    if ptr::eq(own.volume, other.volume) {
        return with_empty_dir_fix(own.volume, finding);
    }
    finding
        .related(other.volume.path_field(), volume_and_path(other.volume))
        .help("use one `emptyDir` for both mounts, or two if the files should be separate")
}

/// Checks whether two accesses to overlapping paths may be to different files, because a sub path
/// contains a variable. If only one sub path contains a variable, and the path of the other access
/// contains all paths that the variable can lead to, the accesses share files in any case.
fn may_be_disjoint(a: &HostPathAccess<'_>, b: &HostPathAccess<'_>) -> bool {
    let is_inside = |inner: &HostPathAccess<'_>, outer: &HostPathAccess<'_>| {
        matches!(inner.path.relation_to(&outer.path), Relation::Equal | Relation::Descendant)
    };
    match (has_variable(a), has_variable(b)) {
        (false, false) => false,
        (true, false) => !is_inside(a, b),
        (false, true) => !is_inside(b, a),
        // The same expression has the same value in one container.
        (true, true) => a.path != b.path || !is_same_expression(a, b),
    }
}

/// Checks whether two accesses are through mounts of one container with the same `subPathExpr`.
fn is_same_expression(a: &HostPathAccess<'_>, b: &HostPathAccess<'_>) -> bool {
    a.mount.zip(b.mount).is_some_and(|(a, b)| {
        ptr::eq(a.container, b.container) && a.mount.sub_path_expr == b.mount.sub_path_expr
    })
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

/// An access to a host path of a volume through a mount.
#[derive(Clone, Copy)]
struct MountedAccess<'h> {
    volume: &'h HostPathVolume<'h>,
    access: &'h HostPathAccess<'h>,
    container: &'h Container<'h>,
}

/// Two accesses to overlapping paths, at least one of them writable.
struct SharedAccess<'h> {
    own: MountedAccess<'h>,
    other: MountedAccess<'h>,
}

/// Returns at most one shared access per volume.
fn shared_accesses<'h>(cx: &'h Context<'_>) -> Vec<SharedAccess<'h>> {
    let accesses = cx.host_path_accesses().filter(|(volume, access)| {
        access.can_be_directory() && !access.class.is_in_catalog() && !volume.clean.is_relative()
    });
    let mut accesses: Vec<_> = accesses
        .filter_map(|(volume, access)| {
            Some(MountedAccess { volume, access, container: access.mount?.container })
        })
        .collect();
    // After sorting, each path comes after the paths above it.
    accesses.sort_by(|a, b| a.access.path.cmp(&b.access.path));
    let mut above: Vec<MountedAccess<'h>> = Vec::new();
    let mut shared: Vec<SharedAccess<'h>> = Vec::new();
    for inner in accesses {
        above.retain(|outer| {
            matches!(
                inner.access.path.relation_to(&outer.access.path),
                Relation::Equal | Relation::Descendant
            )
        });
        let is_same_volume = |outer: &MountedAccess<'_>| ptr::eq(outer.volume, inner.volume);
        let is_reported = shared.iter().any(|known| is_same_volume(&known.own));
        let others = above.iter().copied().filter(|outer| !is_reported && is_shared(&inner, outer));
        shared.extend(others.min_by_key(|outer| !is_same_volume(outer)).map(|outer| {
            match is_same_volume(&outer) && outer.access.effective == Access::Write {
                true => SharedAccess { own: outer, other: inner },
                false => SharedAccess { own: inner, other: outer },
            }
        }));
        above.push(inner);
    }
    shared
}

fn is_shared(inner: &MountedAccess<'_>, outer: &MountedAccess<'_>) -> bool {
    let is_written = [inner, outer].iter().any(|mounted| mounted.access.effective == Access::Write);
    let is_same_container = ptr::eq(inner.container, outer.container);
    let is_duplicate = !ptr::eq(inner.volume, outer.volume) && inner.access.path == outer.access.path;
    is_written && (!is_same_container || is_duplicate)
}
