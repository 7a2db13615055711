//! Nothing bounds what an emptyDir takes of the node's memory.
//!
//! ## What it does
//!
//! Reports an emptyDir with `medium: Memory` without `sizeLimit`, or with one of 0, which is none, in a Pod
//! without a memory limit: one of its containers lacks it, and so does the Pod as a whole. It says nothing of
//! patches and other parts of an object, whose limits may stand elsewhere.
//!
//! ## Why is this bad?
//!
//! Such a volume is a tmpfs, as large as all the memory that the node has for Pods if nothing makes it smaller.
//! What is written there counts as memory of the container that writes it: without a limit the node runs out
//! of memory first, and other Pods are killed or evicted.
//!
//! The profile `restricted` makes it an error.
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
//! Sets `sizeLimit` to the policy's default size. Unsafe: a write beyond it fails.
//!
//! ## Options
//!
//! `defaultSize` is what the fix writes; `1Gi` where the policy says nothing.
//!
//! ## When to allow it
//!
//! Where a LimitRange of the namespace gives every container a memory limit: the webhook sees that limit, the
//! linter doesn't.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::empty_dir::{DEFAULT_SIZE, Medium, unbounded};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Pod;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unbounded-memory-empty-dir"),
    summary: "nothing bounds what an emptyDir takes of the node's memory",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[DEFAULT_SIZE],
    lint_only: None,
    source: include_str!("unbounded_memory_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(unbounded(cx, Medium::Memory, Pod::memory_limit).map(|empty_dir| {
        let name = quoted(&empty_dir.volume.name);
        let message = format!("nothing bounds emptyDir {name} in the node's memory");
        empty_dir
            .unbounded_finding(RULE.id, Severity::Warning, message, cx)
            .why("it can grow to all the memory that the node has for Pods, and others are killed or evicted")
            .help("set `sizeLimit`, or a memory limit on every container of the Pod")
    }));
}
