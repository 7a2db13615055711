//! A PersistentVolume is backed by a host path.
//!
//! ## What it does
//!
//! Reports each PersistentVolume with a `hostPath`, regardless of the path. Other rules check the
//! path itself.
//!
//! ## Why is this bad?
//!
//! A Pod reaches the host path through a claim, and the manifest of the Pod names only the claim.
//! The Pod Security Standards and other checks of Pods do not see the host path. Unless `claimRef`
//! reserves the PersistentVolume, any matching claim can be bound to it. Kubernetes supports
//! `hostPath` in a PersistentVolume only for tests on a single node.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: data
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   hostPath: # finding
//!     path: /srv/data
//!     type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: data
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   storageClassName: local
//!   local:
//!     path: /srv/data
//!   nodeAffinity:
//!     required:
//!       nodeSelectorTerms:
//!       - matchExpressions:
//!         - key: kubernetes.io/hostname
//!           operator: In
//!           values: [node-1]
//! ```
//!
//! ## When to allow it
//!
//! Allow it on clusters with a single node, and for a provisioner that creates such
//! PersistentVolumes in a dedicated directory. Exempt these PersistentVolumes in the policy by path
//! and with `kind: PersistentVolume`. The built-in pack `node-agents` contains such exemptions.
//!
//! ## References
//!
//! - [Kubernetes: types of PersistentVolumes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#types-of-persistent-volumes)
//! - [Kubernetes: local volumes](https://kubernetes.io/docs/concepts/storage/volumes/#local)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Access, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-persistent-volume"),
    summary: "a PersistentVolume is backed by a host path",
    group: Group::Claims,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::PersistentVolume,
    lint_only: None,
    source: include_str!("host_path_persistent_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let volumes = cx.host_path_volumes().iter().filter(|volume| volume.is_persistent_volume());
    for volume in volumes.filter(|volume| volume.supports_type) {
        let message = match volume.path {
            "" => "this PersistentVolume has a `hostPath` without a path".to_owned(),
            path => format!("this PersistentVolume is backed by host path {}", quoted(path)),
        };
        out.push(
            Finding::new(RULE.id, Severity::Error, volume.source.clone(), message)
                .at_key()
                .why("a Pod uses the volume through a claim, so checks of the Pod do not see the host path")
                .help("use a `local` volume with node affinity, or a CSI driver")
                .volume(volume.name)
                .host_path(&volume.clean)
                .access(Access::Write),
        );
    }
}
