//! A claim names a PersistentVolume but no storage class.
//!
//! ## What it does
//!
//! Reports each claim that has a `volumeName` but no `storageClassName`. With the option
//! `claims.requireClass`, reports each claim without a `storageClassName`. The rule also checks the
//! claim templates of StatefulSets and the claims of generic ephemeral volumes.
//!
//! These claims are not reported:
//!
//! - claims with an empty class name (`storageClassName: ""`), which request a volume without a
//!   class
//! - claims with the annotation `volume.beta.kubernetes.io/storage-class`, which also names a class
//! - claims with the annotation `pv.kubernetes.io/bound-by-controller`, unless the option is set:
//!   the controller manager, not a user, has chosen their PersistentVolume
//! - claim templates and claims of generic ephemeral volumes in incomplete objects, such as patches
//!
//! ## Why is this bad?
//!
//! If the cluster has a default class, the API server adds it to the claim. A claim can be bound
//! only to a PersistentVolume of the same class. If the PersistentVolume has no class or another
//! one, the claim stays in the phase `Pending`. The manifest works in one cluster and fails in
//! another, or after an administrator marks a class as the default.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: archive
//! spec:
//!   accessModes: [ReadWriteOnce]
//!   volumeName: archive # finding
//!   resources: {requests: {storage: 10Gi}}
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: archive
//! spec:
//!   accessModes: [ReadWriteOnce]
//!   volumeName: archive
//!   storageClassName: ""
//!   resources: {requests: {storage: 10Gi}}
//! ```
//!
//! ## Options
//!
//! If `claims.requireClass` is `true`, every claim must set `storageClassName`. By default, only
//! claims with a `volumeName` must set it.
//!
//! ## When to allow it
//!
//! Allow it if none of your clusters has a default class.
//!
//! ## References
//!
//! - [Kubernetes: class of a claim](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1)
//! - [Kubernetes: default StorageClass](https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass)

use super::support::claims::{Claim, claims};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule, RuleOption};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unclassed-claim"),
    summary: "a claim names a PersistentVolume but no storage class",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[RuleOption::policy_key(
        "claims.requireClass",
        "whether every claim must set `storageClassName`; `false` by default",
    )],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unclassed_claim.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // The class may be in another part of an incomplete pod.
    if cx.pod().is_some_and(|pod| !pod.is_complete) {
        return;
    }
    for claim in claims(cx).iter().filter(|claim| !claim.has_class()) {
        if !claim.spec.volume_name.is_empty() && !claim.is_bound_by_controller() {
            out.push(with_volume_name(claim));
        } else if cx.options.requires_claim_class {
            out.push(without_class(claim));
        }
    }
}

fn with_volume_name(claim: &Claim<'_>) -> Finding {
    let volume = quoted(&claim.spec.volume_name);
    let message = format!("{} names PersistentVolume {volume} but no storage class", claim.describe());
    Finding::new(RULE.id, Severity::Warning, claim.path.key("volumeName"), message)
        .why("if the cluster has a default class, it may differ from the class of the PersistentVolume")
        .help("set `storageClassName` to the class of the PersistentVolume, or to `\"\"` if it has none")
        .volume(claim.name)
        .path(&claim.spec.volume_name)
}

fn without_class(claim: &Claim<'_>) -> Finding {
    let message = format!("{} has no storage class", claim.describe());
    Finding::new(RULE.id, Severity::Warning, claim.path.clone(), message)
        .why("the default class of each cluster decides where the data is stored")
        .help("set `storageClassName`")
        .volume(claim.name)
}
