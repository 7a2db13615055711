//! A PersistentVolume has the reclaim policy `Recycle`.
//!
//! ## What it does
//!
//! Reports each PersistentVolume with `persistentVolumeReclaimPolicy: Recycle`.
//!
//! ## Why is this bad?
//!
//! When the claim that is bound to the PersistentVolume is deleted, the controller manager creates
//! a Pod named `recycler-for-…`, by default in the namespace `default`. This recycler Pod deletes
//! all files in the volume with `rm -rf`. For a PersistentVolume with a `hostPath`, the recycler
//! Pod has a writable `hostPath` volume without a type, and can run on any node. An admission
//! policy that forbids such volumes denies the recycler Pod.
//!
//! Only `hostPath` and `nfs` volumes can be recycled. A PersistentVolume of another type ends in
//! the phase `Failed` when its claim is deleted. `Recycle` is deprecated.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: share
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteMany]
//!   persistentVolumeReclaimPolicy: Recycle # finding
//!   nfs:
//!     server: nfs.example.com
//!     path: /share
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: share
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteMany]
//!   persistentVolumeReclaimPolicy: Retain
//!   nfs:
//!     server: nfs.example.com
//!     path: /share
//! ```
//!
//! ## Fix
//!
//! Sets `persistentVolumeReclaimPolicy: Retain`. Unsafe: after the claim is deleted, another claim
//! can use the volume only if an administrator makes it available again.
//!
//! ## When to allow it
//!
//! Never. If each claim needs an empty volume, use dynamic provisioning, which creates a new volume
//! for each claim.
//!
//! ## References
//!
//! - [Kubernetes: Recycle](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recycle)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("recycled-persistent-volume"),
    summary: "a PersistentVolume has the reclaim policy `Recycle`",
    group: Group::Claims,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::PersistentVolume,
    lint_only: None,
    source: include_str!("recycled_persistent_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let recycled = cx.persistent_volume().filter(|spec| &*spec.persistent_volume_reclaim_policy == "Recycle");
    let Some(spec) = recycled else { return };
    let message = match spec.sources.as_slice() {
        ["hostPath" | "nfs"] | [] => "reclaim policy `Recycle` deletes all files in the volume".to_owned(),
        [source, ..] => {
            format!("reclaim policy `Recycle` does not support volumes of type {}", quoted(source))
        }
    };
    let why = match spec.sources.as_slice() {
        ["hostPath"] => {
            "when the claim is deleted, a recycler Pod with a writable `hostPath` volume deletes the files"
        }
        ["nfs"] | [] => {
            "when the claim is deleted, a recycler Pod, by default in the namespace `default`, deletes the files"
        }
        _ => "when the claim is deleted, the PersistentVolume ends in the phase `Failed`",
    };
    let field = FieldPath::from_keys(&["spec", "persistentVolumeReclaimPolicy"]);
    let retain = Edit::Set(field.clone(), EditValue::Str("Retain".to_owned()));
    out.push(
        Finding::new(RULE.id, Severity::Error, field, message)
            .why(why)
            .help("set `persistentVolumeReclaimPolicy: Retain`")
            .fix(Fix::unsafe_edits("set `persistentVolumeReclaimPolicy: Retain`", vec![retain]))
            .volume(&cx.object.id.name),
    );
}
