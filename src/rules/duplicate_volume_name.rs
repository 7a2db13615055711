//! Two volumes of a Pod have the same name.
//!
//! ## What it does
//!
//! Reports each volume that has the name of an earlier volume in the same list of volumes.
//!
//! ## Why is this bad?
//!
//! The API server rejects the object. Tools that check the manifest before it is applied may read
//! either of the two volumes, so their results are unreliable.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!   volumes:
//!   - name: data
//!     emptyDir: {}
//!   - name: data # finding
//!     configMap:
//!       name: settings
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!     - name: settings
//!       mountPath: /settings
//!   volumes:
//!   - name: data
//!     emptyDir: {}
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::collections::HashMap;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-volume-name"),
    summary: "two volumes of a Pod have the same name",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("duplicate_volume_name.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mut seen = HashMap::new();
    for volume in pod.volumes.iter().filter(|volume| !volume.name.is_empty()) {
        // A custom workload may have several volume lists, and an inner list overrides an outer
        // one. Only a name that is repeated in the same list is a duplicate.
        let first = *seen.entry((volume.path.parent(), &*volume.name)).or_insert(volume);
        if std::ptr::eq(first, volume) {
            continue;
        }
        let message = format!("duplicate volume name {}", quoted(&volume.name));
        out.push(
            Finding::new(RULE.id, Severity::Error, volume.path.key("name"), message)
                .related(first.path.key("name"), "first defined here")
                .why("the API server rejects the object, and other tools may use either volume")
                .help("remove one of the volumes, or rename it and its mounts")
                .volume(&volume.name),
        );
    }
}
