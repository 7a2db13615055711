//! A volume gives a socket of the node that nobody knows.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is a socket (`type: Socket`, a name that
//! ends in `.sock`, or a named pipe of Windows), and neither in the catalogue of host paths nor allowed by
//! the policy.
//!
//! ## Why is this bad?
//!
//! Behind a socket of the node is a program of the node, often with the rights of root: what it does for
//! those who connect, it does for the container. `readOnly: true` does not help, since connecting is not
//! writing.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: client
//! spec:
//!   containers:
//!   - name: client
//!     image: busybox
//!     volumeMounts:
//!     - name: vendor
//!       mountPath: /run/vendor.sock
//!       readOnly: true
//!   volumes:
//!   - name: vendor
//!     hostPath:
//!       path: /run/vendor/agent.sock # finding
//!       type: Socket
//! ```
//!
//! Talk to the service over the network, where it can tell who asks:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: client
//! spec:
//!   containers:
//!   - name: client
//!     image: busybox
//!     env:
//!     - name: VENDOR_URL
//!       value: https://vendor.agents.svc
//! ```
//!
//! ## Options
//!
//! A path in the policy's `hostPaths.allow` is known, and what is inside it.
//!
//! ## When to allow it
//!
//! Where you know what the service does for whoever connects. Allow its path in the policy.
//!
//! ## References
//!
//! - [unix(7): pathname socket ownership and permissions](https://man7.org/linux/man-pages/man7/unix.7.html)

use super::support::findings::host_path_finding;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, Rule, RuleOption};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-socket"),
    summary: "a volume gives a socket of the node that nobody knows",
    group: Group::Sockets,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[RuleOption { name: "hostPaths.allow", summary: "sockets in this list are known" }],
    lint_only: None,
    source: include_str!("unknown_socket.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        if used.class.is_catalogued() || !used.is_socket() || used.is_allowed(cx.options) {
            continue;
        }
        let message = format!("{} is a socket that the catalogue does not know", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Warning, host, used, message)
            .why("the container can ask of the service behind it what any program of the node can")
            .help(
                "drop the volume (a read-only mount does not protect a socket), or allow the path in \
                 `hostPaths.allow` of the policy",
            );
        out.push(finding);
    }
}
