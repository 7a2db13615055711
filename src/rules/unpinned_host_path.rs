//! A host path may be missing on the node where the Pod runs.
//!
//! ## What it does
//!
//! Reports each mounted `hostPath` volume whose path is not in volcheck's host path catalog, if the
//! Pod can run on any node. A Pod can run on any node unless it sets `nodeName`, or a
//! `nodeSelector` or required node affinity for something other than the operating system and the
//! architecture.
//!
//! Paths below an entry of the catalog are skipped, and so are paths above an entry. However,
//! `/mnt`, `/srv` and `/var/data` are reported. DaemonSets, objects of unknown kinds, custom
//! resources without a complete Pod template, and incomplete objects, such as patches, are skipped,
//! too.
//!
//! Static Pods and their mirror Pods are skipped because each static Pod runs on the node that has
//! its manifest. volcheck considers a Pod static if it has no controller, sets `hostNetwork: true`,
//! and meets one of these conditions:
//!
//! - Its namespace is `kube-system` or starts with `openshift-`.
//! - One of its containers runs the image of a control plane component, such as `etcd`.
//!
//! ## Why is this bad?
//!
//! A path that was created manually exists only on the nodes where it was created. On any other
//! node, the Pod does not start, or starts with an empty directory or file. A scratch directory,
//! such as `/tmp`, exists on every node, but its content differs between nodes.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: model
//! spec:
//!   selector: {matchLabels: {app: a}}
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
//! Select the nodes that have the path, or use a PersistentVolumeClaim:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: model
//! spec:
//!   selector: {matchLabels: {app: a}}
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
//! Allow it if every node has the path because the node setup creates it.
//!
//! ## References
//!
//! - [Kubernetes: assigning Pods to nodes](https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/)

use super::support::findings::host_path_finding;
use super::support::host_path_type::RequestedType;
use super::support::policy_keys::CATALOG;
use super::support::wording::host_path;
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unpinned-host-path"),
    summary: "a host path may be missing on the node where the Pod runs",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unpinned_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.can_be_daemon_set() || cx.is_static_pod() || !cx.pod().is_some_and(is_unpinned) {
        return;
    }
    for (volume, access) in cx.host_path_accesses() {
        if access.mount.is_none() || access.class.is_in_catalog() {
            continue;
        }
        // Scratch directories exist on every node, with different content.
        let is_on_every_node = cx.options.node_scratch_directories.find_containing(&access.path).is_some();
        out.push(match is_on_every_node {
            true => different_content(volume, access),
            false => missing_path(volume, access),
        });
    }
}

fn different_content(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> Finding {
    let message = format!("the content of {} differs between nodes", host_path(volume, access));
    host_path_finding(RULE.id, Severity::Warning, volume, access, message)
        .why("on another node, the Pod finds files of other programs or no files")
        .help("pin the Pod to a node (`nodeSelector`, node affinity), or use a `persistentVolumeClaim`")
}

fn missing_path(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> Finding {
    let message = format!("{} may be missing on the node where the Pod runs", host_path(volume, access));
    let requested = RequestedType::of_volume(volume).filter(|_| access.path == volume.clean);
    let why = if access.path.is_named_pipe() || requested.is_some_and(|requested| !requested.creates) {
        "on a node without the path, the Pod does not start"
    } else {
        "on a node without the path, the Pod does not start, or starts with an empty directory or file"
    };
    let help = if access.can_be_directory() {
        "pin the Pod to nodes with the path (`nodeSelector`, node affinity), or use a `persistentVolumeClaim`"
    } else {
        "pin the Pod to nodes with the path (`nodeSelector`, node affinity)"
    };
    host_path_finding(RULE.id, Severity::Warning, volume, access, message).why(why).help(help)
}

/// Checks whether the pod is known to be able to run on any node.
fn is_unpinned(pod: &Pod<'_>) -> bool {
    pod.is_complete && pod.is_pinned == Some(false)
}
