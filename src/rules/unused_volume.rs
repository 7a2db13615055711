//! A volume that no container of its pod uses.
//!
//! ## What it does
//!
//! Reports each volume that no container mounts, has as a device, or reads a variable from (`fileKeyRef`). It
//! is a warning where the volume is a path of the node, else an info. Parts of objects, such as the patches
//! of a kustomization, are left alone: their containers may stand elsewhere.
//!
//! ## Why is this bad?
//!
//! It misleads whoever reads the manifest. Of a claim it is more than that: the scheduler waits for it and
//! chooses the node by it all the same. A path of the node that nobody mounts still makes the Pod one with
//! `hostPath` to every policy, and whoever may add an ephemeral container to the Pod can mount it, writable.
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
//! Removes the volume. Safe for an emptyDir; unsafe for any other, since a claim ties the Pod to a node, and
//! an ephemeral container may be meant to mount it.
//!
//! ## When to allow it
//!
//! Where something adds the mount later: a sidecar that a webhook injects, or a debugging session.
//!
//! ## References
//!
//! - [Kubernetes: Ephemeral containers](https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/)

use std::collections::HashSet;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Safety, Severity};
use crate::model::{Container, Pod, Volume, VolumeSource};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-volume"),
    summary: "a volume that no container of its pod uses",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: None,
    source: include_str!("unused_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let used: HashSet<_> =
        pod.containers.iter().flat_map(Container::volume_uses).map(|used| used.volume).collect();
    let is_unused = |volume: &&Volume<'_>| {
        // The API server refuses a volume without a name.
        !volume.name.is_empty()
            && !used.contains(&*volume.name)
            && is_own(pod, volume)
            && !volume.is_kube_api_access()
    };
    out.extend(pod.volumes.iter().filter(is_unused).map(finding));
}

/// Whether the volume stands in the pod itself. What custom kinds keep beside their pods, any of them may use.
fn is_own(pod: &Pod<'_>, volume: &Volume<'_>) -> bool {
    volume.path.segments().starts_with(pod.path.segments())
}

fn finding(volume: &Volume<'_>) -> Finding {
    let of_node = volume.host_path().is_some();
    let severity = if of_node { Severity::Warning } else { Severity::Info };
    let is_empty_dir = volume.sources.iter().all(|(_, source)| matches!(source, VolumeSource::EmptyDir(_)));
    let safety = if is_empty_dir { Safety::Safe } else { Safety::Unsafe };
    let message = format!("no container uses volume {}", quoted(&volume.name));
    let why = match volume.source() {
        _ if of_node => {
            "whoever may add an ephemeral container to the Pod can mount this path of the node, writable"
        }
        Some(VolumeSource::Claim(_) | VolumeSource::Ephemeral(_)) => {
            "the Pod waits for the claim, and runs where its volume is"
        }
        _ => "it does nothing but mislead who reads the manifest",
    };
    Finding::new(RULE.id, severity, volume.path.clone(), message)
        .label("named by no mount, device or variable")
        .why(why)
        .help("remove it, or mount it where it is needed")
        .fix(Fix {
            title: "remove the volume".into(),
            safety,
            edits: vec![Edit::Remove(volume.path.clone())],
        })
        .volume(&volume.name)
}
