//! A container mounts a `ReadOnlyMany` claim without `readOnly: true`.
//!
//! ## What it does
//!
//! Reports each mount without `readOnly: true` if the only access mode of the volume's claim is
//! `ReadOnlyMany`. The claim can be a claim template of a StatefulSet, the claim of a generic
//! ephemeral volume, or a PersistentVolumeClaim in any file that volcheck checks in the same run. A
//! volume whose `persistentVolumeClaim` source sets `readOnly: true` is not reported.
//!
//! ## Why is this bad?
//!
//! Kubernetes uses access modes to find a matching PersistentVolume, not to make mounts read-only.
//! Depending on the driver, the Pod does not start, writing fails, or several nodes change a
//! filesystem at once and corrupt it.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: model # finding
//!       mountPath: /model
//!   volumes:
//!   - name: model
//!     ephemeral:
//!       volumeClaimTemplate:
//!         spec:
//!           accessModes: [ReadOnlyMany]
//!           storageClassName: models
//!           resources: {requests: {storage: 10Gi}}
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: model
//!       mountPath: /model
//!       readOnly: true
//!   volumes:
//!   - name: model
//!     ephemeral:
//!       volumeClaimTemplate:
//!         spec:
//!           accessModes: [ReadOnlyMany]
//!           storageClassName: models
//!           resources: {requests: {storage: 10Gi}}
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true` on the mount. Unsafe: a container that writes to the volume fails.
//!
//! ## When to allow it
//!
//! Allow it if the driver itself mounts the volume read-only.
//!
//! ## References
//!
//! - [Kubernetes: access modes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes)

use super::support::claims::claims_by_volume;
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("writable-read-only-claim"),
    summary: "a container mounts a `ReadOnlyMany` claim without `readOnly: true`",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("writable_read_only_claim.rs"),
    check: Check::Claims(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mut claims = claims_by_volume(cx);
    claims.retain(|_, claim| claim.is_read_only());
    for mount in pod.mounts().filter(|mount| !pod.is_read_only(mount.mount)) {
        let Some(claim) = claims.get(&*mount.mount.name) else { continue };
        let volume = &*mount.mount.name;
        let message = format!(
            "{} mounts volume {} writable, but its claim is `ReadOnlyMany`",
            container(mount.container),
            quoted(volume)
        );
        let read_only = Edit::Set(mount.path().key("readOnly"), EditValue::Bool(true));
        let finding = Finding::new(RULE.id, Severity::Warning, mount.path(), message)
            .label("mounted here without `readOnly: true`");
        out.push(
            claim
                .relate(finding, "accessModes", "the only access mode is `ReadOnlyMany`")
                .why("access modes do not make mounts read-only: the mount may fail, or several nodes may corrupt data")
                .help("set `readOnly: true` on the mount, or request another access mode")
                .fix(Fix::unsafe_edits("set `readOnly: true`", vec![read_only]))
                .volume(volume)
                .container(&mount.container.name)
                .path(&mount.mount.mount_path)
                .access(Access::Write),
        );
    }
}
