//! An `emptyDir` volume on disk has no size limit.
//!
//! ## What it does
//!
//! Reports an `emptyDir` volume on disk without a `sizeLimit` if no container of the Pod has a
//! limit for `ephemeral-storage`. Like the kubelet, the rule treats a `sizeLimit` of 0 as absent.
//! Incomplete objects, such as patches, are skipped because the limits may be elsewhere. Volumes
//! that no container mounts are skipped because they stay empty.
//!
//! If the priority class of the Pod is `system-node-critical` or `system-cluster-critical`, limits
//! for `ephemeral-storage` have no effect, because the kubelet never evicts such a Pod. The rule
//! therefore ignores these limits.
//!
//! The `restricted` profile raises the severity to error.
//!
//! ## Why is this bad?
//!
//! The volume shares the node's disk with the logs, images and `emptyDir` volumes of other Pods. A
//! container that fills the disk, by accident or on purpose, puts the node under disk pressure, and
//! the kubelet evicts Pods until enough space is free. With a limit, the kubelet evicts only this
//! Pod.
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
//! Sets `sizeLimit` to the value of the option `defaultSize`. Unsafe: the kubelet evicts a Pod that
//! needs more space. There is no fix for critical Pods, in which a `sizeLimit` has no effect. There
//! is no fix for a volume without a source either, but the fix of `implicit-empty-dir` adds the
//! missing `emptyDir`.
//!
//! ## Options
//!
//! `defaultSize` is the `sizeLimit` that the fix sets. The default is `1Gi`.
//!
//! ## When to allow it
//!
//! Allow it if a LimitRange of the namespace sets a limit for `ephemeral-storage` on every
//! container. The API server adds this limit to a Pod before it calls the webhook. It does not add
//! the limit to Pod templates, so the linter and the webhook still report the volume in workloads.
//!
//! ## References
//!
//! - [Kubernetes: local ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)

use super::support::empty_dir::{DEFAULT_SIZE, Medium, unbounded};
use super::support::wording::quoted;
use super::unreachable_size_limit::HELP_FOR_CRITICAL_PODS;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unbounded-empty-dir"),
    summary: "an `emptyDir` volume on disk has no size limit",
    group: Group::EmptyDir,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[DEFAULT_SIZE],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unbounded_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(unbounded(cx, Medium::Disk, Pod::ephemeral_storage_limit).map(|empty_dir| {
        let message =
            format!("disk usage of `emptyDir` volume {} is unlimited", quoted(&empty_dir.volume.name));
        let finding = empty_dir.unbounded_finding(RULE.id, Severity::Info, message);
        if cx.pod().is_some_and(|pod| pod.is_critical) {
            return finding
                .why("the kubelet never evicts critical Pods, and evicts other Pods if the disk is full")
                .help(HELP_FOR_CRITICAL_PODS);
        }
        let finding = finding
            .why("if the disk is full, the kubelet evicts other Pods of the node too")
            .help("set `sizeLimit`, or an `ephemeral-storage` limit on a container of the Pod");
        empty_dir.with_size_limit_fix(finding, cx)
    }));
}
