//! A mount with `readOnly: true` still allows writes.
//!
//! ## What it does
//!
//! Reports a mount of a host path with `readOnly: true` in these cases:
//!
//! - The path is a socket or a device, according to its `type`, volcheck's host path catalog or its
//!   name.
//! - The mount has `mountPropagation: HostToContainer` or `mountPropagation: Bidirectional`.
//!
//! The rule does not report:
//!
//! - sockets and devices that the catalog lists as harmless, such as `/dev/null`
//! - devices of containers that are not privileged, because the device cgroup denies access to
//!   them; the exceptions are devices that the device cgroup allows to all containers, such as
//!   `/dev/net/tun`
//! - `/run/netns` and `/run/docker/netns` with mount propagation, because the node mounts only
//!   network namespaces there, which are not writable
//!
//! Each mount is a separate finding. All containers are checked, including init and ephemeral
//! containers.
//!
//! ## Why is this bad?
//!
//! The kernel rejects writes to the files and directories of a read-only mount. It rejects neither
//! connections to a socket nor writes to a device. For example, a container with a read-only mount
//! of a container runtime socket can still start privileged containers. A privileged container can
//! open all devices, and can write to them through a read-only mount. Other containers can do this
//! only with the few devices that the device cgroup allows.
//!
//! With mount propagation, new filesystems that the node mounts below the path also appear in the
//! container, where they are as writable as on the node. `recursiveReadOnly` does not help, because
//! Kubernetes does not allow it together with mount propagation.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: watcher
//! spec:
//!   containers:
//!   - name: watcher
//!     image: busybox
//!     volumeMounts:
//!     - name: runtime
//!       mountPath: /run/containerd.sock
//!       readOnly: true # finding
//!   volumes:
//!   - name: runtime
//!     hostPath:
//!       path: /run/containerd/containerd.sock
//!       type: Socket
//! ```
//!
//! Mount only files and directories, which a read-only mount protects:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: watcher
//! spec:
//!   containers:
//!   - name: watcher
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log/pods
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Monitoring agents that must see later mounts and unmounts of the node, such as node-exporter
//! with a mount of `/`, need `HostToContainer`. Then, only the user and the privileges of the
//! container limit its write access.
//!
//! ## References
//!
//! - [Kubernetes: mount propagation](https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation)
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::policy_keys::CATALOG;
use super::support::wording::{container, volume_and_path, written_path};
use super::{
    Check, Context, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume, MatchKey, ObjectKinds,
    Rule,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, FieldPath, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ineffective-read-only"),
    summary: "a mount with `readOnly: true` still allows writes",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &MatchKey::ALL,
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("ineffective_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount else { continue };
        match bypass(access) {
            Some(Bypass::FileType(file_type)) => {
                out.push(file_type_finding(volume, access, mount, file_type));
            }
            Some(Bypass::Propagation) => out.push(propagation_finding(cx, volume, access, mount)),
            None => {}
        }
    }
}

/// The reason why a container can write through a read-only mount.
pub(super) enum Bypass {
    /// The path is a socket or a device.
    FileType(HostPathType),
    /// New mounts of the node appear in the container, where they are as writable as on the node.
    Propagation,
}

/// Returns the reason why a container can write through a read-only mount. Returns `None` if it
/// cannot, or if the mount is not read-only.
pub(super) fn bypass(access: &HostPathAccess<'_>) -> Option<Bypass> {
    let mount = access.mount.filter(|_| access.is_read_only)?;
    match access.read_only_bypass() {
        Some(file_type) => Some(Bypass::FileType(file_type)),
        None => (mount.mount.propagates() && !contains_only_network_namespaces(&access.path))
            .then_some(Bypass::Propagation),
    }
}

/// Checks whether only network namespaces are mounted at or below `path`. The kernel does not allow
/// writes to them.
pub(super) fn contains_only_network_namespaces(path: &HostPath) -> bool {
    ["/run/netns", "/run/docker/netns"].iter().any(|directory| {
        matches!(path.relation_to(&HostPath::new(directory)), Relation::Equal | Relation::Descendant)
    })
}

fn file_type_finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    file_type: HostPathType,
) -> Finding {
    let noun = access.read_only_bypass_noun().unwrap_or(file_type.noun());
    let message = format!(
        "`readOnly` does not protect {noun} {} from {}",
        written_path(volume, access),
        container(mount.container)
    );
    let why = match file_type {
        HostPathType::Socket => format!("a {noun} is writable even through a read-only mount"),
        _ if mount.container.security_context.privileged => {
            format!("a privileged container can write to a {noun} even through a read-only mount")
        }
        _ => format!("all containers can write to this {noun}, even through a read-only mount"),
    };
    finding(volume, access, mount, mount.path().key("readOnly"), message)
        .label(format!("has no effect on a {noun}"))
        .why(why)
        .help(format!("remove the mount if the container must not use the {noun}"))
}

fn propagation_finding(
    cx: &Context<'_>,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
) -> Finding {
    let message = format!(
        "{} can write to new mounts below host path {} despite `readOnly`",
        container(mount.container),
        written_path(volume, access)
    );
    finding(volume, access, mount, mount.path().key("mountPropagation"), message)
        .label("propagates new mounts as writable")
        .why("new mounts of the node are as writable in the container as on the node")
        .help(match cx.supports_recursive_read_only() {
            true => "replace `mountPropagation` with `recursiveReadOnly: IfPossible`, unless new mounts are needed",
            false => "remove `mountPropagation`, unless new mounts are needed",
        })
}

fn finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    field: FieldPath,
    message: String,
) -> Finding {
    Finding::new(RULE.id, Severity::Warning, field, message)
        .related(volume.path_field(), volume_and_path(volume))
        .volume(volume.name)
        .container(&mount.container.name)
        .host_path(&access.path)
        .access(access.effective)
}
