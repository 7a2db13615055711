//! A volume exposes sensitive files of the node.
//!
//! ## What it does
//!
//! Reports volumes and PersistentVolumes whose effective path is at, above or inside a path in the
//! host path catalog. The catalog lists well-known paths on nodes and their classes.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Well-known
//! symbolic links are resolved: `/var/run` counts as `/run`.
//!
//! The severity depends on the class of the path and on the access:
//!
//! | class | examples | writable | read-only |
//! |---|---|---|---|
//! | critical | `/var/lib/kubelet`, `/etc/kubernetes`, `/etc/shadow`, `/dev/sda` | error | error |
//! | sensitive | `/etc`, `/var/log`, `/proc`, `/sys`, `/dev`, `/usr`, `/opt` | error | info |
//! | harmless | `/etc/localtime`, `/etc/ssl/certs`, `/dev/null` | error | – |
//!
//! A dash means that the access is not reported. Other rules report paths of the other classes,
//! such as sockets and cloud credentials. For the path `/`, see [`host-root`](host-root.md). For
//! directories above a container runtime socket, see
//! [`runtime-socket-parent`](runtime-socket-parent.md).
//!
//! The nearest catalog entry at or above a path determines its class. If there is no such entry,
//! the most severe entry below the path determines the class: `/var/lib` is as severe as
//! `/var/lib/kubelet`. Sockets and devices of the class sensitive count as writable even with a
//! read-only mount. PersistentVolumes always count as writable.
//!
//! These cases are exceptions:
//!
//! - `/mnt`, `/srv` and `/var/data` usually contain only data of applications. Access to these
//!   directories is a warning, because some distributions store keys or the files of Pods below
//!   them. If your distribution does, list the directory as `critical` in `hostPaths.catalog` of
//!   the policy.
//! - Write access to a single file in `/var/log`, with `type: File` or `FileOrCreate`, is a warning
//!   instead of an error. A container with write access to the whole directory could replace the
//!   file with a symbolic link, which the kubelet follows when it serves logs. A container that
//!   mounts only the file cannot replace it.
//! - A PersistentVolume whose path is a disk is not reported if its source is `local` or its
//!   `volumeMode` is `Block`.
//! - A device, such as `/dev/kmsg` or `/dev/sda`, is not reported if only unprivileged containers
//!   mount it, because the device cgroup denies them access. A few devices that the cgroup allows,
//!   such as `/dev/net/tun`, are reported.
//! - Some custom resources and configuration files contain the host path of a component in a field
//!   outside of a volume. Examples are `dataDirHostPath` of Rook, and `extraMounts` in the cluster
//!   configuration of the tool kind. For the class sensitive, write access through such a field is
//!   a warning instead of an error, because volcheck does not know whether the component writes to
//!   the path.
//! - A path in such a field is not reported if the directory or disk belongs to the component.
//!   Examples are `/var/lib/rook` as the `dataDirHostPath` of Rook, and a disk with
//!   `diskType: block` of Longhorn.
//!
//! ## Why is this bad?
//!
//! With write access to `/etc` or `/usr`, a container can become root on the node. With write
//! access to `/var/log`, it can make the kubelet serve any file of the node as a log. With read
//! access to `/var/lib/kubelet` or `/etc/kubernetes`, it can read the credentials of the node or of
//! the cluster.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: kubelet
//!       mountPath: /kubelet
//!       readOnly: true
//!   volumes:
//!   - name: kubelet
//!     hostPath:
//!       path: /var/lib/kubelet # finding
//!       type: Directory
//! ```
//!
//! Mount only a file without secrets, and mount it read-only:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: zone
//!       mountPath: /etc/localtime
//!       readOnly: true
//!   volumes:
//!   - name: zone
//!     hostPath:
//!       path: /etc/localtime
//!       type: File
//! ```
//!
//! ## When to allow it
//!
//! Node agents often read `/var/log`, `/proc` and `/sys`. With read-only mounts, the severity is
//! only info. Some agents need more access. For example, a CNI plugin that installs itself needs
//! write access. Exempt such agents by namespace, name, path and access. k3s and MicroK8s provision
//! PersistentVolumes in a directory of the node. Exempt these PersistentVolumes by that directory.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [MITRE ATT&CK for containers: escape to host](https://attack.mitre.org/techniques/T1611/)

use std::borrow::Cow;

