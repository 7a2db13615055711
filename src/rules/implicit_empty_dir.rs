//! A volume has no source, so it becomes an emptyDir.
//!
//! ## What it does
//!
//! Reports a volume that has nothing beside its name, or only sources that are null. It says nothing of patches
//! and other parts of an object, whose sources may stand elsewhere, nor of a source that Kubernetes doesn't
//! know: that is `unknown-volume-source`.
//!
//! ## Why is this bad?
//!
//! The API server makes such a volume an emptyDir, without a word. If another source was meant, what is written
//! there is lost with the Pod. If not, nothing in the file says so; and since the API server stores another
//! object than the one it was sent, every `kubectl apply` of the unchanged file sends an update.
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
//! Writes `emptyDir: {}`, which is what the API server makes of it. Safe.
//!
//! ## When to allow it
//!
//! Never: writing it out costs nothing.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::is_built_in;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("implicit-empty-dir"),
    summary: "a volume has no source, so it becomes an emptyDir",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: Some("the API server has written `emptyDir: {}` by then"),
    source: include_str!("implicit_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for volume in pod.volumes.iter().filter(|volume| volume.sources.is_empty()) {
        let message = format!("volume {} has no source, so it becomes an emptyDir", quoted(&volume.name));
        let edit = Edit::Set(volume.path.key("emptyDir"), EditValue::EmptyMapping);
        out.push(
            Finding::new(RULE.id, Severity::Warning, volume.path.clone(), message)
                .label("no source, or one that is null")
                .why(why(cx))
                .help("write `emptyDir: {}`, or the source that is meant")
                .fix(Fix::safe_edits("add `emptyDir: {}`", vec![edit]))
                .volume(&volume.name),
        );
    }
}

/// Only of built-in kinds does the API server know what a volume is, and store it otherwise.
fn why(cx: &Context<'_>) -> &'static str {
    if is_built_in(&cx.object.id.group, &cx.object.id.kind) {
        "what is written there is lost with the Pod, and every `kubectl apply` of this file sends an update"
    } else {
        "what is written there is lost with the Pod"
    }
}
