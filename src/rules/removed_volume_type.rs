//! A volume has a type that Kubernetes no longer supports.
//!
//! ## What it does
//!
//! Reports volumes and PersistentVolumes of a type whose driver has been removed from Kubernetes,
//! unless Kubernetes redirects volumes of that type to a CSI driver. Which types are reported
//! depends on the Kubernetes version:
//!
//! | type | removed in |
//! |---|---|
//! | `photonPersistentDisk` | 1.16 |
//! | `scaleIO` | 1.22 |
//! | `flocker`, `quobyte`, `storageos` | 1.25 |
//! | `glusterfs` | 1.26 |
//! | `cephfs`, `rbd` | 1.31 |
//!
//! For versions before the removal, [`deprecated-volume-type`](deprecated-volume-type.md) reports
//! the types that are already deprecated.
//!
//! ## Why is this bad?
//!
//! The API server still accepts the object, with at most a warning. The kubelet has no driver for
//! the volume, and the Pod stays in `ContainerCreating`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     cephfs: # finding
//!       monitors: ["10.0.0.1:6789"]
//!       path: /pages
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     persistentVolumeClaim:
//!       claimName: pages
//! ```
//!
//! ## Options
//!
//! `kubernetesVersion` in the policy, or `--kube-version`, is the Kubernetes version of the
//! cluster. The default is 1.37, the newest version that volcheck knows.
//!
//! ## When to allow it
//!
//! Allow it in manifests for an older cluster: set `kubernetesVersion` to the version of that
//! cluster.
//!
//! ## References
//!
//! - [Kubernetes: types of volumes](https://kubernetes.io/docs/concepts/storage/volumes/#volume-types)
//! - `pkg/api/pod/warnings.go` of Kubernetes

use super::support::options::KUBERNETES_VERSION;
use super::support::volume_types::{Deprecation, sources};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("removed-volume-type"),
    summary: "a volume has a type that Kubernetes no longer supports",
    group: Group::VolumeTypes,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[KUBERNETES_VERSION],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("removed_volume_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let version = cx.options.kubernetes_version;
    for source in sources(cx) {
        let deprecation = Deprecation::of_type(source.key).filter(|known| known.is_removed_in(version));
        let Some(removed) = deprecation.and_then(|known| known.removed) else { continue };
        let message = format!(
            "{} has type {}, which Kubernetes {removed} removed",
            source.describe(),
            quoted(source.key)
        );
        out.push(
            Finding::new(RULE.id, Severity::Error, source.path.clone(), message)
                .at_key()
                .why("no driver mounts the volume, and Pods with it do not start")
                .help("use a CSI driver, through a PersistentVolumeClaim")
                .volume(source.name)
                .path(source.key),
        );
    }
}
