//! A PersistentVolume that was not provisioned dynamically has the reclaim policy `Delete`.
//!
//! ## What it does
//!
//! Reports each PersistentVolume with `persistentVolumeReclaimPolicy: Delete` and without the
//! annotation `pv.kubernetes.io/provisioned-by`. Provisioners set this annotation on the
//! PersistentVolumes that they create.
//!
//! ## Why is this bad?
//!
//! The storage of such a PersistentVolume usually existed before the PersistentVolume, and is often
//! the only copy of its data. With `Delete`, deleting the claim deletes the storage if the
//! controller manager has an in-tree driver that can delete it. Otherwise, the PersistentVolume
//! ends in the phase `Failed`. PersistentVolumes of CSI drivers also end in this phase, because CSI
//! provisioners ignore PersistentVolumes without the annotation.
//!
//! The controller manager deletes a `hostPath` only if the path contains `/tmp/` followed by at
//! least one character, as in `/tmp/x` or `/var/tmp/x`. It deletes the path on its own machine,
//! which is usually not the node with the data.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: archive
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   persistentVolumeReclaimPolicy: Delete # finding
//!   csi:
//!     driver: ebs.csi.aws.com
//!     volumeHandle: vol-0123456789abcdef0
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: archive
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   persistentVolumeReclaimPolicy: Retain
//!   csi:
//!     driver: ebs.csi.aws.com
//!     volumeHandle: vol-0123456789abcdef0
//! ```
//!
//! ## Fix
//!
//! Sets the reclaim policy to `Retain`. Unsafe: the storage then remains when the claim is deleted.
//!
//! ## When to allow it
//!
//! Allow it for storage that a custom controller creates for each claim.
//!
//! ## References
//!
//! - [Kubernetes: reclaiming](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming)
//! - `findDeletablePlugin` in `pkg/controller/volume/persistentvolume/pv_controller.go` and
//!   `newDeleter` in `pkg/volume/hostpath/host_path.go` of Kubernetes
//! - `shouldDelete` in `controller/controller.go` of
//!   [sig-storage-lib-external-provisioner](https://github.com/kubernetes-sigs/sig-storage-lib-external-provisioner)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{FieldPath, PersistentVolumeSpec};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("deleted-persistent-volume"),
    summary: "a PersistentVolume that was not provisioned dynamically has the reclaim policy `Delete`",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::PersistentVolume,
    lint_only: None,
    source: include_str!("deleted_persistent_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let provisioner = cx.object.annotations.get("pv.kubernetes.io/provisioned-by");
    let is_provisioned = provisioner.is_some_and(|provisioner| !provisioner.is_empty());
    let deleted = cx.persistent_volume().filter(|spec| &*spec.persistent_volume_reclaim_policy == "Delete");
    let Some(spec) = deleted.filter(|_| !is_provisioned) else { return };
    let (message, why) = message_and_why(spec);
    let field = FieldPath::from_keys(&["spec", "persistentVolumeReclaimPolicy"]);
    let retain = Edit::Set(field.clone(), EditValue::Str("Retain".to_owned()));
    out.push(
        Finding::new(RULE.id, Severity::Warning, field, message)
            .why(why)
            .help("set `persistentVolumeReclaimPolicy: Retain`")
            .fix(Fix::unsafe_edits("set `persistentVolumeReclaimPolicy: Retain`", vec![retain]))
            .volume(&cx.object.id.name),
    );
}

fn message_and_why(spec: &PersistentVolumeSpec<'_>) -> (String, &'static str) {
    match &spec.host_path {
        Some(source) if can_be_deleted(&source.path) => (
            format!("reclaim policy `Delete` can delete {} on the wrong machine", quoted(&source.path)),
            "when the claim is deleted, the controller manager deletes the path on its own machine",
        ),
        Some(source) => (
            format!("reclaim policy `Delete` does not support host path {}", quoted(&source.path)),
            "when the claim is deleted, the PersistentVolume ends in the phase `Failed`",
        ),
        None => (
            "reclaim policy `Delete` on a PersistentVolume that no provisioner created".to_owned(),
            "when the claim is deleted, the data is deleted, or the PersistentVolume ends in the phase `Failed`",
        ),
    }
}

/// Checks whether the controller manager deletes a host path. It deletes the path if the regular
/// expression `/tmp/.+` matches anywhere in the path.
fn can_be_deleted(path: &str) -> bool {
    path.split_once("/tmp/").is_some_and(|(_, rest)| !rest.is_empty())
}
