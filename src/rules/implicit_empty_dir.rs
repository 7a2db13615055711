//! A volume has no source, so it becomes an `emptyDir`.
//!
//! ## What it does
//!
//! Reports a volume without a source. Such a volume has no key other than `name`, or its other keys
//! are null. The rule `unknown-volume-source` reports a source that Kubernetes does not know.
//!
//! Incomplete objects, such as kustomize patches, are skipped because the source may be in another
//! file. Objects of unknown kinds are skipped too.
//!
//! ## Why is this bad?
//!
//! The API server turns such a volume into an `emptyDir` without a warning. If another source was
//! intended, everything written to the volume is lost with the Pod. Even if an `emptyDir` was
//! intended, nothing in the manifest shows that the volume is temporary.
//!
//! If the kind of the object is part of Kubernetes, the API server adds `emptyDir: {}` to the
//! object itself. The object in the cluster then differs from the file, so every `kubectl apply` of
//! the unchanged file sends an update.
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
//!   - name: work # finding
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
//!     emptyDir: {}
//! ```
//!
//! ## Fix
//!
//! Adds `emptyDir: {}`, as the API server does. Safe.
//!
//! ## When to allow it
//!
//! Never. Adding `emptyDir: {}` does not change the Pod.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::is_built_in;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("implicit-empty-dir"),
    summary: "a volume has no source, so it becomes an `emptyDir`",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the API server adds `emptyDir: {}` before it calls webhooks"),
    source: include_str!("implicit_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for volume in pod.volumes.iter().filter(|volume| volume.sources.is_empty()) {
        let message = format!("volume {} has no source and becomes an `emptyDir`", quoted(&volume.name));
        let edit = Edit::Set(volume.path.key("emptyDir"), EditValue::EmptyMapping);
        out.push(
            Finding::new(RULE.id, Severity::Warning, volume.path.clone(), message)
                .label("source missing or null")
                .why(why(cx))
                .help("add `emptyDir: {}`, or the intended source")
                .fix(Fix::safe_edits("add `emptyDir: {}`", vec![edit]))
                .volume(&volume.name),
        );
    }
}

/// Returns the consequence. It mentions updates for built-in kinds only, because the API server
/// adds no `emptyDir` to custom resources.
fn why(cx: &Context<'_>) -> &'static str {
    if is_built_in(&cx.object.id.group, &cx.object.id.kind) {
        "its data is lost with the Pod, and every `kubectl apply` of this file sends an update"
    } else {
        "its data is lost with the Pod"
    }
}
