//! A volume exposes a directory with a container runtime socket.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is a directory above a container
//! runtime socket. Examples are `/run`, `/var/run`, `/run/containerd`, `/run/user/1000` and `/var`.
//! For the path `/`, see [`host-root`](host-root.md). For runtime sockets below `/home` and
//! `/var/lib`, see [`node-agent-socket`](node-agent-socket.md).
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Well-known
//! symbolic links are resolved: `/var/run` counts as `/run`.
//!
//! ## Why is this bad?
//!
//! A mount of the directory exposes the socket just like a mount of the socket itself. Checks that
//! look only for the path of the socket do not notice a mount of the directory.
//!
//! A process that can connect to the runtime usually has root access to the node. Through the
//! socket of a rootless runtime, it has the permissions of the user who runs the runtime.
//! `readOnly: true` does not help, because a read-only mount does not prevent connections.
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
//!     - name: run
//!       mountPath: /host/run
//!       readOnly: true
//!   volumes:
//!   - name: run
//!     hostPath:
//!       path: /var/run # finding
//!       type: Directory
//! ```
//!
//! Mount only the directory that is needed:
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
//!     - name: run
//!       mountPath: /host/run/udev
//!       readOnly: true
//!   volumes:
//!   - name: run
//!     hostPath:
//!       path: /run/udev
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Rarely. Most agents need only some paths below the directory. An agent that must reconnect after
//! a socket is recreated has to mount the directory of the socket. Exempt such an agent by
//! namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::findings::host_path_finding;
use super::support::options::CATALOG;
use super::support::wording::{class_reason, host_path, may_be_elsewhere};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("runtime-socket-parent"),
    summary: "a volume exposes a directory with a container runtime socket",
    group: Group::Sockets,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("runtime_socket_parent.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        if !matches!(access.class, PathClass::SocketParent(_)) {
            continue;
        }
        let verb = if may_be_elsewhere(access) { "may contain" } else { "contains" };
        let noun = access.socket_noun();
        let message = format!("{} {verb} container runtime {noun}s", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why(class_reason(access.class))
            .help(format!(
                "mount only the file or directory that is needed; a read-only mount does not protect {noun}s"
            ));
        out.push(finding);
    }
}
