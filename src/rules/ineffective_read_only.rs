//! A mount is read-only, and that doesn't protect what it mounts.
//!
//! ## What it does
//!
//! Reports `readOnly: true` on the mount of a host path
//!
//! - that is a socket or a device, by its `type` or by the catalogue of host paths;
//! - with `mountPropagation: HostToContainer` or `Bidirectional`. `/run/netns` is left out: network namespaces are
//!   all that is mounted there, and nobody can write to one.
//!
//! One finding per mount, in every kind of container.
//!
//! ## Why is this bad?
//!
//! The kernel keeps a read-only mount from changing files and directories. It doesn't keep anyone from
//! connecting to a socket or driving a device: a container with a runtime's socket mounted read-only starts
//! privileged containers all the same. And what the node mounts below the path later, propagation brings into
//! the container as the node has it, so writable; `recursiveReadOnly`, which would help, is refused together
//! with it.
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
//! Use instead a mount that read-only protects, or none:
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
//! A monitoring agent that must see the mounts that come and go, such as node-exporter with `/`: it needs
//! `HostToContainer`, and what it can write is then a matter of its user and its privileges.
//!
//! ## References
//!
//! - [Kubernetes: mount propagation](https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation)
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::host_path_type::with_article;
use super::support::wording::{container, volume_and_path, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, FieldPath, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ineffective-read-only"),
    summary: "a mount is read-only, and that doesn't protect what it mounts",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("ineffective_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        let Some(of) = used.mount else { continue };
        match void(used) {
            Some(Void::Kind(kind)) => out.push(of_kind(host, used, of, kind)),
            Some(Void::Propagation) => out.push(of_propagation(host, used, of)),
            None => {}
        }
    }
}

/// Why read-only doesn't protect.
pub(super) enum Void {
    /// It is no matter of files.
    Kind(HostPathType),
    /// Mounts of the node come into it, writable.
    Propagation,
}

/// Why a use is read-only in vain; none where it isn't read-only, or not in vain.
pub(super) fn void(used: &HostPathAccess<'_>) -> Option<Void> {
    let of = used.mount.filter(|_| used.is_read_only)?;
    match used.read_only_bypass() {
        Some(kind) => Some(Void::Kind(kind)),
        None => (of.mount.propagates() && !holds_namespaces(&used.path)).then_some(Void::Propagation),
    }
}

/// Whether network namespaces are all that is mounted there: the kernel lets nobody write to these.
pub(super) fn holds_namespaces(path: &HostPath) -> bool {
    ["/run/netns", "/run/docker/netns"].iter().any(|folder| {
        matches!(path.relation_to(&HostPath::new(folder)), Relation::Equal | Relation::Descendant)
    })
}

fn of_kind(
    host: &HostPathVolume<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
    kind: HostPathType,
) -> Finding {
    let message = format!(
        "{} can write to host path {} despite `readOnly`: it is {}",
        container(of.container),
        written_path(host, used),
        with_article(kind)
    );
    let noun = kind.noun();
    finding(host, used, of, of.path().key("readOnly"), message)
        .label(format!("doesn't protect a {noun}"))
        .why(format!("a read-only mount protects files and directories; a {noun} can be used all the same"))
        .help(format!("drop the mount, if the container must not use the {noun}"))
}

fn of_propagation(
    host: &HostPathVolume<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
) -> Finding {
    let message = format!(
        "{} can write to what is mounted below host path {} despite `readOnly`",
        container(of.container),
        written_path(host, used)
    );
    finding(host, used, of, of.path().key("mountPropagation"), message)
        .label("brings in the mounts of the node, writable")
        .why("what the node mounts there comes into the container as writable as it is on the node")
        .help("drop `mountPropagation`, if the container can do without later mounts, and set `recursiveReadOnly: IfPossible`")
}

fn finding(
    host: &HostPathVolume<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
    place: FieldPath,
    message: String,
) -> Finding {
    Finding::new(RULE.id, Severity::Warning, place, message)
        .related(host.path_field(), volume_and_path(host))
        .volume(host.name)
        .container(&of.container.name)
        .path(&used.path)
        .access(used.effective)
}
