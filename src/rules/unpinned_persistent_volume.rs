//! A PersistentVolume with a host path has no node affinity.
//!
//! ## What it does
//!
//! Reports each PersistentVolume that has a `hostPath` but no `nodeAffinity.required`. The API
//! server requires node affinity for a `local` volume, but not for a `hostPath`.
//!
//! ## Why is this bad?
//!
//! The path is on the node where the data was written. Without node affinity, the scheduler can
//! place a Pod that uses the volume on any node. On another node, the Pod does not start, or it
//! starts with an empty directory or with files of another program.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: data
//! spec:
//!   capacity: # finding
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   hostPath:
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
//!   hostPath:
//!     path: /srv/data
//!     type: Directory
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
//! Allow it on clusters with a single node, and for a directory that all nodes share, such as the
//! mount point of an NFS export.
//!
//! ## References
//!
//! - [Kubernetes: node affinity of PersistentVolumes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#node-affinity)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Access, Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unpinned-persistent-volume"),
    summary: "a PersistentVolume with a host path has no node affinity",
    group: Group::Claims,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::PersistentVolume,
    lint_only: None,
    source: include_str!("unpinned_persistent_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.persistent_volume().is_none_or(|spec| spec.node_affinity.required.is_some()) {
        return;
    }
    let host_paths = cx.host_path_volumes().iter().filter(|volume| volume.supports_type);
    // The API server rejects an empty path; `relative-host-path` reports it.
    for volume in host_paths.filter(|volume| !volume.path.is_empty()) {
        let message =
            format!("this PersistentVolume with host path {} has no node affinity", quoted(volume.path));
        out.push(
            Finding::new(RULE.id, Severity::Warning, FieldPath::from_keys(&["spec"]), message)
                .related(volume.path_field(), "a Pod that uses the volume gets this path on its own node")
                .why("on a node without the data, a Pod does not start, or finds other files or none")
                .help("set a `nodeAffinity` that selects the node with the data, or use a `local` volume")
                .volume(volume.name)
                .host_path(&volume.clean)
                .access(Access::Write),
        );
    }
}
