//! A container mounts a block device, or uses a filesystem as a block device.
//!
//! ## What it does
//!
//! Reports an entry of `volumeMounts` whose claim has `volumeMode: Block`, and an entry of
//! `volumeDevices` whose claim has `volumeMode: Filesystem`, which is the default. The claim can
//! be a claim template of a StatefulSet, the claim of a generic ephemeral volume, or a
//! PersistentVolumeClaim in any file of the same run.
//!
//! ## Why is this bad?
//!
//! The API server accepts the object, but the kubelet does not start the Pod.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: db
//! spec:
//!   containers:
//!   - name: db
//!     image: db
//!     volumeMounts:
//!     - name: disk # finding
//!       mountPath: /data
//!   volumes:
//!   - name: disk
//!     ephemeral:
//!       volumeClaimTemplate:
//!         spec:
//!           accessModes: [ReadWriteOnce]
//!           volumeMode: Block
//!           storageClassName: fast
//!           resources: {requests: {storage: 10Gi}}
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: db
//! spec:
//!   containers:
//!   - name: db
//!     image: db
//!     volumeDevices:
//!     - name: disk
//!       devicePath: /dev/data
//!   volumes:
//!   - name: disk
//!     ephemeral:
//!       volumeClaimTemplate:
//!         spec:
//!           accessModes: [ReadWriteOnce]
//!           volumeMode: Block
//!           storageClassName: fast
//!           resources: {requests: {storage: 10Gi}}
//! ```
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: raw block volumes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#raw-block-volume-support)
//! - `createVolumeSpec` in
//!   `pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go` of Kubernetes

use super::support::claims::{VolumeClaim, VolumeMode, claims_by_volume};
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, UseKind, VolumeUse};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("mismatched-volume-mode"),
    summary: "a container mounts a block device, or uses a filesystem as a block device",
    group: Group::Claims,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("mismatched_volume_mode.rs"),
    check: Check::Claims(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let claims = claims_by_volume(cx);
    if claims.is_empty() {
        return;
    }
    for usage in pod.containers.iter().flat_map(Container::volume_uses) {
        let claim = claims.get(usage.volume);
        out.extend(claim.and_then(|claim| finding(usage, claim)));
    }
}

fn finding(usage: VolumeUse<'_, '_>, claim: &VolumeClaim<'_>) -> Option<Finding> {
    let (container, name) = (container(usage.container), quoted(usage.volume));
    let (message, help) = match (usage.kind, claim.mode()?) {
        (UseKind::Mount, VolumeMode::Block) => (
            format!("{container} mounts volume {name}, which is a block device"),
            "list the volume in `volumeDevices`, or remove `volumeMode: Block` from the claim",
        ),
        (UseKind::Device, VolumeMode::Filesystem) => (
            format!("{container} uses volume {name}, which has a filesystem, as a block device"),
            "list the volume in `volumeMounts`, or set `volumeMode: Block` in the claim",
        ),
        _ => return None,
    };
    let finding = Finding::new(RULE.id, Severity::Error, usage.volume_field(), message);
    let label = match claim {
        VolumeClaim::Own(own) if own.spec.volume_mode.is_empty() => {
            "the claim has no `volumeMode`, which defaults to `Filesystem`"
        }
        VolumeClaim::Own(_) | VolumeClaim::Named(_) => "the volume mode of the claim",
    };
    let finding = claim
        .relate(finding, "volumeMode", label)
        .why("the kubelet does not start the Pod")
        .help(help)
        .volume(usage.volume)
        .container(&usage.container.name)
        .path(usage.target);
    Some(finding)
}
