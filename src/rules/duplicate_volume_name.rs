//! Two volumes of a pod have one name.
//!
//! ## What it does
//!
//! Reports each volume whose name another volume before it in the same list has.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object. Tools that read it before often take one of the two: what they say
//! about the volume then holds for a volume that isn't mounted.
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
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-volume-name"),
    summary: "two volumes of a pod have one name",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("duplicate_volume_name.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mut seen = HashMap::new();
    for volume in pod.volumes.iter().filter(|volume| !volume.name.is_empty()) {
        // Custom kinds may have several lists, of which a nearer one overrides another.
        let first = *seen.entry((volume.path.parent(), &*volume.name)).or_insert(volume);
        if std::ptr::eq(first, volume) {
            continue;
        }
        let message = format!("volume {} is defined twice", quoted(&volume.name));
        out.push(
            Finding::new(RULE.id, Severity::Error, volume.path.key("name"), message)
                .related(first.path.key("name"), "defined here first")
                .why("the API server refuses the object, and other tools may read either of the two")
                .help("remove one of the two, or give it and its mounts a name of its own")
                .volume(&volume.name),
        );
    }
}
