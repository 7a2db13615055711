//! A volume has more than one source.
//!
//! ## What it does
//!
//! Reports a volume with two or more sources, such as `hostPath` and `emptyDir`. As in Kubernetes,
//! an empty source (`{}`) counts, and a null source does not. A key that is not a volume source of
//! Kubernetes does not count.
//!
//! ## Why is this bad?
//!
//! The API server rejects the object. A common cause is a merge of two files that set different
//! sources.
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
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
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
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("multiple_volume_sources.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.pod().into_iter().flat_map(|pod| &pod.volumes) {
        let keys: Vec<_> = volume.known_sources().map(|(key, _)| key).collect();
        let [first, second, ..] = keys.as_slice() else { continue };
        let names: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        let message =
            format!("volume {} has {} sources: {}", quoted(&volume.name), keys.len(), names.join(", "));
        out.push(
            Finding::new(RULE.id, Severity::Error, volume.path.key((*second).to_owned()), message)
                .at_key()
                .label("second source")
                .related(volume.path.key((*first).to_owned()), "first source")
                .why("the API server rejects the object")
                .help("move all but one source to separate volumes")
                .volume(&volume.name),
        );
    }
}
