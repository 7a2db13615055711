//! The autoscaler may evict a Pod whose emptyDir holds application data.
//!
//! ## What it does
//!
//! Reports the annotation `cluster-autoscaler.kubernetes.io/safe-to-evict: "true"` on a Pod, or on the template
//! of one, with an emptyDir that `app-data-empty-dir` speaks of. One finding per volume, at the annotation.
//!
//! ## Why is this bad?
//!
//! By default the cluster autoscaler leaves nodes alone whose Pods have local storage. The annotation takes that
//! protection away: to save a node, it deletes the Pod, and the data with it.
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
//! Sets the annotation to `"false"`. Unsafe: the autoscaler can't remove the Pod's node any more.
//!
//! ## When to allow it
//!
//! Where the data is a replica that is fetched anew, and the application expects to lose it.
//!
//! ## References
//!
//! - [Cluster Autoscaler: which Pods prevent the removal of a node](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node)

use super::support::empty_dir::data_mounts;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("evictable-empty-dir"),
    summary: "the autoscaler may evict a Pod whose emptyDir holds application data",
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

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    if pod.annotations.get(ANNOTATION).is_none_or(|value| &**value != "true") {
        return;
    }
    let place = pod.annotations_path.key(ANNOTATION);
    for data in data_mounts(cx).into_iter().filter(|data| !data.is_claim()) {
        let name = quoted(&data.volume.name);
        let message =
            format!("the autoscaler may evict the Pod with the application data in emptyDir {name}");
        let edit = Edit::Set(place.clone(), EditValue::Str("false".to_owned()));
        let finding = Finding::new(RULE.id, Severity::Warning, place.clone(), message)
            .label("allowed here")
            .why("to save a node, the autoscaler deletes the Pod, and the data with it")
            .help("set the annotation to `\"false\"`, or keep the data in a claim")
            .fix(Fix::unsafe_edits("set the annotation to `\"false\"`", vec![edit]))
            .volume(&data.volume.name);
        out.push(data.with_reason(finding));
    }
}

const ANNOTATION: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
