//! A container mounts a host path without `readOnly: true`.
//!
//! ## What it does
//!
//! Reports each `hostPath` mount without `readOnly: true` as a separate finding. The rule checks
//! all containers, including init and ephemeral containers.
//!
//! ## Why is this bad?
//!
//! The container can write to the node's filesystem. An attacker who controls the container can
//! change the node's files and often become root on the node. Files that the container creates
//! outlive the Pod.
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
//!     - name: logs # finding
//!       mountPath: /logs
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! Use instead:
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true` on the mount. Unsafe: the container may need to write.
//!
//! Sockets stay writable through a read-only mount, and so do devices that the container can open.
//! There is no fix for them, except for harmless devices such as `/dev/null`. A read-only mount of
//! such a device only prevents changes of its owner and mode on the node. There is also no fix for
//! a directory that contains sockets or devices according to volcheck's host path catalog, such as
//! `/dev`. However, if a container only connects to a socket in the mounted directory, set
//! `readOnly: true`, so that the container cannot replace the socket. Examples of such containers
//! are the sidecars of a CSI driver.
//!
//! ## When to allow it
//!
//! Some node agents must write, such as a CSI driver in its directory below `/var/lib/kubelet`, or
//! a CNI plugin that installs itself. Exempt them by name, path and access.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [CIS Kubernetes Benchmark](https://www.cisecurity.org/benchmark/kubernetes): 5.2.12 in version
//!   1.8, and 5.2.11 in version 1.12

use std::borrow::Cow;

use super::support::findings::read_only_fix;
use super::support::wording::{container, read_only_setting, volume_and_path, written_path};
use super::{
    Check, Context, EntryClass, FixClass, Group, HostPathAccess, HostPathType, MatchKey, ObjectKinds,
    PathClass, Rule,
};
use crate::finding::{Access, Finding, RuleId, Severity};
use crate::model::{ContainerMount, ReadOnlyField};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("writable-host-path"),
    summary: "a container mounts a host path without `readOnly: true`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("writable_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|_| !access.is_read_only) else { continue };
        let path = written_path(volume, access);
        let message = format!("host path {path} is mounted writable in {}", container(mount.container));
        let finding = Finding::new(RULE.id, Severity::Error, mount.path(), message)
            .label(match mount.mount.read_only_field {
                ReadOnlyField::Writable => Cow::Borrowed("mounted here with `writable: true`"),
                _ => format!("mounted here without {}", read_only_setting(mount)).into(),
            })
            .related(volume.path_field(), volume_and_path(volume))
            .why(why(access))
            .volume(volume.name)
            .container(&mount.container.name)
            .host_path(&access.path)
            .access(Access::Write);
        out.push(with_help(cx, access, mount, finding));
    }
}

fn why(access: &HostPathAccess<'_>) -> &'static str {
    match access.file_type {
        Some(HostPathType::CharDevice | HostPathType::BlockDevice) => {
            if access.is_denied_device() {
                "the container cannot open the device, but it can change the device's owner and mode on the node"
            } else if access.is_harmless_file() {
                "the container can change the device's owner and mode on the node"
            } else {
                "the container can write to the device, and change its owner and mode on the node"
            }
        }
        Some(HostPathType::Socket) if access.path.is_named_pipe() => {
            "the container can use the named pipe like any program on the node"
        }
        Some(HostPathType::Socket) => {
            "the container can use the socket, and change its owner and mode on the node"
        }
        _ => "the container can change files on the node",
    }
}

/// Adds the help and, if a read-only mount would protect the path, the fix.
fn with_help(
    cx: &Context<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    finding: Finding,
) -> Finding {
    let setting = read_only_setting(mount);
    if let Some(noun) = access.read_only_bypass_noun() {
        return finding
            .help(format!("remove the mount: a {noun} stays writable even through a read-only mount"));
    }
    if cx.options.catalog.has_read_only_bypass_below(&access.path) {
        return finding.help(match is_agent_socket(access.class) {
            true => format!(
                "set {setting} if the container only connects to sockets in this directory: a read-only mount \
                 prevents it from replacing them"
            ),
            false => {
                "remove the mount, or mount only the part that is needed: a read-only mount does not protect \
                 devices and sockets"
                    .to_owned()
            }
        });
    }
    let is_device = matches!(access.file_type, Some(HostPathType::CharDevice | HostPathType::BlockDevice));
    let help = match (is_device, access.is_harmless_file()) {
        (true, true) => format!("set {setting} on the mount: the container can still use the device"),
        (true, false) => format!("set {setting} on the mount, or remove the mount"),
        (false, _) => format!("set {setting} on the mount if the container only reads, or remove the mount"),
    };
    finding.help(help).advises_read_only(mount.path()).fix(read_only_fix(mount))
}

/// Checks whether the path is in a directory with the sockets of node daemons, such as the
/// directory of a CSI driver.
fn is_agent_socket(class: PathClass<'_>) -> bool {
    matches!(class, PathClass::Inside(entry) if entry.class == EntryClass::AgentSocket)
}
