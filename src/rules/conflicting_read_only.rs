//! A container can write to a read-only host path through another mount.
//!
//! ## What it does
//!
//! Reports each writable mount of a host path if the same container also mounts that path, or a
//! path below it, read-only. The two mounts can use the same volume or different volumes.
//!
//! The reverse, a writable mount below a path that is mounted read-only, is good practice and is
//! not reported. Mounts of sockets and devices are not reported either if the container can write
//! to the socket or device even through a read-only mount.
//!
//! If the `subPathExpr` of the writable mount contains a variable, the mount is reported only if
//! the read-only mount uses the same host path and the same `subPathExpr`.
//!
//! ## Why is this bad?
//!
//! The container can change the same files through the writable mount. The read-only mount protects
//! nothing, although the manifest suggests that it does.
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
//!     - name: conf
//!       mountPath: /conf
//!       readOnly: true
//!     - name: all # finding
//!       mountPath: /all
//!   volumes:
//!   - name: conf
//!     hostPath:
//!       path: /srv/agent/conf
//!       type: Directory
//!   - name: all
//!     hostPath:
//!       path: /srv/agent
//!       type: Directory
//! ```
//!
//! Make only one subdirectory writable:
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
//!     - name: all
//!       mountPath: /all
//!       readOnly: true
//!     - name: all
//!       mountPath: /all/state
//!       subPath: state
//!   volumes:
//!   - name: all
//!     hostPath:
//!       path: /srv/agent
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true` on the writable mount. Unsafe: the container may need to write.
//!
//! ## When to allow it
//!
//! Rarely. A container that must write to the path does not need a read-only mount of it.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use std::collections::BTreeMap;

use super::support::findings::read_only_fix;
use super::support::wording::{container, quoted, read_only_setting, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Access, Finding, RuleId, Severity};
use crate::model::{ContainerMount, FieldPath, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("conflicting-read-only"),
    summary: "a container can write to a read-only host path through another mount",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("conflicting_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // If a socket or device is writable even through a read-only mount, its mounts do not conflict.
    let mounts = || {
        let accesses = cx.host_path_accesses().filter(|(_, access)| access.read_only_bypass().is_none());
        accesses.filter_map(|(volume, access)| Some(HostPathMount { volume, access, mount: access.mount? }))
    };
    let mut read_only = ReadOnlyMounts::new();
    for mount in mounts().filter(|mount| mount.access.is_read_only) {
        read_only.entry((&mount.mount.container.path, &mount.access.path)).or_insert(mount);
    }
    if read_only.is_empty() {
        return;
    }
    for mount in mounts().filter(|mount| !mount.access.is_read_only) {
        out.extend(find_conflict(&read_only, mount).map(|conflict| finding(mount, conflict)));
    }
}

/// A mount of a host path in a container.
#[derive(Clone, Copy)]
struct HostPathMount<'c> {
    volume: &'c HostPathVolume<'c>,
    access: &'c HostPathAccess<'c>,
    mount: ContainerMount<'c, 'c>,
}

/// The read-only mounts, by container and host path. The sort order places the paths below a path
/// directly after it.
type ReadOnlyMounts<'c> = BTreeMap<(&'c FieldPath, &'c HostPath), HostPathMount<'c>>;

/// Returns the first read-only mount whose files the container can change through `writable`, if
/// any.
fn find_conflict<'c>(
    read_only: &ReadOnlyMounts<'c>,
    writable: HostPathMount<'c>,
) -> Option<HostPathMount<'c>> {
    let (container, path) = (&writable.mount.container.path, &writable.access.path);
    let (_, first) = read_only.range((container, path)..).next()?;
    let is_at_or_below = first.mount.container.path == *container
        && matches!(path.relation_to(&first.access.path), Relation::Equal | Relation::Ancestor);
    // A `subPathExpr` with a variable can expand to any path in its directory. Only the same
    // expression certainly expands to the same path.
    let expression = &writable.mount.mount.sub_path_expr;
    let is_certain = !expression.contains("$(")
        || (*expression == first.mount.mount.sub_path_expr && writable.volume.clean == first.volume.clean);
    (is_at_or_below && is_certain).then_some(*first)
}

fn finding(writable: HostPathMount<'_>, read_only: HostPathMount<'_>) -> Finding {
    let mount = writable.mount;
    let container = container(mount.container);
    let path = written_path(writable.volume, writable.access);
    let read_only_path = written_path(read_only.volume, read_only.access);
    let message = if path == read_only_path {
        format!("host path {path} is mounted both read-only and writable in {container}")
    } else {
        format!(
            "host path {read_only_path} is read-only in {container}, but writable through host path {path}"
        )
    };
    Finding::new(RULE.id, Severity::Warning, mount.path(), message)
        .label("writable here")
        .related(
            read_only.mount.path(),
            format!("read-only here, at {}", quoted(&read_only.mount.mount.mount_path)),
        )
        .why("the container can change the read-only files through this mount")
        .help(format!(
            "set {} here too, or mount a separate directory for writable files",
            read_only_setting(mount)
        ))
        .advises_read_only(mount.path())
        .fix(read_only_fix(mount))
        .volume(writable.volume.name)
        .container(&mount.container.name)
        .host_path(&writable.access.path)
        .access(Access::Write)
}
