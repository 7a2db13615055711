//! Several Pods of a workload use a claim that only one node or Pod can use.
//!
//! ## What it does
//!
//! Reports a volume whose claim has `ReadWriteOnce` or `ReadWriteOncePod` as its only access mode,
//! if several Pods of the workload can use the claim at the same time:
//!
//! - in a Deployment, ReplicaSet, ReplicationController or StatefulSet with several replicas
//! - in a Job or CronJob with a `parallelism` above 1, unless `completions` is 1
//! - in a DaemonSet
//! - in a Deployment whose update starts the new Pod before it stops the old one, which is the
//!   default for one replica
//!
//! The claim can be in any file of the same run. If the run contains several claims of this name,
//! for example one for each cluster, the rule uses the claims whose files are nearest to the file
//! of the workload in the directory tree. The volume is reported only if all of these claims have
//! the same access mode. Claim templates and generic ephemeral volumes are not reported, because
//! they provide each Pod with its own claim.
//!
//! A claim with `ReadWriteOnce` is not reported in three cases:
//!
//! - The Pods may all run on the same node, because they have a node name, a node selector, or
//!   required node or Pod affinity. Requirements for the operating system or the architecture of
//!   the node do not count.
//! - The run contains PersistentVolumes that the claim can be bound to, and all of them have a type
//!   that is not attached to nodes, such as `nfs` or `hostPath`.
//! - The run contains no PersistentVolume that the claim can be bound to. The run does contain the
//!   storage class of the claim, or the default class if the claim names none, and the provisioner
//!   of this class creates volumes that are not attached to nodes. Examples of such provisioners
//!   are `rancher.io/local-path` and `nfs.csi.k8s.io`.
//!
//! ## Why is this bad?
//!
//! With `ReadWriteOnce`, the volume is attached to one node. Pods on other nodes remain in
//! `ContainerCreating` with a `Multi-Attach error`. With `ReadWriteOncePod`, the scheduler does not
//! place a second Pod at all.
//!
//! By default, a rolling update of a Deployment with one replica keeps the old Pod until the new
//! Pod is ready. If the new Pod cannot use the volume, the update never completes.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: wiki
//! spec:
//!   replicas: 3
//!   selector: {matchLabels: {app: wiki}}
//!   template:
//!     metadata: {labels: {app: wiki}}
//!     spec:
//!       containers:
//!       - name: wiki
//!         image: wiki
//!         volumeMounts:
//!         - name: pages
//!           mountPath: /pages
//!       volumes:
//!       - name: pages
//!         persistentVolumeClaim:
//!           claimName: pages # finding
//! ---
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: pages
//! spec:
//!   accessModes: [ReadWriteOnce]
//!   resources:
//!     requests:
//!       storage: 10Gi
//! ```
//!
//! Run one Pod, and stop it before an update starts the next one:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: wiki
//! spec:
//!   strategy:
//!     type: Recreate
//!   selector: {matchLabels: {app: wiki}}
//!   template:
//!     metadata: {labels: {app: wiki}}
//!     spec:
//!       containers:
//!       - name: wiki
//!         image: wiki
//!         volumeMounts:
//!         - name: pages
//!           mountPath: /pages
//!       volumes:
//!       - name: pages
//!         persistentVolumeClaim:
//!           claimName: pages
//! ---
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: pages
//! spec:
//!   accessModes: [ReadWriteOnce]
//!   resources:
//!     requests:
//!       storage: 10Gi
//! ```
//!
//! ## When to allow it
//!
//! Allow `ReadWriteOnce` in clusters with a single node, and for storage that is not attached to a
//! node, such as the volumes of an NFS provisioner.
//!
//! ## References
//!
//! - [Kubernetes: access modes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes)
//! - [Kubernetes: strategy of a Deployment](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy)

use super::support::wording::quoted;
use super::{Check, ClaimedVolume, Context, FixClass, Group, MatchKey, ObjectKinds, Rule, Sharing};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("conflicting-access-mode"),
    summary: "several Pods of a workload use a claim that only one node or Pod can use",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the webhook sees one object at a time, and the access modes are in the claim"),
    source: include_str!("conflicting_access_mode.rs"),
    check: Check::Claims(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let may_share_node = cx.pod().is_some_and(|pod| pod.is_pinned != Some(false) || pod.has_pod_affinity);
    for claimed in &cx.claimed_volumes {
        let Some(sharing) = &claimed.sharing else { continue };
        match exclusive_mode(claimed) {
            Some("ReadWriteOnce") if may_share_node || !claimed.is_attachable => {}
            Some(mode) => out.extend(finding(claimed, sharing, mode)),
            None => {}
        }
    }
}

/// Returns `ReadWriteOnce` or `ReadWriteOncePod` if it is the only access mode of every claim with
/// the name.
fn exclusive_mode(claimed: &ClaimedVolume) -> Option<&'static str> {
    let mode = claimed.claims.first()?.modes.exclusive()?;
    claimed.claims.iter().all(|claim| claim.modes.exclusive() == Some(mode)).then_some(mode)
}

fn finding(claimed: &ClaimedVolume, sharing: &Sharing, mode: &str) -> Option<Finding> {
    let claim = claimed.claims.first()?;
    let (reason, help) = match sharing {
        Sharing::Replicas { count, .. } => (
            format!("{count} Pods use it at the same time"),
            "request `ReadWriteMany`, run one Pod, or use a StatefulSet with a claim template",
        ),
        Sharing::EachNode => (
            "the DaemonSet has a Pod on each node".to_owned(),
            "request `ReadWriteMany`, or use a generic ephemeral volume",
        ),
        Sharing::Surge { .. } => (
            "an update starts the new Pod before it stops the old one".to_owned(),
            "set `strategy.type: Recreate` without `rollingUpdate`, or request `ReadWriteMany`",
        ),
    };
    let why = match mode {
        "ReadWriteOnce" => "the volume is attached to one node, and Pods on other nodes do not start",
        _ => "only one Pod can use the volume, and other Pods are not scheduled",
    };
    let message = format!("claim {} is `{mode}`, but {reason}", quoted(&claim.name));
    let finding = Finding::new(RULE.id, Severity::Warning, claimed.field.clone(), message)
        .label(format!("volume {}", quoted(&claimed.volume)))
        .related_elsewhere(
            &claim.label,
            format!("claim {}, whose only access mode is `{mode}`", quoted(&claim.name)),
        )
        .volume(&claimed.volume)
        .why(why)
        .help(help);
    Some(match sharing {
        Sharing::Replicas { field, .. } => finding.related(field.clone(), "the number of Pods"),
        Sharing::Surge { field: Some(field) } => finding.related(field.clone(), "the update strategy"),
        Sharing::Surge { field: None } | Sharing::EachNode => finding,
    })
}
