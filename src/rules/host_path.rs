//! A Pod has a hostPath volume.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of a Pod, whatever its path and access, also where no container mounts it:
//! an ephemeral container may. It is off in the profile `recommended`, and an error in `baseline` and
//! `restricted`, as in the Pod Security Standards of those names.
//!
//! ## Why is this bad?
//!
//! Whatever the path, the Pod then depends on the node and can reach beyond itself: other Pods that have the
//! same path, links in it that lead elsewhere, the node's disk to fill.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     hostPath:
//!       path: /srv/www # finding
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!   volumes:
//!   - name: pages
//!     configMap:
//!       name: pages
//! ```
//!
//! ## When to allow it
//!
//! Agents of the node: that is what the profile `recommended` is for, or an exemption by namespace, name,
//! path and access.
//!
//! ## References
//!
//! - [Kubernetes: Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline)

use super::support::findings::host_path_finding;
use super::support::wording::{quoted, volume};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path"),
    summary: "a Pod has a hostPath volume",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses().filter(|(host, _)| host.volume.is_some()) {
        let message = format!("{} is host path {}", volume(host), quoted(host.path));
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message)
            .why("it binds the Pod to what is on the node, and lets it reach beyond itself")
            .help("use a claim for data, an `emptyDir` for scratch files, a ConfigMap for settings");
        out.push(finding);
    }
}
