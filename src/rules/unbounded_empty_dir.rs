//! Nothing bounds what an emptyDir takes of the node's disk.
//!
//! ## What it does
//!
//! Reports an emptyDir on disk without `sizeLimit`, or with one of 0, which is none, in a Pod of which no
//! container has a limit for `ephemeral-storage`. It says nothing of patches and other parts of an object, whose
//! limits may stand elsewhere.
//!
//! ## Why is this bad?
//!
//! It shares the node's disk with the logs, images and volumes of all other Pods. Whoever fills it, by mistake
//! or by intent, brings the whole node under disk pressure, and the kubelet evicts Pods until there is room
//! again. With a bound it evicts this one alone.
//!
//! The profile `restricted` makes it an error.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: work
//!       mountPath: /work
//!   volumes:
//!   - name: work
//!     emptyDir: {} # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: work
//!       mountPath: /work
//!   volumes:
//!   - name: work
//!     emptyDir:
//!       sizeLimit: 1Gi
//! ```
//!
//! ## Fix
//!
//! Sets `sizeLimit` to the policy's default size. Unsafe: a Pod that needs more is evicted. There is none for an
//! emptyDir that isn't written out; `implicit-empty-dir` writes it.
//!
//! ## Options
//!
//! `defaultSize` is what the fix writes; `1Gi` where the policy says nothing.
//!
//! ## When to allow it
//!
//! Where a LimitRange of the namespace gives every container a limit for `ephemeral-storage`: the webhook sees
//! that limit, the linter doesn't.
//!
//! ## References
//!
//! - [Kubernetes: local ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)

use super::support::empty_dir::{DEFAULT_SIZE, Medium, unbounded};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unbounded-empty-dir"),
    summary: "nothing bounds what an emptyDir takes of the node's disk",
    group: Group::EmptyDir,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[DEFAULT_SIZE],
    lint_only: None,
    source: include_str!("unbounded_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(unbounded(cx, Medium::Disk, Pod::ephemeral_storage_limit).map(|empty_dir| {
        let message =
            format!("nothing bounds emptyDir {} on the node's disk", quoted(&empty_dir.volume.name));
        empty_dir
            .unbounded_finding(RULE.id, Severity::Info, message, cx)
            .why("a full disk makes the kubelet evict Pods of the whole node, not only this one")
            .help("set `sizeLimit`, or a limit for `ephemeral-storage` on a container of the Pod")
    }));
}
