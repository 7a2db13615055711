//! A container uses a volume that its Pod does not define.
//!
//! ## What it does
//!
//! Reports each mount, block device and `fileKeyRef` whose volume is neither in the `volumes` of
//! the Pod nor a claim template of its StatefulSet. A `fileKeyRef` sets an environment variable to
//! a value from a file in a volume. Incomplete objects, such as kustomize patches, are skipped
//! because the volumes may be elsewhere.
//!
//! Also reports each volume with a name that the API server rejects. A valid name consists of at
//! most 63 characters: letters from `a` to `z`, digits and hyphens. It does not start or end with a
//! hyphen. For example, `data.host` is invalid. `podman kube generate` writes names with a dot if
//! the path of a volume contains a dot. Names with placeholders, such as `${NAME}`, are skipped.
//!
//! ## Why is this bad?
//!
//! The API server rejects an object with an invalid volume name, or with a mount or block device
//! whose volume is undefined. If the volume of a `fileKeyRef` is undefined, there is no file to
//! read the variable from. In a custom resource, the error only appears when the controller creates
//! the Pods. Usually, the name is misspelled, or someone removed the volume but not all of its
//! mounts.
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
//! Never in an object that reaches the API server unchanged. If a tool or a mutating webhook adds
//! the volume, lint the resulting object instead.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::collections::HashSet;

use super::support::wording::{self, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, Origin, Pod, UseKind, Volume, VolumeUse};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("undefined-volume"),
    summary: "a container uses a volume that its Pod does not define",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("undefined_volume.rs"),
    check: Check::Volumes(check),
};

/// The maximum number of volume names to compare with an undefined name.
const MAX_COMPARED: usize = 100;

/// The maximum length of a volume name, which is a DNS label (`ValidateDNS1123Label` of
/// `k8s.io/apimachinery`).
const MAX_NAME_LEN: usize = 63;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    out.extend(pod.volumes.iter().filter_map(invalid_name));
    let names: HashSet<_> = volume_names(pod).collect();
    let uses = pod.containers.iter().flat_map(Container::volume_uses);
    for usage in uses.filter(|usage| !names.contains(usage.volume)) {
        let why = match usage.kind {
            UseKind::Variable => "there is no file to read the variable from",
            UseKind::Mount | UseKind::Device => "the API server rejects the object",
        };
        out.push(
            Finding::new(RULE.id, Severity::Error, usage.volume_field(), message(usage))
                .why(why)
                .help(help(pod, usage, cx.object.origin))
                .volume(usage.volume)
                .container(&usage.container.name)
                .path(usage.target),
        );
    }
}

/// Creates a finding about a volume name that the API server rejects. Returns `None` if the name is
/// valid, absent, or contains a placeholder such as `${NAME}`.
fn invalid_name(volume: &Volume<'_>) -> Option<Finding> {
    let name = &*volume.name;
    let is_valid_char = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
    let problem = if name.is_empty() || name.contains(['$', '{', '<', '%', '@']) {
        return None;
    } else if name.contains('.') {
        "contains a dot"
    } else if name.contains(|character: char| character.is_ascii_uppercase()) {
        "contains an uppercase letter"
    } else if !name.chars().all(is_valid_char) {
        "contains a character other than `a`-`z`, `0`-`9` and `-`"
    } else if name.starts_with('-') || name.ends_with('-') {
        "starts or ends with a hyphen"
    } else if name.len() > MAX_NAME_LEN {
        "is longer than 63 characters"
    } else {
        return None;
    };
    let message = format!("volume name {} {problem}", quoted(name));
    let finding = Finding::new(RULE.id, Severity::Error, volume.path.key("name"), message)
        .why("the API server rejects the object")
        .help("rename the volume, also in its mounts: use at most 63 lowercase letters, digits and hyphens")
        .volume(name);
    Some(finding)
}

/// Returns the names of the volumes and claim templates of the pod.
fn volume_names<'p>(pod: &'p Pod<'_>) -> impl Iterator<Item = &'p str> {
    let templates = pod.claim_templates.iter().map(|template| &*template.metadata.name);
    pod.volumes.iter().map(|volume| &*volume.name).chain(templates).filter(|name| !name.is_empty())
}

fn message(usage: VolumeUse<'_, '_>) -> String {
    let container = wording::container(usage.container);
    let start = match usage.kind {
        UseKind::Mount => format!("{container} mounts"),
        UseKind::Device => format!("a block device of {container} uses"),
        UseKind::Variable => format!("variable {} of {container} is read from", quoted(usage.target)),
    };
    match usage.volume {
        "" => format!("{start} a volume without a name"),
        name => format!("{start} undefined volume {}", quoted(name)),
    }
}

fn help(pod: &Pod<'_>, usage: VolumeUse<'_, '_>, origin: Origin) -> String {
    let name = usage.volume;
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let names = volume_names(pod).take(MAX_COMPARED).filter(|known| known.len().abs_diff(name.len()) <= 2);
    // Comparing names is slow, and a response to the API server does not contain the help.
    let names = names.filter(|_| origin != Origin::Admission && name.len() <= MAX_NAME_LEN);
    let nearest = names.map(|known| (distance(known), known)).filter(|(distance, _)| *distance <= 2).min();
    match nearest {
        _ if name.is_empty() => "use one of the Pod's volumes".to_owned(),
        Some((_, nearest)) => format!("use volume {}, or add a volume {}", quoted(nearest), quoted(name)),
        None => format!("add a volume {}, or use one of the Pod's volumes", quoted(name)),
    }
}
