//! The cluster autoscaler may evict a Pod with application data in an `emptyDir` volume.
//!
//! ## What it does
//!
//! Reports the annotation `cluster-autoscaler.kubernetes.io/safe-to-evict: "true"` of a Pod or Pod
//! template with an `emptyDir` volume for application data, as defined by `app-data-empty-dir`.
//! Each such volume is a separate finding at the annotation.
//!
//! ## Why is this bad?
//!
//! By default, the cluster autoscaler does not remove a node that runs a Pod with local storage.
//! The annotation disables this protection. To remove the node, the autoscaler evicts the Pod, and
//! the data is lost.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: queue
//!   annotations:
//!     cluster-autoscaler.kubernetes.io/safe-to-evict: "true" # finding
//! spec:
//!   containers:
//!   - name: queue
//!     image: rabbitmq
//!     volumeMounts:
//!     - name: queues
//!       mountPath: /var/lib/rabbitmq
//!   volumes:
//!   - name: queues
//!     emptyDir: {}
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: queue
//!   annotations:
//!     cluster-autoscaler.kubernetes.io/safe-to-evict: "true"
//! spec:
//!   containers:
//!   - name: queue
//!     image: rabbitmq
//!     volumeMounts:
//!     - name: queues
//!       mountPath: /var/lib/rabbitmq
//!   volumes:
//!   - name: queues
//!     persistentVolumeClaim:
//!       claimName: queues
//! ```
//!
//! ## Fix
//!
//! Sets the annotation to `"false"`. Unsafe: the autoscaler can then no longer remove the Pod's
//! node.
//!
//! ## When to allow it
//!
//! Allow it if the data is a replica that the application can fetch again after an eviction.
//!
//! ## References
//!
//! - [Cluster Autoscaler: which Pods prevent the removal of a node](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node)

use super::support::data_mounts::data_mounts;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("evictable-empty-dir"),
    summary: "the cluster autoscaler may evict a Pod with application data in an `emptyDir` volume",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("evictable_empty_dir.rs"),
    check: Check::Volumes(check),
};

const ANNOTATION: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    if pod.annotations.get(ANNOTATION).is_none_or(|value| &**value != "true") {
        return;
    }
    let annotation = pod.annotations_path.key(ANNOTATION);
    for mount in data_mounts(cx).into_iter().filter(|mount| !mount.is_generic_ephemeral()) {
        let name = quoted(&mount.volume.name);
        let message = format!("the cluster autoscaler can delete the data of `emptyDir` volume {name}");
        let edit = Edit::Set(annotation.clone(), EditValue::Str("false".to_owned()));
        let finding = Finding::new(RULE.id, Severity::Warning, annotation.clone(), message)
            .label("allows eviction")
            .why("the data is lost if the autoscaler evicts the Pod to remove its node")
            .help("set the annotation to `\"false\"`, or store the data in a claim")
            .fix(Fix::unsafe_edits("set the annotation to `\"false\"`", vec![edit]))
            .volume(&mount.volume.name);
        out.push(mount.with_reason(finding));
    }
}
