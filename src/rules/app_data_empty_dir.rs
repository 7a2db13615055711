//! An emptyDir is mounted where an application keeps its data.
//!
//! ## What it does
//!
//! Reports an emptyDir, written out or implied by a volume without a source, that a container mounts writable
//! at a directory where well-known images keep their data: databases, brokers, registries and the like. One
//! finding per volume.
//!
//! Nothing is said where another volume, one that outlives the Pod, is mounted at or inside the same
//! directory, as operators do: the data is there then.
//!
//! ## Why is this bad?
//!
//! An emptyDir survives a crash of its containers, but not its Pod. An eviction, an update of the template or
//! the loss of a node ends the Pod, and all that was written with it. In a StatefulSet, whose Pods are meant to
//! find their data again, it is an error.
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
//!     image: postgres
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/postgresql/data
//!   volumes:
//!   - name: data
//!     emptyDir: {} # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   serviceName: db
//!   selector:
//!     matchLabels: {app: db}
//!   template:
//!     metadata:
//!       labels: {app: db}
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql/data
//!   volumeClaimTemplates:
//!   - metadata:
//!       name: data
//!     spec:
//!       accessModes: [ReadWriteOnce]
//!       resources:
//!         requests: {storage: 10Gi}
//! ```
//!
//! ## When to allow it
//!
//! A database of a test or a demonstration, a replica that fetches all of its data anew, or an image that keeps
//! only a cache in the directory.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: stable storage of StatefulSets](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage)

use super::support::empty_dir::{data_mounts, is_stateful_set};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-empty-dir"),
    summary: "an emptyDir is mounted where an application keeps its data",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("app_data_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let severity = if is_stateful_set(cx) { Severity::Error } else { Severity::Warning };
    let lost = data_mounts(cx).into_iter().filter(|data| !data.is_claim());
    out.extend(lost.map(|data| {
        let finding = data.finding(cx, RULE.id, "emptyDir", "emptyDir");
        Finding { severity, ..finding }
    }));
}
