//! A sub path of a host path can be replaced by a container, or created by the kubelet.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume with a `subPath` or `subPathExpr` in two cases:
//!
//! - A container of the Pod has a writable mount of the volume's path on the node, or of a path
//!   above or below that path. This can be the reported mount itself. Any other mount of only the
//!   sub path, or of a path below it, counts only if the sub path contains a variable.
//! - There is no such writable mount, but the sub path may be missing on the node.
//!   This is the case if the sub path contains a variable, or if the path of the volume joined with
//!   the sub path is not certain to exist.
//!
//! volcheck assumes that well-known devices and names that end in `.sock` exist on the node. Its
//! host path catalog is a list of paths that belong to the node, and some of these paths contain
//! the wildcard `*`. volcheck assumes that a path in the catalog exists if the catalog lists its
//! type, and that the directories above a path without a wildcard exist.
//!
//! Sub paths that the rule `sub-path-backstep` reports, such as `../etc`, are not reported again.
//!
//! ## Why is this bad?
//!
//! The kubelet resolves sub paths as root. A container with write access to the volume can replace
//! a directory of the sub path with a symbolic link. Two vulnerabilities in the handling of such
//! links exposed the node's filesystem (CVE-2017-1002101, CVE-2021-25741). Kubernetes 1.23 and
//! later contain both fixes.
//!
//! The kubelet creates a missing sub path as a directory on the node, regardless of the `type` of
//! the volume. It does so even for a read-only mount, and even if the sub path should be a file.
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
//! Advice only. If a mount is writable, mount the volume without a sub path, or make all mounts of
//! the path read-only. Read-only mounts do not help for sockets and devices, which remain writable.
//! Moving the sub path into `hostPath.path` does not help if a container can write to a parent
//! directory of the path. The container runtime follows symbolic links in `hostPath.path` without
//! the checks that the kubelet makes for sub paths.
//!
//! If all mounts are read-only, move the sub path into `hostPath.path`, and set a `type` that
//! requires the path to exist. Kubernetes expands no variables in `hostPath.path`. If the sub path
//! contains a variable, mount the volume without a sub path instead.
//!
//! ## When to allow it
//!
//! If a mount is writable, allow the sub path if all containers that can write to the volume are as
//! trusted as the node. If all mounts are read-only, allow it if the sub path exists on every node.
//!
//! ## References
//!
//! - [CVE-2017-1002101](https://github.com/kubernetes/kubernetes/issues/60813)
//! - [CVE-2021-25741](https://github.com/kubernetes/kubernetes/issues/104980)

use std::cell::LazyCell;

use super::sub_path_backstep;
use super::support::host_path_type::known_type;
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, has_variable, volume_and_path, written_path};
use super::{
    Check, Context, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume, MatchKey, ObjectKinds,
    Rule,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-sub-path"),
    summary: "a sub path of a host path can be replaced by a container, or created by the kubelet",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
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
        // A container that can write only at or below the sub path cannot replace its directories.
        // Nevertheless, the reported mount itself counts.
        let can_replace = |other: &HostPathAccess<'_>, writer: &ContainerMount<'_, '_>| {
            let is_below =
                matches!(other.path.relation_to(&access.path), Relation::Equal | Relation::Descendant);
            let is_own = std::ptr::eq(writer.mount, mount.mount);
            other.path.relation_to(&volume.clean) != Relation::Unrelated
                && (is_own || !is_below || has_variable(access))
        };
        let Some((_, _, writer)) = writers.iter().find(|(_, other, writer)| can_replace(other, writer))
        else {
            out.extend(created_directory(cx, volume, access, mount));
            continue;
        };
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
            .why("the kubelet resolves sub paths as root and may follow a symlink that a container created")
            .help(help)
            .volume(volume.name)
            .container(&mount.container.name)
            .host_path(&access.path);
        out.push(if writer.path() == mount.path() {
            finding.related(volume.path_field(), volume_and_path(volume))
        } else {
            finding.related(writer.path(), format!("{} can write here", container(writer.container)))
        });
    }
}

/// Creates a finding about a sub path of a read-only host path. Returns `None` if the kubelet does
/// not need to create the sub path, because it is the path of the volume itself or is known to
/// exist on nodes.
fn created_directory(
    cx: &Context<'_>,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
) -> Option<Finding> {
    let (key, sub_path) = mount.mount.sub_path_entry()?;
    let has_variable = key == "subPathExpr" && sub_path.contains("$(");
    let exists = access.path == volume.clean || known_type(&cx.options.catalog, &access.path).is_some();
    if exists && !has_variable {
        return None;
    }
    let help = if has_variable {
        "mount the volume without a sub path: `hostPath.path` cannot contain a variable"
    } else {
        "move the sub path to `hostPath.path`, where `type` can require that the path exists"
    };
    let path = written_path(volume, access);
    let message = format!("host path {path} is created on the node if missing, despite `readOnly`");
    let finding = Finding::new(RULE.id, Severity::Info, mount.path().key(key), message)
        .related(volume.path_field(), volume_and_path(volume))
        .why("the kubelet creates a missing sub path as a directory, even if it should be a file")
        .help(help)
        .volume(volume.name)
        .container(&mount.container.name)
        .host_path(&access.path);
    Some(finding)
}
