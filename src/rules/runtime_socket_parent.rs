//! A volume gives a folder that holds the socket of a container runtime.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is above the socket of a container runtime:
//! `/run` and `/var/run`, `/run/containerd`, `/run/user/1000`, `/var`, and others. `/` is `host-root`.
//!
//! ## Why is this bad?
//!
//! It gives the socket as much as a mount of the socket itself, and passes every check that looks for its
//! name. Whoever can connect is root on the node. `readOnly: true` does not help, since connecting is not
//! writing.
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
//! Mount what is needed, and nothing above it:
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
//! Hardly ever: what an agent needs below such a folder can be mounted by itself. A socket that is made anew
//! while the agent runs is a reason to mount its folder; exempt the agent by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::findings::host_path_finding;
use super::support::wording::{class_reason, host_path};
use super::{Check, Context, FixClass, Group, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("runtime-socket-parent"),
    summary: "a volume gives a folder that holds the socket of a container runtime",
    group: Group::Sockets,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("runtime_socket_parent.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        if !matches!(used.class, PathClass::SocketParent(_)) {
            continue;
        }
        let message = format!("{} holds the sockets of container runtimes", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message)
            .why(class_reason(used.class))
            .help(
                "mount only the file or folder below it that is needed: \
             a read-only mount protects no socket",
            );
        out.push(finding);
    }
}
