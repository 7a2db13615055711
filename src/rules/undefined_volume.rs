//! A container uses a volume that its pod doesn't have.
//!
//! ## What it does
//!
//! Reports each mount, each device and each variable (`fileKeyRef`) whose volume is neither among the pod's
//! `volumes` nor a claim template of its StatefulSet. Parts of objects, such as the patches of a
//! kustomization, are left alone: their volumes may stand elsewhere.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object, in templates too. Often the name is a slip, or the volume was removed
//! and one of its mounts forgotten.
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
//!     - name: cahce # finding
//!       mountPath: /var/cache/nginx
//!   volumes:
//!   - name: cache
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
//! ## When to allow it
//!
//! Never in an object that is applied as it is. Where something adds the volume on the way, such as another
//! admission webhook, the API server must still see the whole: lint what comes out of it.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::collections::HashSet;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, Origin, Pod, UseKind, VolumeUse};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("undefined-volume"),
    summary: "a container uses a volume that its pod doesn't have",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("undefined_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let names: HashSet<_> = names(pod).collect();
    let uses = pod.containers.iter().flat_map(Container::volume_uses);
    for used in uses.filter(|used| !names.contains(used.volume)) {
        let why = match used.kind {
            UseKind::Variable => "there is nothing that the variable could be read from",
            UseKind::Mount | UseKind::Device => "the API server refuses the object",
        };
        out.push(
            Finding::new(RULE.id, Severity::Error, used.volume_field(), message(used))
                .why(why)
                .help(help(pod, used, cx.object.origin))
                .volume(used.volume)
                .container(&used.container.name)
                .path(used.target),
        );
    }
}

/// With so many of a pod's names a slip is compared, in the order of the text.
const COMPARED: usize = 100;

/// A name that is longer is none of a volume (a label of DNS, `ValidateDNS1123Label` of `k8s.io/apimachinery`).
const LONGEST_NAME: usize = 63;

fn names<'p>(pod: &'p Pod<'_>) -> impl Iterator<Item = &'p str> {
    let templates = pod.claim_templates.iter().map(|template| &*template.metadata.name);
    pod.volumes.iter().map(|volume| &*volume.name).chain(templates).filter(|name| !name.is_empty())
}

fn message(used: VolumeUse<'_, '_>) -> String {
    let of = used.container;
    let what = match used.kind {
        UseKind::Mount => format!("{} mounts", container(of)),
        UseKind::Device => format!("{} has a device of", container(of)),
        UseKind::Variable => format!("variable {} of {} is read from", quoted(used.target), container(of)),
    };
    match used.volume {
        "" => format!("{what} a volume that isn't named"),
        name => format!("{what} volume {}, which the pod doesn't have", quoted(name)),
    }
}

fn help(pod: &Pod<'_>, used: VolumeUse<'_, '_>, origin: Origin) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(used.volume, name);
    let names = names(pod).take(COMPARED).filter(|name| name.len().abs_diff(used.volume.len()) <= 2);
    // It takes a while to find, and nobody reads it in an answer to the API server.
    let names = names.filter(|_| origin == Origin::Manifest && used.volume.len() <= LONGEST_NAME);
    let near = names.map(|name| (distance(name), name)).filter(|(distance, _)| *distance <= 2).min();
    match near {
        _ if used.volume.is_empty() => "name one of the pod's volumes".to_owned(),
        Some((_, near)) => {
            format!("name the volume {}, or add a volume {}", quoted(near), quoted(used.volume))
        }
        None => format!("add a volume {}, or name one that the pod has", quoted(used.volume)),
    }
}
