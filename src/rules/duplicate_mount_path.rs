//! A container has two mounts at the same path.
//!
//! ## What it does
//!
//! In each container, reports each volume mount or block device whose path an earlier mount or
//! device already uses. Identical paths are an error. Different spellings of the same path, such as
//! `/data` and `/data/`, are a warning. There is no such warning if one of the mounts is the
//! ServiceAccount token mount that the API server adds.
//!
//! ## Why is this bad?
//!
//! The API server rejects identical paths, but accepts different spellings of the same path. One
//! mount then hides the other. Which of them is hidden depends on the container runtime.
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

use super::support::wording::{self, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, UseKind, Volume, VolumeUse, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-mount-path"),
    summary: "a container has two mounts at the same path",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("duplicate_mount_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for container in &pod.containers {
        let (mut by_spelling, mut by_clean_path) = (HashMap::new(), HashMap::new());
        let has_path =
            |usage: &VolumeUse<'_, '_>| usage.kind != UseKind::Variable && !usage.target.is_empty();
        for usage in container.volume_uses().filter(has_path) {
            let path = clean_container_path(usage.target);
            if let Some(first) = by_spelling.get(usage.target) {
                out.push(finding(*first, usage, Severity::Error));
            } else if let Some(first) =
                by_clean_path.get(&path).filter(|first| !includes_token_mount(pod, **first, usage))
            {
                out.push(finding(*first, usage, Severity::Warning));
            }
            by_spelling.entry(usage.target).or_insert(usage);
            by_clean_path.entry(path).or_insert(usage);
        }
    }
}

/// Checks whether one of the two mounts is the ServiceAccount token mount that the API server adds.
/// The API server omits this mount only if another mount has exactly the same path.
fn includes_token_mount(pod: &Pod<'_>, first: VolumeUse<'_, '_>, second: VolumeUse<'_, '_>) -> bool {
    [first, second].iter().any(|usage| pod.volume(usage.volume).is_some_and(Volume::is_kube_api_access))
}

fn finding(first: VolumeUse<'_, '_>, second: VolumeUse<'_, '_>, severity: Severity) -> Finding {
    let container = wording::container(second.container);
    let (message, why) = if severity == Severity::Error {
        (
            format!("{container} has two mounts at {}", quoted(second.target)),
            "the API server rejects the object",
        )
    } else {
        let message =
            format!("{container} has mounts at {} and {}", quoted(first.target), quoted(second.target));
        (message, "both are the same path, so one mount hides the other")
    };
    Finding::new(RULE.id, severity, second.target_field(), message)
        .label(format!("volume {}", quoted(second.volume)))
        .related(first.target_field(), format!("volume {}", quoted(first.volume)))
        .why(why)
        .help("remove one of the mounts, or change its path")
        .volume(second.volume)
        .container(&second.container.name)
        .path(clean_container_path(second.target))
}
