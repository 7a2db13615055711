//! A path of the node need not be there on the node where the Pod comes up.
//!
//! ## What it does
//!
//! Reports each mounted `hostPath` volume whose path is not the node's own (in the catalogue of host paths),
//! in a workload that nothing binds to certain nodes: no `nodeName`, no `nodeSelector` by more than operating
//! system and architecture, no required node affinity, no DaemonSet. Of objects that hold but a part of a Pod it says nothing.
//!
//! ## Why is this bad?
//!
//! A path that somebody has made is on the nodes where he made it. On any other the Pod does not start, or
//! starts with an empty folder.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: model
//! spec:
//!   template:
//!     spec:
//!       containers:
//!       - name: model
//!         image: model
//!         volumeMounts:
//!         - name: weights
//!           mountPath: /weights
//!           readOnly: true
//!       volumes:
//!       - name: weights
//!         hostPath:
//!           path: /srv/weights # finding
//!           type: Directory
//! ```
//!
//! Say which nodes have it, or use a claim:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: model
//! spec:
//!   template:
//!     spec:
//!       nodeSelector:
//!         example.com/weights: "true"
//!       containers:
//!       - name: model
//!         image: model
//!         volumeMounts:
//!         - name: weights
//!           mountPath: /weights
//!           readOnly: true
//!       volumes:
//!       - name: weights
//!         hostPath:
//!           path: /srv/weights
//!           type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Where whoever sets up the nodes puts the path on each of them.
//!
//! ## References
//!
//! - [Kubernetes: assigning Pods to nodes](https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/)

use super::support::findings::host_path_finding;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unpinned-host-path"),
    summary: "a path of the node need not be there on the node where the Pod comes up",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("unpinned_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.is_possibly_daemon_set() || !cx.pod().is_some_and(is_free) {
        return;
    }
    for (host, used) in cx.host_path_accesses() {
        if used.mount.is_none() || used.class.is_catalogued() {
            continue;
        }
        // Every node has these, and in each is something else.
        let is_everywhere = cx.options.node_scratch_directories.find_containing(&used.path).is_some();
        out.push(if is_everywhere { other_content(host, used) } else { absent(host, used) });
    }
}

fn other_content(host: &HostPathVolume<'_>, used: &HostPathAccess<'_>) -> Finding {
    let message = format!("what is in {} differs from node to node", host_path(host, used));
    host_path_finding(RULE.id, Severity::Warning, host, used, message)
        .why("on another node the Pod finds what others left there, or nothing")
        .help("bind the Pod to a node (`nodeSelector`, node affinity), or use a claim")
}

fn absent(host: &HostPathVolume<'_>, used: &HostPathAccess<'_>) -> Finding {
    let message = format!("{} need not be on every node that the Pod can come up on", host_path(host, used));
    let why = if used.path.is_named_pipe() {
        "on a node without it the Pod does not start"
    } else {
        "on a node without it the Pod does not start, or starts with an empty folder"
    };
    let help = if used.can_be_directory() {
        "bind the Pod to nodes that have it (`nodeSelector`, node affinity), or use a claim"
    } else {
        "bind the Pod to nodes that have it (`nodeSelector`, node affinity)"
    };
    host_path_finding(RULE.id, Severity::Warning, host, used, message).why(why).help(help)
}

/// Whether it is sure that nothing binds the pod to certain nodes.
fn is_free(pod: &Pod<'_>) -> bool {
    pod.is_complete && pod.is_pinned == Some(false)
}
