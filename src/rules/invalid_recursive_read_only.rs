//! `recursiveReadOnly` is invalid or conflicts with other fields of the mount.
//!
//! ## What it does
//!
//! Reports the `recursiveReadOnly` of a mount in these cases:
//!
//! - The value is not `Disabled`, `IfPossible` or `Enabled`. The values are case-sensitive.
//! - The value is `Enabled` or `IfPossible`, but the mount has no `readOnly: true`. The `readOnly`
//!   field of a `persistentVolumeClaim` source does not count. In an incomplete object, such as a
//!   patch, an absent `readOnly` is not reported.
//! - The value is `Enabled` or `IfPossible`, but the mount has `mountPropagation: HostToContainer`
//!   or `mountPropagation: Bidirectional`.
//!
//! ## Why is this bad?
//!
//! The API server rejects the object. In a custom resource, the error only appears when the
//! controller creates the Pods.
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
//! Sets `readOnly: true`, removes `mountPropagation` and corrects the case of the value, as needed.
//! Unsafe: the container may need to write to the mount, or may need filesystems that the node
//! mounts later.
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: Recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::ContainerMount;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("invalid-recursive-read-only"),
    summary: "`recursiveReadOnly` is invalid or conflicts with other fields of the mount",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("invalid_recursive_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    // A field that a patch omits may be set in the patched object. A pod found in an object of an
    // unknown kind counts as incomplete, but its mounts are complete.
    let is_complete = pod.is_complete || pod.is_heuristic;
    out.extend(pod.mounts().filter_map(|mount| finding(mount, is_complete)));
}

fn finding(container_mount: ContainerMount<'_, '_>, is_complete: bool) -> Option<Finding> {
    let (mount, path) = (container_mount.mount, container_mount.path());
    let written = &*mount.recursive_read_only;
    if written.is_empty() {
        return None;
    }
    let value =
        ["Disabled", "IfPossible", "Enabled"].into_iter().find(|known| known.eq_ignore_ascii_case(written));
    let requests_recursion = matches!(value, Some("IfPossible" | "Enabled"));
    let is_missing_read_only =
        requests_recursion && !mount.is_read_only() && (is_complete || mount.read_only.is_some());
    let propagates = requests_recursion && mount.propagates();
    let (problem, help) = match (value, is_missing_read_only, propagates) {
        (None, ..) => (
            "is not `Disabled`, `IfPossible` or `Enabled`",
            "use one of these values, or remove `recursiveReadOnly`",
        ),
        (_, true, true) => (
            "needs `readOnly: true` and no `mountPropagation`",
            "set `readOnly: true` and remove `mountPropagation`, or remove `recursiveReadOnly`",
        ),
        (_, true, false) => ("needs `readOnly: true`", "set `readOnly: true`, or remove `recursiveReadOnly`"),
        (_, false, true) => ("conflicts with `mountPropagation`", "remove either field"),
        (Some(known), ..) if known != written => {
            ("has the wrong case", "correct the case: the value is case-sensitive")
        }
        _ => return None,
    };
    let name = quoted(&format!("recursiveReadOnly: {written}"));
    let message = format!("{name} of {} {problem}", container(container_mount.container));
    let finding = Finding::new(RULE.id, Severity::Error, path.key("recursiveReadOnly"), message)
        .why("the API server rejects the object")
        .volume(&mount.name)
        .container(&container_mount.container.name)
        .path(&mount.mount_path)
        .help(help);
    let Some(known) = value else { return Some(finding) };
    let mut edits = Vec::new();
    let mut finding = finding;
    if known != written {
        if is_missing_read_only || propagates {
            finding = finding.help(format!("{help}; the value is case-sensitive: write `{known}`"));
        }
        edits.push(Edit::Set(path.key("recursiveReadOnly"), EditValue::Str(known.to_owned())));
    }
    if is_missing_read_only {
        edits.push(Edit::Set(path.key("readOnly"), EditValue::Bool(true)));
    }
    if propagates {
        edits.push(Edit::Remove(path.key("mountPropagation")));
    }
    Some(finding.fix(Fix::unsafe_edits("correct `recursiveReadOnly`", edits)))
}
