//! A container stores application data in a generic ephemeral volume.
//!
//! ## What it does
//!
//! Reports each generic ephemeral volume in which a container stores application data. Each volume
//! is reported once. The rule finds the data in the same way as the rule `app-data-empty-dir`.
//!
//! ## Why is this bad?
//!
//! A generic ephemeral volume uses a PersistentVolumeClaim, but the Pod owns that claim. When the
//! Pod is deleted, Kubernetes deletes the claim too. The data is lost unless the reclaim policy
//! retains the PersistentVolume. Even then, the next Pod gets a new claim, and with it another
//! volume.
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
//!     image: mysql
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/mysql
//!   volumes:
//!   - name: data
//!     ephemeral: # finding
//!       volumeClaimTemplate:
//!         spec:
//!           accessModes: [ReadWriteOnce]
//!           resources:
//!             requests: {storage: 10Gi}
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
//!     image: mysql
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/mysql
//!   volumes:
//!   - name: data
//!     persistentVolumeClaim:
//!       claimName: db
//! ```
//!
//! ## When to allow it
//!
//! Allow it for a database in tests, or for a replica that can fetch all its data again.
//!
//! ## References
//!
//! - [Kubernetes: ephemeral volumes](https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes)

use super::support::data_mounts::generic_ephemeral_data_mounts;
use super::support::options::DATA_DIRECTORIES;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-ephemeral-claim"),
    summary: "a container stores application data in a generic ephemeral volume",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[DATA_DIRECTORIES],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("app_data_ephemeral_claim.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mounts = generic_ephemeral_data_mounts(cx);
    out.extend(mounts.into_iter().map(|mount| {
        mount
            .finding(cx, RULE.id, "ephemeral", "`ephemeral` volume")
            .why("the claim is deleted with the Pod, and usually the data too")
    }));
}
