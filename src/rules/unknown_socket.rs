//! A volume exposes an unknown socket of the node.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is a socket, unless the policy
//! allows it. Paths at, above or below an entry of volcheck's host path catalog are left to other
//! rules. A path counts as a socket if it ends in `.sock`, if it is a Windows named pipe, or if the
//! volume has `type: Socket`. A path whose `type` is a directory or a device does not count as a
//! socket, regardless of its name.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Aliases are
//! resolved: `/var/run` counts as `/run`.
//!
//! Named pipes that a HostProcess container on Windows mounts are reported too. Kubernetes does not
//! support such a mount. The mount is not needed either, because a HostProcess container can open
//! every pipe of the node by its path.
//!
//! ## Why is this bad?
//!
//! A program on the node, often running as root, listens on the socket and serves the container
//! like any other client. `readOnly: true` does not help, because a read-only mount does not
//! prevent connections.
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
//! Connect to the service over the network, where it can authenticate its clients:
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
//! `hostPaths.allowOnly` in the policy lists allowed paths. Sockets at or inside these paths are
//! not reported. However, an entry with `readOnly: true` allows only read-only mounts.
//!
//! ## When to allow it
//!
//! Exempt the workload in the policy if you know what the service does for its clients. If the
//! policy has a list `hostPaths.allowOnly`, you can add the path to this list instead.
//!
//! ## References
//!
//! - [unix(7): pathname socket ownership and permissions](https://man7.org/linux/man-pages/man7/unix.7.html)

use super::support::findings::{host_path_finding, socket_help};
use super::support::policy_keys::CATALOG;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule, RuleOption};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-socket"),
    summary: "a volume exposes an unknown socket of the node",
    group: Group::Sockets,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[
        RuleOption::policy_key("hostPaths.allowOnly", "the allowed paths; allowed sockets are not reported"),
        CATALOG,
    ],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("unknown_socket.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // In a policy without a list, the first entry would forbid all other host paths.
    let remedy = match cx.options.allowed_host_paths {
        Some(_) => "add the path to `hostPaths.allowOnly` in the policy",
        None => "exempt the workload in the policy",
    };
    let help =
        |noun: &str| format!("remove the volume (a read-only mount does not protect {noun}s), or {remedy}");
    for (volume, access) in cx.host_path_accesses() {
        if access.class.is_in_catalog() || !access.is_socket() || access.is_allowed(cx.options) {
            continue;
        }
        let noun = access.socket_noun();
        let message =
            format!("{} is a {noun} that is not in the host path catalog", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Warning, volume, access, message)
            .why(format!(
                "a container that mounts the {noun} can use its service like any program on the node"
            ))
            .help(socket_help(cx, access, help(noun)));
        out.push(finding);
    }
}
