//! A volume has more than one source.
//!
//! ## What it does
//!
//! Reports a volume with two or more of the keys that say what it is, such as `hostPath` and `emptyDir`. A key
//! whose value is null doesn't count, as in Kubernetes; one with `{}` does.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object. It often comes of a merge of two files that each set another source.
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//!     persistentVolumeClaim: # finding
//!       claimName: cache
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!   volumes:
//!   - name: cache
//!     persistentVolumeClaim:
//!       claimName: cache
//! ```
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("multiple-volume-sources"),
    summary: "a volume has more than one source",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("multiple_volume_sources.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.pod().into_iter().flat_map(|pod| &pod.volumes) {
        let keys: Vec<_> = volume.known_sources().map(|(key, _)| key).collect();
        let [first, second, ..] = keys.as_slice() else { continue };
        let listed: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        let message =
            format!("volume {} has {} sources: {}", quoted(&volume.name), keys.len(), listed.join(", "));
        out.push(
            Finding::new(RULE.id, Severity::Error, volume.path.key((*second).to_owned()), message)
                .at_key()
                .label("one too many")
                .related(volume.path.key((*first).to_owned()), format!("`{first}` is here already"))
                .why("the API server refuses the object")
                .help("keep one of them, and give each other one a volume of its own")
                .volume(&volume.name),
        );
    }
}
