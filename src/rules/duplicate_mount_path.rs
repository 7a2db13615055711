//! A container has two mounts at one path.
//!
//! ## What it does
//!
//! Reports each mount and each device of a container at a path where it has another one already. Two paths
//! that are written alike are an error. Where they are the same only once they are cleaned, such as `/data`
//! and `/data/`, it is a warning.
//!
//! ## Why is this bad?
//!
//! The API server refuses two paths that are written alike. Other spellings it lets pass: then one mount hides
//! the other, and which of the two is the runtime's affair.
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
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!     - name: uploads
//!       mountPath: /usr/share/nginx/html # finding
//!   volumes:
//!   - name: pages
//!     configMap:
//!       name: pages
//!   - name: uploads
//!     emptyDir: {}
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
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!     - name: uploads
//!       mountPath: /usr/share/nginx/html/uploads
//!   volumes:
//!   - name: pages
//!     configMap:
//!       name: pages
//!   - name: uploads
//!     emptyDir: {}
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

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, UseKind, Volume, VolumeUse, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-mount-path"),
    summary: "a container has two mounts at one path",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("duplicate_mount_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for container in &pod.containers {
        let (mut written, mut clean) = (HashMap::new(), HashMap::new());
        let is_path = |used: &VolumeUse<'_, '_>| used.kind != UseKind::Variable && !used.target.is_empty();
        for used in container.volume_uses().filter(is_path) {
            let path = clean_container_path(used.target);
            if let Some(first) = written.get(used.target) {
                out.push(finding(*first, used, Severity::Error));
            } else if let Some(first) = clean.get(&path).filter(|first| !is_added(pod, **first, used)) {
                out.push(finding(*first, used, Severity::Warning));
            }
            written.entry(used.target).or_insert(used);
            clean.entry(path).or_insert(used);
        }
    }
}

/// Whether one of the two is what the API server itself adds, which only looks for its own spelling.
fn is_added(pod: &Pod<'_>, first: VolumeUse<'_, '_>, second: VolumeUse<'_, '_>) -> bool {
    [first, second].iter().any(|used| pod.volume(used.volume).is_some_and(Volume::is_kube_api_access))
}

fn finding(first: VolumeUse<'_, '_>, second: VolumeUse<'_, '_>, severity: Severity) -> Finding {
    let of = container(second.container);
    let (message, why) = if severity == Severity::Error {
        (format!("{of} has two mounts at {}", quoted(second.target)), "the API server refuses the object")
    } else {
        let message = format!("{of} mounts at {} and at {}", quoted(first.target), quoted(second.target));
        (message, "they are one path: one of the two hides the other")
    };
    Finding::new(RULE.id, severity, second.target_field(), message)
        .label(format!("volume {}", quoted(second.volume)))
        .related(first.target_field(), format!("volume {}", quoted(first.volume)))
        .why(why)
        .help("drop one of the two, or give it a path of its own")
        .volume(second.volume)
        .container(&second.container.name)
        .path(clean_container_path(second.target))
}
