//! A generic ephemeral claim is mounted where an application keeps its data.
//!
//! ## What it does
//!
//! Reports an `ephemeral` volume that a container mounts writable at a directory where well-known images keep
//! their data: databases, brokers, registries and the like. One finding per volume.
//!
//! Nothing is said where another volume, one that outlives the Pod, is mounted at or inside the same directory.
//!
//! ## Why is this bad?
//!
//! It looks like a claim, and is none that lasts: the Pod owns it. Whatever ends the Pod deletes the claim, and
//! the data with it unless its volume is retained, where nothing finds it again.
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
//! A database of a test, or a replica that fetches all of its data anew.
//!
//! ## References
//!
//! - [Kubernetes: ephemeral volumes](https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes)

use super::support::empty_dir::{DataMount, data_mounts};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-ephemeral-claim"),
    summary: "a generic ephemeral claim is mounted where an application keeps its data",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("app_data_ephemeral_claim.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lost = data_mounts(cx).into_iter().filter(DataMount::is_claim);
    out.extend(lost.map(|data| data.finding(cx, RULE.id, "ephemeral", "ephemeral claim")));
}
