//! A volume is not used by any container of its Pod.
//!
//! ## What it does
//!
//! Reports each volume that no container mounts, uses as a block device, or reads an environment
//! variable from (`fileKeyRef`). The severity is warning for a `hostPath` volume, and info for any
//! other volume. Incomplete objects, such as kustomize patches, and pod specs without containers
//! are skipped because the containers may be elsewhere. Volumes that a custom resource declares
//! outside of its pod specs are skipped because any of its Pods may use them.
//!
//! ## Why is this bad?
//!
//! An unused volume misleads readers of the manifest. It can also have an effect:
//!
//! - An unused claim still delays scheduling until the claim is bound, and can limit the nodes on
//!   which the Pod can run.
//! - An unused `hostPath` volume can still cause a security policy to reject the Pod. Users who can
//!   add an ephemeral container to the Pod can mount the path with write access.
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
//!   volumes:
//!   - name: cache # finding
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//! ```
//!
//! ## Fix
//!
//! Removes the volume. Safe for an `emptyDir`. Unsafe for other volumes: a claim can tie the Pod to
//! a node, and an ephemeral container may need the volume.
//!
//! ## When to allow it
//!
//! Allow it if the mount is added later, by a sidecar injector or in a debugging session.
//!
//! ## References
//!
//! - [Kubernetes: Ephemeral containers](https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/)

use std::collections::HashSet;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Safety, Severity};
use crate::model::{Container, Pod, Volume, VolumeSource};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-volume"),
    summary: "a volume is not used by any container of its Pod",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unused_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // The API server rejects a Pod without containers, so the manifest is a fragment.
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete && !pod.containers.is_empty()) else { return };
    let used: HashSet<_> =
        pod.containers.iter().flat_map(Container::volume_uses).map(|usage| usage.volume).collect();
    let is_unused = |volume: &&Volume<'_>| {
        // The API server rejects a volume without a name.
        !volume.name.is_empty()
            && !used.contains(&*volume.name)
            && is_in_pod(pod, volume)
            && !volume.is_kube_api_access()
    };
    out.extend(pod.volumes.iter().filter(is_unused).map(finding));
}

/// Checks whether the volume is declared in the pod itself. A custom workload may declare volumes
/// elsewhere, and any of its pods may use them.
fn is_in_pod(pod: &Pod<'_>, volume: &Volume<'_>) -> bool {
    volume.path.segments().starts_with(pod.path.segments())
}

fn finding(volume: &Volume<'_>) -> Finding {
    let is_host_path = volume.host_path().is_some();
    let severity = if is_host_path { Severity::Warning } else { Severity::Info };
    let is_empty_dir = volume.sources.iter().all(|(_, source)| matches!(source, VolumeSource::EmptyDir(_)));
    let safety = if is_empty_dir { Safety::Safe } else { Safety::Unsafe };
    let message = format!("no container uses volume {}", quoted(&volume.name));
    let why = match volume.source() {
        _ if is_host_path => {
            "users who can add an ephemeral container to the Pod can mount this host path with write access"
        }
        Some(VolumeSource::Claim(_) | VolumeSource::Ephemeral(_)) => {
            "the Pod waits for the claim, and runs only on nodes that can use the volume of the claim"
        }
        _ => "the volume has no effect and misleads readers",
    };
    Finding::new(RULE.id, severity, volume.path.clone(), message)
        .label("not used by any mount, device or `fileKeyRef`")
        .why(why)
        .help("remove the volume, or mount it where it is needed")
        .fix(Fix {
            title: "remove the volume".into(),
            safety,
            edits: vec![Edit::Remove(volume.path.clone())],
        })
        .volume(&volume.name)
}