use super::support::findings::{host_path_finding, is_provisioner_directory};
use super::support::policy_keys::CATALOG;
use super::support::wording::{accessor, class_reason, host_path, quoted, read_only_setting};
use super::{
    Check, Context, Entry, EntryClass, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume,
    MatchKey, ObjectKinds, PathClass, Rule,
};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::{HostPathForm, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("sensitive-host-path"),
    summary: "a volume exposes sensitive files of the node",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("sensitive_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let is_own =
        |volume: &HostPathVolume<'_>| matches!(volume.form(), HostPathForm::Field { is_own: true, .. });
    let accesses = cx.host_path_accesses();
    for (volume, access) in accesses.filter(|(volume, access)| !access.is_denied_device() && !is_own(volume))
    {
        let Some((entry, _)) = access.class.entry() else { continue };
        let Some((severity, effect)) = assess(cx, entry, volume, access) else { continue };
        let message =
            format!("sensitive {} {effect} {}", host_path(volume, access), accessor(volume, access));
        let why = match (is_log_file(entry, access), access.effective) {
            (true, Access::Write) => {
                "it is a log file of the node, and the container can forge entries".to_owned()
            }
            (true, Access::Read) => "it is a log file of the node".to_owned(),
            (false, _) => class_reason(access.class),
        };
        let finding = host_path_finding(RULE.id, severity, volume, access, message)
            .why(why)
            .help(help(cx, entry, volume, access));
        let read_only_mount = access.mount.filter(|_| read_only_help(cx, entry, access).is_some());
        out.push(match read_only_mount {
            Some(mount) => finding.advises_read_only(mount.path()),
            None => finding,
        });
    }
}

/// Returns the severity of an access, and the verb phrase for its effect in the message. Returns
/// `None` if the access is harmless or another rule reports it.
fn assess(
    cx: &Context<'_>,
    entry: &Entry,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
) -> Option<(Severity, &'static str)> {
    let writable = (Severity::Error, "is writable by");
    match entry.class {
        EntryClass::Critical if matches!(access.class, PathClass::DataDirectory(_)) => {
            Some((Severity::Warning, "is exposed to"))
        }
        EntryClass::Critical => Some((Severity::Error, "is exposed to")),
        EntryClass::Sensitive if access.effective == Access::Write && is_log_file(entry, access) => {
            Some((Severity::Warning, "is writable by"))
        }
        // It is unknown whether the component writes to the path. The path may also be on a
        // developer's machine.
        EntryClass::Sensitive
            if access.effective == Access::Write && matches!(volume.form(), HostPathForm::Field { .. }) =>
        {
            Some((Severity::Warning, "is writable by"))
        }
        EntryClass::Sensitive if access.effective == Access::Write => Some(writable),
        EntryClass::Sensitive => Some((Severity::Info, read_effect(cx, entry, volume, access))),
        // Through a read-only mount, a container can use a device, but not change its mode.
        EntryClass::Harmless if !access.is_read_only => Some(writable),
        EntryClass::Harmless | EntryClass::Socket | EntryClass::Credentials | EntryClass::AgentSocket => None,
    }
}

/// Checks whether the access is to a single file in `/var/log`. A container cannot replace a
/// mounted file with a symbolic link, which the kubelet would follow when it serves logs.
fn is_log_file(entry: &Entry, access: &HostPathAccess<'_>) -> bool {
    *entry.path == *"/var/log"
        && access.file_type == Some(HostPathType::File)
        && access.path.relation(&entry.pattern) == Relation::Descendant
}

/// Returns the verb phrase for the effect of a read-only access.
fn read_effect(
    cx: &Context<'_>,
    entry: &Entry,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
) -> &'static str {
    match access.file_type {
        // No container mounts the volume. An ephemeral container can mount it writable.
        _ if !volume.is_persistent_volume() && access.mount.is_none() => "is exposed to",
        _ if !cx.options.catalog.contains_devices(entry) => "is readable by",
        Some(HostPathType::Directory) => "exposes its devices to",
        _ => "can be used by",
    }
}

fn help(
    cx: &Context<'_>,
    entry: &Entry,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
) -> Cow<'static, str> {
    let directory = quoted(&entry.path);
    if volume.is_persistent_volume() {
        if is_provisioner_directory(entry, &access.path) {
            return format!(
                "if a provisioner created this PersistentVolume, exempt {directory} in the policy"
            )
            .into();
        }
        return "point the PersistentVolume at a directory that is only for volumes".into();
    }
    if matches!(volume.form(), HostPathForm::Field { .. }) && access.mount.is_none() {
        return "use a directory that belongs to this component alone".into();
    }
    if let Some(help) = read_only_help(cx, entry, access) {
        return help;
    }
    let device = access.file_type.filter(|file_type| file_type.bypasses_read_only());
    match (entry.class, access.class, access.effective, device) {
        (EntryClass::Critical, PathClass::Above(_) | PathClass::DataDirectory(_), ..) => {
            "mount only the file or directory that is needed".into()
        }
        (EntryClass::Critical, ..) => {
            "remove the volume, or exempt the workload in the policy by namespace, name and path".into()
        }
        (_, _, Access::Read, _) => "remove the volume, or mount only the part that is needed".into(),
        (.., Some(device)) => {
            let noun = if device == HostPathType::Socket { access.socket_noun() } else { device.noun() };
            format!("remove the volume: a {noun} stays writable even through a read-only mount").into()
        }
        _ => "mount only the part that is needed: a read-only mount does not protect devices and sockets"
            .into(),
    }
}

/// Returns the help if a read-only mount is enough to protect the path.
fn read_only_help(cx: &Context<'_>, entry: &Entry, access: &HostPathAccess<'_>) -> Option<Cow<'static, str>> {
    let setting = access.mount.map_or(Cow::Borrowed("`readOnly: true`"), read_only_setting);
    if entry.class == EntryClass::Harmless {
        return Some(format!("set {setting} on the mount").into());
    }
    let is_protected = entry.class != EntryClass::Critical
        && access.effective == Access::Write
        && !access.file_type.is_some_and(HostPathType::bypasses_read_only)
        && !cx.options.catalog.has_read_only_bypass_below(&access.path);
    is_protected.then(|| {
        format!(
            "set {setting} on the mount and write outside of {}, or exempt the workload in the policy",
            quoted(&entry.path)
        )
        .into()
    })
}
