//! The cluster autoscaler may evict a Pod with application data in an `emptyDir` volume.
//!
//! ## What it does
//!
//! Reports annotations that allow the cluster autoscaler to evict a Pod with application data in an
//! `emptyDir` volume. The rule finds the data in the same way as the rule `app-data-empty-dir`. It
//! reports these annotations of a Pod or Pod template:
//!
//! - `cluster-autoscaler.kubernetes.io/safe-to-evict: "true"`
//! - `cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes`, if it lists the volume with
//!   the data and all other volumes that protect the Pod from eviction. A Pod is protected by its
//!   `hostPath` volumes, and by its `emptyDir` volumes whose medium is not `Memory`. The list has
//!   no effect if `safe-to-evict` is `"true"` or `"false"`, and is then not reported.
//!
//! If several `emptyDir` volumes contain application data, the rule reports a separate finding for
//! each of them at the annotation.
//!
//! Pods of a DaemonSet and static Pods are not reported, because they never prevent the cluster
//! autoscaler from removing their node, regardless of annotations and volumes.
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
//! Store the data in a claim:
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
//! Sets `safe-to-evict` to `"false"`, or removes the volume from `safe-to-evict-local-volumes`.
//! Unsafe: the autoscaler can then no longer remove the Pod's node.
//!
//! ## When to allow it
//!
//! Allow it if the data is a replica that the application can fetch again after an eviction.
//!
//! ## References
//!
//! - [Cluster Autoscaler: which Pods prevent the removal of a node](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node)
//! - [Cluster Autoscaler: order of the drainability rules](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/simulator/drainability/rules/rules.go)

use super::support::data_mounts::{DataMount, empty_dir_data_mounts};
use super::support::empty_dir::{Medium, empty_dirs};
use super::support::policy_keys::DATA_DIRECTORIES;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("evictable-empty-dir"),
    summary: "the cluster autoscaler may evict a Pod with application data in an `emptyDir` volume",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[DATA_DIRECTORIES],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("evictable_empty_dir.rs"),
    check: Check::Volumes(check),
};

/// The annotation that allows or forbids the eviction of the Pod.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// The annotation with a comma-separated list of volumes that do not prevent the eviction of the
/// Pod.
const SAFE_LOCAL_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|_| !is_ignored_by_autoscaler(cx)) else { return };
    let data = || empty_dir_data_mounts(cx).into_iter();
    match pod.annotations.get(SAFE_TO_EVICT).map(|value| &**value) {
        Some("true") => out.extend(data().map(|mount| evictable_pod(pod, mount))),
        Some("false") => {}
        _ => {
            let Some(list) = pod.annotations.get(SAFE_LOCAL_VOLUMES) else { return };
            let names: Vec<&str> = list.split(',').map(str::trim).collect();
            if has_other_local_volume(cx, &names) {
                return;
            }
            let listed = data().filter(|mount| names.contains(&&*mount.volume.name));
            out.extend(listed.map(|mount| evictable_volume(pod, &names, mount)));
        }
    }
}

/// Checks whether the Pods never prevent the removal of their node. The autoscaler applies its
/// rules for mirror Pods and DaemonSets before its rules for annotations and local storage.
fn is_ignored_by_autoscaler(cx: &Context<'_>) -> bool {
    cx.object.workload.is_daemon_set() || cx.is_static_pod()
}

/// Checks whether the pod has a volume that prevents its eviction and is not in `names`
/// (`HasBlockingLocalStorage` in `cluster-autoscaler/utils/drain/drain.go`).
fn has_other_local_volume(cx: &Context<'_>, names: &[&str]) -> bool {
    let empty_dirs = empty_dirs(cx)
        .filter(|empty_dir| Medium::parse(&empty_dir.source.medium) != Medium::Memory)
        .map(|empty_dir| &*empty_dir.volume.name);
    let host_paths = cx.host_path_volumes().iter().map(|volume| volume.name);
    empty_dirs.chain(host_paths).any(|name| !names.contains(&name))
}

fn evictable_pod(pod: &Pod<'_>, mount: DataMount<'_>) -> Finding {
    let edit = Edit::Set(pod.annotations_path.key(SAFE_TO_EVICT), EditValue::Str("false".to_owned()));
    finding(pod, SAFE_TO_EVICT, mount)
        .help("set the annotation to `\"false\"`, or store the data in a claim")
        .fix(Fix::unsafe_edits("set the annotation to `\"false\"`", vec![edit]))
}

fn evictable_volume(pod: &Pod<'_>, names: &[&str], mount: DataMount<'_>) -> Finding {
    let field = pod.annotations_path.key(SAFE_LOCAL_VOLUMES);
    let others: Vec<_> = names.iter().copied().filter(|name| *name != &*mount.volume.name).collect();
    let edit = match others.is_empty() {
        true => Edit::Remove(field),
        false => Edit::Set(field, EditValue::Str(others.join(","))),
    };
    finding(pod, SAFE_LOCAL_VOLUMES, mount)
        .help("remove the volume from the annotation, or store the data in a claim")
        .fix(Fix::unsafe_edits("remove the volume from the annotation", vec![edit]))
}

fn finding(pod: &Pod<'_>, annotation: &'static str, mount: DataMount<'_>) -> Finding {
    let name = &mount.volume.name;
    let message = format!(
        "the cluster autoscaler may evict the Pod, which deletes the data of `emptyDir` volume {}",
        quoted(name)
    );
    let finding = Finding::new(RULE.id, Severity::Warning, pod.annotations_path.key(annotation), message)
        .label("allows eviction")
        .why("the data is lost if the autoscaler evicts the Pod to remove its node")
        .volume(name);
    mount.with_reason(finding)
}
