//! A claim template replaces a volume or another claim template of the same name.
//!
//! ## What it does
//!
//! In a StatefulSet, reports each volume of the Pod template that has the same name as a claim
//! template. Also reports each claim template that has the same name as a later claim template. The
//! rule also checks custom workloads with claim templates, such as `CloneSet` of OpenKruise.
//!
//! ## Why is this bad?
//!
//! The replaced volume never reaches a Pod: the StatefulSet controller uses the claim instead. If
//! two claim templates share a name, the controller uses the last one. A replaced volume misleads
//! readers of the manifest. Neither the API server nor the other rules check it for mistakes.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   selector: {matchLabels: {app: a}}
//!   template:
//!     metadata: {labels: {app: a}}
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
//!       resources: {requests: {storage: 10Gi}}
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
//!   selector: {matchLabels: {app: a}}
//!   template:
//!     metadata: {labels: {app: a}}
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
//!       resources: {requests: {storage: 10Gi}}
//! ```
//!
//! ## Fix
//!
//! Removes the replaced volume or claim template. Safe: the Pods get the same volumes. The claim
//! templates of an existing StatefulSet are immutable. To change them, delete the StatefulSet with
//! `--cascade=orphan`, which keeps its Pods, and apply the manifest again.
//!
//! ## When to allow it
//!
//! Allow it if a patch removes the claim templates in some environments, so that the volume is used
//! there.
//!
//! ## References
//!
//! - [Kubernetes: StatefulSets](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/)

use std::collections::HashMap;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Severity};
use crate::model::{FieldPath, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shadowed-volume"),
    summary: "a claim template replaces a volume or another claim template of the same name",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("shadowed_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for volume in pod.shadowed_volumes.iter().filter(|volume| !volume.name.is_empty()) {
        let message = format!("claim template {} replaces this volume", quoted(&volume.name));
        let help = "remove the volume, or rename one of the two";
        out.extend(finding(pod, &volume.name, &volume.path, message, help));
    }
    let mut last = HashMap::new();
    for template in pod.claim_templates.iter().filter(|template| !template.metadata.name.is_empty()) {
        let name = &*template.metadata.name;
        let Some(replaced) = last.insert(name, template) else { continue };
        let message = format!("a later claim template {} replaces this one", quoted(name));
        let help = "remove it, or rename one of the two (an existing StatefulSet must be recreated)";
        out.extend(finding(pod, name, &replaced.path, message, help));
    }
}

fn finding(
    pod: &Pod<'_>,
    name: &str,
    replaced: &FieldPath,
    message: String,
    help: &'static str,
) -> Option<Finding> {
    let used = pod.claim_template(name)?.path.key("metadata").key("name");
    Some(
        Finding::new(RULE.id, Severity::Warning, replaced.clone(), message)
            .label("never reaches a Pod")
            .related(used, "used instead")
            .why("the controller of the workload ignores it")
            .help(help)
            .fix(Fix::safe_edits("remove the unused definition", vec![Edit::Remove(replaced.clone())]))
            .volume(name),
    )
}
