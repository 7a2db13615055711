//! A read-only mount leaves the filesystems below it writable.
//!
//! ## What it does
//!
//! Reports a read-only mount of a host path that usually has other filesystems mounted below it,
//! unless the mount sets `recursiveReadOnly` to `IfPossible` or `Enabled`. The severity is warning
//! for `/`, `/run` and `/var`, and info for other paths. A subdirectory of such a path is not
//! reported, unless other filesystems are usually mounted below the subdirectory too. If a
//! `subPathExpr` contains a variable, only the directory before the first variable counts. Mounts
//! that `ineffective-read-only` reports are not reported again.
//!
//! ## Why is this bad?
//!
//! `readOnly: true` makes the mount itself read-only, but not the filesystems mounted below it.
//! Through a read-only mount of `/`, a container can still write to:
//!
//! - `/run`
//! - `/boot` and `/var`, if they are separate filesystems
//! - volumes of other Pods that the kubelet mounts below `/var/lib/kubelet`, such as
//!   PersistentVolumes
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: metrics
//! spec:
//!   containers:
//!   - name: metrics
//!     image: busybox
//!     volumeMounts:
//!     - name: var # finding
//!       mountPath: /host/var
//!       readOnly: true
//!   volumes:
//!   - name: var
//!     hostPath:
//!       path: /var
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: metrics
//! spec:
//!   containers:
//!   - name: metrics
//!     image: busybox
//!     volumeMounts:
//!     - name: var
//!       mountPath: /host/var
//!       readOnly: true
//!       recursiveReadOnly: IfPossible
//!   volumes:
//!   - name: var
//!     hostPath:
//!       path: /var
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `recursiveReadOnly: IfPossible`. Unsafe: the container may need to write to one of the
//! filesystems mounted below the path. There is no fix if the Kubernetes version
//! (`kubernetesVersion` in the policy, or `--kube-version`) is older than 1.31.
//!
//! Recursive read-only mounts require Linux 5.12, Kubernetes 1.31 (or 1.30 with the feature gate
//! `RecursiveReadOnlyMounts`), containerd 2.0 or CRI-O 1.30, and runc 1.1 or crun 1.8.6. On a node
//! without support, such as a node with containerd 1.7, `IfPossible` is silently ignored, and
//! `Enabled` prevents the container from starting. Two status fields help you to check this:
//!
//! - `status.runtimeHandlers[].features.recursiveReadOnlyMounts` of the Node: whether the container
//!   runtime supports recursive read-only mounts
//! - `status.containerStatuses[].volumeMounts[].recursiveReadOnly` of the Pod: whether the mount is
//!   recursively read-only
//!
//! ## When to allow it
//!
//! Allow it if the nodes do not support recursive read-only mounts yet, or if the container must
//! write to a filesystem mounted below the path. If possible, mount only the directory that the
//! container reads.
//!
//! ## References
//!
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::ineffective_read_only::bypass;
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, volume_and_path, written_path};
use super::{
    Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, MountParent, ObjectKinds,
    Options, Rule,
};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{ContainerMount, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("non-recursive-read-only"),
    summary: "a read-only mount leaves the filesystems below it writable",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[CATALOG],
    match_keys: &MatchKey::ALL,
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("non_recursive_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let is_read_only = |access: &HostPathAccess<'_>| access.is_read_only && bypass(access).is_none();
    for (volume, access) in cx.host_path_accesses().filter(|(_, access)| is_read_only(access)) {
        let Some(mount) = access.mount.filter(|_| !volume.path.is_empty()) else { continue };
        if matches!(&*mount.mount.recursive_read_only, "IfPossible" | "Enabled") {
            continue;
        }
        out.extend(mount_parent(cx.options, access).map(|parent| finding(cx, volume, access, mount, parent)));
    }
}

fn mount_parent<'o>(options: &'o Options, access: &HostPathAccess<'_>) -> Option<&'o MountParent> {
    options
        .mount_parents
        .iter()
        .find(|parent| access.path.relation(&parent.directory.pattern) == Relation::Equal)
}

fn finding(
    cx: &Context<'_>,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    parent: &MountParent,
) -> Finding {
    let message = format!(
        "filesystems below host path {} stay writable in {}",
        written_path(volume, access),
        container(mount.container)
    );
    let recursive = mount.path().key("recursiveReadOnly");
    let (field, label) = match &*mount.mount.recursive_read_only {
        "" => (mount.path(), "read-only here, without `recursiveReadOnly`"),
        _ => (recursive.clone(), "leaves submounts writable"),
    };
    let finding = Finding::new(RULE.id, parent.severity, field, message)
        .label(label)
        .related(volume.path_field(), volume_and_path(volume))
        .why(format!("`readOnly` covers only this mount, and {}", parent.directory.reason))
        .volume(volume.name)
        .container(&mount.container.name)
        .host_path(&access.path)
        .access(Access::Read);
    if !cx.supports_recursive_read_only() {
        return finding.help("mount only the directories that the container reads");
    }
    let set = Edit::Set(recursive, EditValue::Str("IfPossible".to_owned()));
    finding
        .help(
            "set `recursiveReadOnly: IfPossible` on the mount; it has no effect before containerd 2.0 or \
             CRI-O 1.30",
        )
        .fix(Fix::unsafe_edits("set `recursiveReadOnly: IfPossible`", vec![set]))
}
