//! A StatefulSet deletes its claims.
//!
//! ## What it does
//!
//! Reports `whenDeleted: Delete` and `whenScaled: Delete` in the
//! `persistentVolumeClaimRetentionPolicy` of a StatefulSet with claim templates. In a patch of a
//! StatefulSet, the rule reports these values even without claim templates.
//!
//! ## Why is this bad?
//!
//! By default, the claims of a StatefulSet remain when it is deleted or scaled down, so that a
//! mistake does not destroy data. With `whenDeleted: Delete`, deleting the StatefulSet, for example
//! with `helm uninstall`, also deletes its claims. With `whenScaled: Delete`, scaling down deletes
//! the claims of the removed replicas, and scaling down to 0 replicas deletes all claims. The data
//! is lost with the claims, unless the reclaim policy of the PersistentVolumes is `Retain`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   selector:
//!     matchLabels: {app: db}
//!   persistentVolumeClaimRetentionPolicy:
//!     whenDeleted: Delete # finding
//!   template:
//!     metadata:
//!       labels: {app: db}
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql
//!   volumeClaimTemplates:
//!   - metadata:
//!       name: data
//!     spec:
//!       accessModes: [ReadWriteOnce]
//!       resources: {requests: {storage: 10Gi}}
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   selector:
//!     matchLabels: {app: db}
//!   persistentVolumeClaimRetentionPolicy:
//!     whenDeleted: Retain
//!   template:
//!     metadata:
//!       labels: {app: db}
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql
//!   volumeClaimTemplates:
//!   - metadata:
//!       name: data
//!     spec:
//!       accessModes: [ReadWriteOnce]
//!       resources: {requests: {storage: 10Gi}}
//! ```
//!
//! ## Fix
//!
//! Sets the reported field to `Retain`. Unsafe: the claims then remain, and their storage is not
//! released.
//!
//! ## When to allow it
//!
//! Allow it for caches, and for replicas that can fetch all their data again.
//!
//! ## References
//!
//! - [Kubernetes: PersistentVolumeClaim retention](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention)

use super::support::empty_dir::is_stateful_set;
use super::{Check, Context, FixClass, Group, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("deleted-claim"),
    summary: "a StatefulSet deletes its claims",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("deleted_claim.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Without claim templates, the retention policy has no effect. If the object is a patch, the
    // patched object may have claim templates.
    let pod = cx.pod().filter(|pod| !pod.claim_templates.is_empty() || !pod.is_complete);
    let Some(pod) = pod.filter(|_| is_stateful_set(cx)) else { return };
    let retention = &pod.claim_retention;
    for (key, value, message) in [
        (
            "whenDeleted",
            &retention.when_deleted,
            "the claims of the StatefulSet are deleted when the StatefulSet is deleted",
        ),
        (
            "whenScaled",
            &retention.when_scaled,
            "the claims of removed replicas are deleted when the StatefulSet is scaled down",
        ),
    ] {
        if &**value != "Delete" {
            continue;
        }
        let field = retention.path.key(key);
        let retain = Edit::Set(field.clone(), EditValue::Str("Retain".to_owned()));
        out.push(
            Finding::new(RULE.id, Severity::Warning, field, message)
                .why("the data of the claims is lost, unless the reclaim policy of their volumes is `Retain`")
                .help(format!("set `{key}: Retain`"))
                .fix(Fix::unsafe_edits(format!("set `{key}: Retain`"), vec![retain]))
                .path(key),
        );
    }
}
