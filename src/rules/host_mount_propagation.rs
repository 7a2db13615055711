//! A `hostPath` mount propagates mounts between the node and a container.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume with `mountPropagation: Bidirectional` or
//! `mountPropagation: HostToContainer`. The severity is:
//!
//! - error for `Bidirectional` in a container that is not privileged
//! - warning for `Bidirectional` in a privileged container, or in an incomplete object of a known
//!   kind, such as a patch of a DaemonSet
//! - info for `HostToContainer`
//!
//! ## Why is this bad?
//!
//! With `Bidirectional`, each mount that the container creates below the path also appears on the
//! node, and can appear in other Pods that mount the path. Such mounts remain after the container
//! exits. They can hide files of the node, and the kubelet cannot remove a directory in which
//! something is mounted. The API server rejects `Bidirectional` in a container that is not
//! privileged.
//!
//! With `HostToContainer`, filesystems that the node mounts below the path after the container has
//! started also appear in the container. They can be volumes of other Pods. `readOnly: true` on the
//! `hostPath` mount does not make these filesystems read-only. Mounts of `/run/netns` and
//! `/run/docker/netns` are reported, too. The node mounts only network namespaces there, which are
//! not writable, but a privileged container can enter them.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: mounter
//! spec:
//!   containers:
//!   - name: mounter
//!     image: busybox
//!     securityContext:
//!       privileged: true
//!     volumeMounts:
//!     - name: media
//!       mountPath: /media
//!       mountPropagation: Bidirectional # finding
//!   volumes:
//!   - name: media
//!     hostPath:
//!       path: /media
//!       type: Directory
//! ```
//!
//! If the container only reads files, use a read-only mount without propagation:
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
//!     - name: media
//!       mountPath: /media
//!       readOnly: true
//!   volumes:
//!   - name: media
//!     hostPath:
//!       path: /media
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Advice only: remove `mountPropagation`, unless the container must mount filesystems on the node
//! or must see later mounts of the node.
//!
//! ## When to allow it
//!
//! A CSI driver mounts volumes below `/var/lib/kubelet`, where the kubelet and other containers use
//! them. It needs `Bidirectional` for that. Exempt CSI drivers by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: Mount propagation](https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation)

use super::ineffective_read_only::contains_only_network_namespaces;
use super::support::wording::{self, volume_and_path, written_path};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Container;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-mount-propagation"),
    summary: "a `hostPath` mount propagates mounts between the node and a container",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &MatchKey::ALL,
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("host_mount_propagation.rs"),
    check: Check::Volumes(check),
};

/// The properties of a finding that depend on the mode of propagation.
struct Details {
    severity: Severity,
    label: &'static str,
    message: String,
    why: &'static str,
    help: &'static str,
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // An incomplete object of a known kind may be a patch. It may omit `privileged: true` because
    // the patched object already sets it.
    let is_complete = cx.pod().is_some_and(|pod| pod.is_complete || pod.is_heuristic);
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|mount| mount.mount.propagates()) else { continue };
        let path = written_path(volume, access);
        let details = if &*mount.mount.mount_propagation == "HostToContainer" {
            host_to_container(mount.container, &path, contains_only_network_namespaces(&access.path))
        } else {
            bidirectional(mount.container, &path, is_complete)
        };
        let field = mount.path().key("mountPropagation");
        out.push(
            Finding::new(RULE.id, details.severity, field, details.message)
                .label(details.label)
                .related(volume.path_field(), volume_and_path(volume))
                .why(details.why)
                .help(details.help)
                .volume(volume.name)
                .container(&mount.container.name)
                .host_path(&access.path)
                .access(access.effective),
        );
    }
}

fn host_to_container(container: &Container<'_>, path: &str, has_only_network_namespaces: bool) -> Details {
    let name = wording::container(container);
    Details {
        severity: Severity::Info,
        label: "receives new mounts from the node",
        message: format!("new mounts in {path} on the node appear in {name}"),
        why: match has_only_network_namespaces {
            true => "a network namespace is not writable, but a privileged container can enter it",
            false => "`readOnly` on this mount does not make the new mounts read-only",
        },
        help: "remove `mountPropagation`, unless the container needs new mounts",
    }
}

fn bidirectional(container: &Container<'_>, path: &str, is_complete: bool) -> Details {
    let name = wording::container(container);
    if container.security_context.privileged || !is_complete {
        return Details {
            severity: Severity::Warning,
            label: "propagates mounts both ways",
            message: format!("mounts that {name} creates in {path} appear on the node"),
            why: "the mounts can appear in other Pods and outlive the container",
            help: "remove `mountPropagation`, unless the container must create mounts on the node",
        };
    }
    Details {
        severity: Severity::Error,
        label: "requires `privileged: true`",
        message: format!("{name} needs `privileged: true` for `Bidirectional` propagation of {path}"),
        why: "the API server rejects the object",
        help: "remove `mountPropagation`",
    }
}
