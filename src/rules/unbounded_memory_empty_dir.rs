//! An `emptyDir` volume in memory has no size limit.
//!
//! ## What it does
//!
//! Reports an `emptyDir` volume with `medium: Memory` and without a `sizeLimit` if the Pod has no
//! memory limit and at least one of its containers has none either. Init containers count, even if
//! they do not mount the volume. The reason is that the kubelet limits the volume according to the
//! memory limits of the containers only if every container has a memory limit. Like the kubelet,
//! the rule treats a `sizeLimit` of 0 as absent.
//!
//! Incomplete objects, such as patches, are skipped because the limits may be elsewhere. Volumes
//! that no container mounts are skipped because they stay empty. Pods for Windows nodes are skipped
//! because the volume is on disk there.
//!
//! The `restricted` profile raises the severity to error.
//!
//! ## Why is this bad?
//!
//! The volume is a tmpfs. Without a limit, it can grow to the allocatable memory of the node. Its
//! files count as memory of the container that writes them. If that container has no memory limit,
//! the node can run out of memory, and other Pods are killed or evicted. If the container has a
//! memory limit, it is killed when the files exceed the limit. The files remain and still count, so
//! the container may be unable to start again until the Pod is deleted.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: browser
//! spec:
//!   containers:
//!   - name: browser
//!     image: chrome
//!     volumeMounts:
//!     - name: shm
//!       mountPath: /dev/shm
//!   volumes:
//!   - name: shm
//!     emptyDir:
//!       medium: Memory # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: browser
//! spec:
//!   containers:
//!   - name: browser
//!     image: chrome
//!     volumeMounts:
//!     - name: shm
//!       mountPath: /dev/shm
//!   volumes:
//!   - name: shm
//!     emptyDir:
//!       medium: Memory
//!       sizeLimit: 1Gi
//! ```
//!
//! ## Fix
//!
//! Sets `sizeLimit` to the value of the option `defaultSize`. Unsafe: writes beyond the limit fail.
//!
//! ## Options
//!
//! `defaultSize` is the `sizeLimit` that the fix sets. The default is `1Gi`.
//!
//! ## When to allow it
//!
//! Allow it if a LimitRange of the namespace sets a memory limit on every container. The API server
//! adds this limit to a Pod before it calls the webhook. It does not add the limit to Pod
//! templates, so the linter and the webhook still report the volume in workloads.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::empty_dir::{DEFAULT_SIZE, Medium, unbounded};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unbounded-memory-empty-dir"),
    summary: "an `emptyDir` volume in memory has no size limit",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[DEFAULT_SIZE],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unbounded_memory_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(unbounded(cx, Medium::Memory, Pod::memory_limit).map(|empty_dir| {
        let message =
            format!("memory usage of `emptyDir` volume {} is unlimited", quoted(&empty_dir.volume.name));
        let finding = empty_dir
            .unbounded_finding(RULE.id, Severity::Warning, message)
            .why("the volume can use all allocatable memory of the node, so other Pods may be killed or evicted")
            .help(
                "set `sizeLimit`, or a memory limit on every container of the Pod, including init containers",
            );
        empty_dir.with_size_limit_fix(finding, cx)
    }));
}
