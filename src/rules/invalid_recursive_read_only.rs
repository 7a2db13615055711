//! `recursiveReadOnly` where it can't hold.
//!
//! ## What it does
//!
//! Reports a mount whose `recursiveReadOnly` is `Enabled` or `IfPossible` without `readOnly: true`, or with a
//! `mountPropagation` other than `None`; and one with a value that Kubernetes doesn't know. The claim's own
//! `readOnly` doesn't stand in for the mount's.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: run
//!       mountPath: /host/run
//!       recursiveReadOnly: IfPossible # finding
//!   volumes:
//!   - name: run
//!     hostPath:
//!       path: /run
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: run
//!       mountPath: /host/run
//!       readOnly: true
//!       recursiveReadOnly: IfPossible
//!   volumes:
//!   - name: run
//!     hostPath:
//!       path: /run
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true`, drops `mountPropagation`, and corrects the case of the value, as far as each is needed.
//! Unsafe: the container may need to write, or to see later mounts of the node.
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: Recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::ContainerMount;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("invalid-recursive-read-only"),
    summary: "`recursiveReadOnly` where it can't hold",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("invalid_recursive_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    // What a patch doesn't say may stand in what it patches; what is read by its looks is whole in its mounts.
    let says_all = pod.is_complete || pod.is_heuristic;
    out.extend(pod.mounts().filter_map(|of| finding(of, says_all)));
}

fn finding(of: ContainerMount<'_, '_>, says_all: bool) -> Option<Finding> {
    let (mount, path) = (of.mount, of.path());
    let written = &*mount.recursive_read_only;
    let value =
        ["Disabled", "IfPossible", "Enabled"].into_iter().find(|known| known.eq_ignore_ascii_case(written));
    if written.is_empty() {
        return None;
    }
    let is_on = matches!(value, Some("IfPossible" | "Enabled"));
    let lacks_read_only = is_on && !mount.is_read_only() && (says_all || mount.read_only.is_some());
    let propagates = is_on && mount.propagates();
    let (problem, help) = match (value, lacks_read_only, propagates) {
        (None, ..) => {
            ("is none of `Disabled`, `IfPossible`, `Enabled`", "write one of these, or drop the key")
        }
        (_, true, true) => (
            "needs `readOnly: true` and no `mountPropagation`",
            "set `readOnly: true` and drop `mountPropagation`, or drop `recursiveReadOnly`",
        ),
        (_, true, false) => ("needs `readOnly: true`", "set `readOnly: true`, or drop `recursiveReadOnly`"),
        (_, false, true) => ("can't go with `mountPropagation`", "drop one of the two"),
        (Some(known), ..) if known != written => {
            ("is in the wrong case", "write it as Kubernetes does: its case counts")
        }
        _ => return None,
    };
    let name = quoted(&format!("recursiveReadOnly: {written}"));
    let message = format!("{name} of {} {problem}", container(of.container));
    let finding = Finding::new(RULE.id, Severity::Error, path.key("recursiveReadOnly"), message)
        .why("the API server refuses the object")
        .volume(&mount.name)
        .container(&of.container.name)
        .path(&mount.mount_path)
        .help(help);
    let Some(known) = value else { return Some(finding) };
    let mut edits = Vec::new();
    if known != written {
        edits.push(Edit::Set(path.key("recursiveReadOnly"), EditValue::Str(known.to_owned())));
    }
    if lacks_read_only {
        edits.push(Edit::Set(path.key("readOnly"), EditValue::Bool(true)));
    }
    if propagates {
        edits.push(Edit::Remove(path.key("mountPropagation")));
    }
    Some(finding.fix(Fix::unsafe_edits("correct `recursiveReadOnly`", edits)))
}
