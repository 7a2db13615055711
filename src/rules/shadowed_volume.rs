//! A claim template replaces a volume, or a claim template, of the same name.
//!
//! ## What it does
//!
//! Reports each volume in the template of a StatefulSet that has the name of one of its claim templates, and
//! each claim template whose name a later one has.
//!
//! ## Why is this bad?
//!
//! What is replaced reaches no Pod: the StatefulSet controller puts the claim in the volume's place, and of
//! two claim templates the last one counts. The API server doesn't even validate such a volume, so whoever
//! reads it is misled, and no other rule speaks of it.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   template:
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql/data
//!       volumes:
//!       - name: data # finding
//!         emptyDir: {}
//!   volumeClaimTemplates:
//!   - metadata:
//!       name: data
//!     spec:
//!       accessModes: [ReadWriteOnce]
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
//!   template:
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
//! ```
//!
//! ## Fix
//!
//! Removes what is replaced. Safe: the Pods get the same volumes. The claim templates of a StatefulSet that
//! exists can't be changed, so there it must be deleted (`--cascade=orphan` keeps its Pods) and applied anew.
//!
//! ## When to allow it
//!
//! Where one manifest must serve with and without the claim templates, and they are patched away.
//!
//! ## References
//!
//! - [Kubernetes: StatefulSets](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/)

use std::collections::HashMap;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Severity};
use crate::model::{FieldPath, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shadowed-volume"),
    summary: "a claim template replaces a volume, or a claim template, of the same name",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: None,
    source: include_str!("shadowed_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for volume in pod.shadowed_volumes.iter().filter(|volume| !volume.name.is_empty()) {
        let message = format!("the claim template {} replaces this volume", quoted(&volume.name));
        out.extend(finding(
            pod,
            &volume.name,
            &volume.path,
            message,
            "remove the volume, or rename one of the two",
        ));
    }
    let mut last = HashMap::new();
    for template in pod.claim_templates.iter().filter(|template| !template.metadata.name.is_empty()) {
        let name = &*template.metadata.name;
        let Some(replaced) = last.insert(name, template) else { continue };
        let message = format!("a later claim template {} replaces this one", quoted(name));
        let help =
            "remove it, or rename one of the two; a StatefulSet that exists must be made anew for that";
        out.extend(finding(pod, name, &replaced.path, message, help));
    }
}

fn finding(
    pod: &Pod<'_>,
    name: &str,
    path: &FieldPath,
    message: String,
    help: &'static str,
) -> Option<Finding> {
    let counts = pod.claim_template(name)?.path.key("metadata").key("name");
    Some(
        Finding::new(RULE.id, Severity::Warning, path.clone(), message)
            .label("reaches no Pod")
            .related(counts, "this one counts")
            .why("the Pods get the claim, whatever stands here")
            .help(help)
            .fix(Fix::safe_edits("remove the volume", vec![Edit::Remove(path.clone())]))
            .volume(name),
    )
}
