//! A volume gives a path of the node that the policy's allow list does not hold.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is not at or inside an entry of the policy's
//! allow list, or that can be written where the entry says `readOnly: true`. A read-only mount satisfies an
//! entry that allows writing. A path that is relative, or holds `..`, is never allowed.
//!
//! Being allowed here answers `unlisted-host-path` and `unknown-socket`, no other rule.
//!
//! ## Why is this bad?
//!
//! You have said which paths of your nodes are for workloads, and this is none of them.
//!
//! ## Example
//!
//! With this in the policy:
//!
//! ```yaml
//! hostPaths:
//!   allow:
//!   - { path: /var/log, readOnly: true }
//!   - { path: /srv/volumes }
//! ```
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
//!     - name: data
//!       mountPath: /data
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/volumes-old # finding
//!       type: Directory
//! ```
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
//!     - name: data
//!       mountPath: /data
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/volumes/reader
//!       type: Directory
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Options
//!
//! `hostPaths.allow` is the list. Without it there is no such check; the empty list allows nothing.
//!
//! ## When to allow it
//!
//! Add the path to the list where every workload may use it; exempt a workload where it alone may.

use super::support::findings::host_path_finding;
use super::support::wording::{accessor, host_path};
use super::{Check, Context, FixClass, Group, HostPathVolume, Rule, RuleOption};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unlisted-host-path"),
    summary: "a volume gives a path of the node that the policy's allow list does not hold",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[RuleOption {
        name: "hostPaths.allow",
        summary: "the allowed paths; absent, there is no such check",
    }],
    lint_only: None,
    source: include_str!("unlisted_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(list) = &cx.options.allowed_host_paths else { return };
    for (host, used) in cx.host_path_accesses() {
        if used.is_allowed(cx.options) {
            continue;
        }
        let path = host_path(host, used);
        let (message, help) = if list.iter().any(|entry| entry.covers(&used.path)) {
            (
                format!("{path} is allowed read-only, and {} can write it", accessor(host, used)),
                read_only(host),
            )
        } else {
            (
                format!("{path} is not in the policy's allow list"),
                "use a path that is in the list, or add this one to `hostPaths.allow` of the policy",
            )
        };
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message)
            .why("the policy says which paths of a node are for workloads")
            .help(help);
        out.push(finding);
    }
}

fn read_only(host: &HostPathVolume<'_>) -> &'static str {
    match host.volume {
        Some(_) => "set `readOnly: true` on the mount",
        None => "use a path that the list allows to write: a PersistentVolume can't say that it is read-only",
    }
}
