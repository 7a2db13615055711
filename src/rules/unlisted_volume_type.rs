//! A volume has a type that the policy does not allow.
//!
//! ## What it does
//!
//! Reports each volume of a Pod whose type is not in the policy's list of allowed types. Without a
//! list, the types of the Pod Security Standard `restricted` are allowed: `configMap`, `csi`,
//! `downwardAPI`, `emptyDir`, `ephemeral`, `image`, `persistentVolumeClaim`, `projected` and
//! `secret`.
//!
//! The standard does not allow `hostPath`. Without a list, however, this rule leaves `hostPath`
//! volumes to the rule [`host-path`](host-path.md). A volume without a source counts as an
//! `emptyDir`, except in incomplete objects, such as patches. A claim template of a StatefulSet
//! counts as a `persistentVolumeClaim`. The volume with the ServiceAccount token that the API
//! server adds to Pods is always allowed. PersistentVolumes are not checked.
//!
//! The rule is off in the profiles `recommended` and `baseline`, unless the policy contains a list.
//! It is enabled in the profile `restricted`.
//!
//! ## Why is this bad?
//!
//! Your policy defines which types of volumes Pods may use, and this type is not one of them.
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
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     nfs: # finding
//!       server: nfs.example.com
//!       path: /pages
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
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     persistentVolumeClaim:
//!       claimName: pages
//! ```
//!
//! ## Options
//!
//! `volumeTypes.allowOnly` is the list of allowed types. If the policy sets it, the rule also
//! reports `hostPath` volumes, unless the list contains `hostPath`. An empty list allows no type.
//!
//! ## When to allow it
//!
//! If every Pod may use the type, add it to the list. In a policy without a list, list the other
//! types that Pods use, too. If only one workload may use the type, exempt that workload.
//!
//! ## References
//!
//! - [Kubernetes: Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted)

use super::support::claims::claim_templates;
use super::support::volume_types::{DEFAULT_TYPES, Source, sources_of_volume};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule, RuleOption};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Origin, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unlisted-volume-type"),
    summary: "a volume has a type that the policy does not allow",
    group: Group::VolumeTypes,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[RuleOption::policy_key(
        "volumeTypes.allowOnly",
        "the allowed types; by default, those of the Pod Security Standard `restricted`",
    )],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unlisted_volume_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let is_allowed = |key: &str| match &cx.options.allowed_volume_types {
        Some(allowed) => allowed.iter().any(|allowed| allowed == key),
        None => DEFAULT_TYPES.contains(&key),
    };
    let help = |key: &str| match cx.options.allowed_volume_types {
        Some(_) => format!("use an allowed type, or add {key} to `volumeTypes.allowOnly` in the policy"),
        // The first entry would forbid all other types.
        None => "use an allowed type, or exempt the workload in the policy".to_owned(),
    };
    let is_admission = cx.object.origin == Origin::Admission;
    for source in typed_volumes(pod, is_admission).into_iter().filter(|source| !is_allowed(source.key)) {
        let key = quoted(source.key);
        let message = format!("{} has type {key}, which the policy does not allow", source.describe());
        out.push(
            Finding::new(RULE.id, Severity::Error, source.path.clone(), message)
                .at_key()
                .why("the policy limits the types of volumes that Pods may use")
                .help(help(&key))
                .volume(source.name)
                .path(source.key),
        );
    }
}

/// Returns the volumes of the pod, each with its type. Omits the token volume that the API server
/// adds. In a review, a volume without a known source has a type that is newer than volcheck.
fn typed_volumes<'a>(pod: &'a Pod<'a>, is_admission: bool) -> Vec<Source<'a>> {
    let mut volumes = Vec::new();
    for volume in pod.volumes.iter().filter(|volume| !volume.is_kube_api_access()) {
        let before = volumes.len();
        volumes.extend(sources_of_volume(volume));
        // The source of a volume in a patch may be in another object.
        if volumes.len() == before && pod.is_complete {
            let unknown = volume.sources.first().filter(|_| is_admission).map(|(key, _)| &**key);
            let (key, path) = (unknown.unwrap_or("emptyDir"), volume.path.clone());
            volumes.push(Source { key, name: &volume.name, path, is_persistent_volume: false });
        }
    }
    volumes.extend(claim_templates(pod).into_iter().map(|template| Source {
        key: "persistentVolumeClaim",
        name: &template.metadata.name,
        path: template.path.clone(),
        is_persistent_volume: false,
    }));
    volumes
}
