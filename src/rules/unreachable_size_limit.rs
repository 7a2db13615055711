//! The `sizeLimit` of an `emptyDir` volume never takes effect.
//!
//! ## What it does
//!
//! Reports a `sizeLimit` in two cases:
//!
//! - It is 0, which the kubelet treats as no limit.
//! - It exceeds a limit that takes effect first. For a volume in memory, this is the memory limit
//!   of the Pod; for a volume on disk, the limits for `ephemeral-storage`.
//!
//! The rule adds up container limits as the kubelet does: the sum for all containers, or the limit
//! of an init container if that is higher. A memory limit of the Pod itself takes precedence over
//! the limits of its containers. In incomplete objects, such as patches, only a `sizeLimit` of 0 is
//! reported, because other limits may be elsewhere.
//!
//! ## Why is this bad?
//!
//! A `sizeLimit` of 0 does not limit the volume. A `sizeLimit` that is too high promises space that
//! the volume never gets. In memory, the kubelet makes the volume no larger than the memory limit
//! of the Pod. On disk, the kubelet evicts the Pod as soon as its disk usage exceeds the limits of
//! its containers, before the volume is full.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: browser
//! spec:
//!   containers:
//!   - name: browser
//!     image: chrome
//!     resources:
//!       limits:
//!         memory: 1Gi
//!     volumeMounts:
//!     - name: shm
//!       mountPath: /dev/shm
//!   volumes:
//!   - name: shm
//!     emptyDir:
//!       medium: Memory
//!       sizeLimit: 2Gi # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: browser
//! spec:
//!   containers:
//!   - name: browser
//!     image: chrome
//!     resources:
//!       limits:
//!         memory: 1Gi
//!     volumeMounts:
//!     - name: shm
//!       mountPath: /dev/shm
//!   volumes:
//!   - name: shm
//!     emptyDir:
//!       medium: Memory
//!       sizeLimit: 256Mi
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the limits differ between environments, and the size is meant for the largest one.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: local ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)

use super::support::empty_dir::{EmptyDir, Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldPath, Pod, Quantity, Resources};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unreachable-size-limit"),
    summary: "the `sizeLimit` of an `emptyDir` volume never takes effect",
    group: Group::EmptyDir,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("unreachable_size_limit.rs"),
    check: Check::Volumes(check),
};

/// The maximum number of container limits to list as related locations.
const MAX_FIELDS: usize = 3;

/// A limit of the pod on all its `emptyDir` volumes of one medium.
struct Bound {
    medium: Medium,
    limit: Quantity,
    /// The field paths of the limits that `limit` is made of, at most [`MAX_FIELDS`].
    fields: Vec<FieldPath>,
    /// The name of the limits in messages.
    noun: &'static str,
    why: &'static str,
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mut limited = empty_dirs(cx).filter(|empty_dir| empty_dir.source.size_limit.is_some()).peekable();
    if limited.peek().is_none() {
        return;
    }
    let bounds = if pod.is_complete { bounds(pod) } else { Vec::new() };
    out.extend(limited.filter_map(|empty_dir| finding(&bounds, &empty_dir)));
}

fn finding(bounds: &[Bound], empty_dir: &EmptyDir<'_>) -> Option<Finding> {
    let size = empty_dir.source.size_limit?;
    let name = quoted(&empty_dir.volume.name);
    let new = |message| {
        let field = empty_dir.size_limit_field();
        Finding::new(RULE.id, Severity::Info, field, message).volume(&empty_dir.volume.name)
    };
    if !size.is_positive() {
        return Some(
            new(format!("`sizeLimit` of `emptyDir` {name} is 0 and has no effect"))
                .label("no limit")
                .why("the kubelet ignores a `sizeLimit` of 0")
                .help("set the maximum size of the volume, or remove `sizeLimit`"),
        );
    }
    let bound = bounds.iter().find(|bound| bound.medium == empty_dir.medium() && bound.limit < size)?;
    let noun = bound.noun;
    let mut finding = new(format!("`sizeLimit` of `emptyDir` {name} exceeds the Pod's {noun}"))
        .label("exceeds the limits")
        .why(bound.why)
        .help(format!("lower `sizeLimit`, or raise the {noun}"));
    for field in &bound.fields {
        finding = finding.related(field.clone(), "counts toward the Pod's limit");
    }
    Some(finding)
}

fn bounds(pod: &Pod<'_>) -> Vec<Bound> {
    let memory = pod.memory_limit().map(|limit| Bound {
        medium: Medium::Memory,
        limit,
        fields: limit_fields(pod, "memory"),
        noun: "memory limits",
        why: "the kubelet makes the volume no larger than the memory limit of the Pod",
    });
    let disk = pod.ephemeral_storage_limit().map(|limit| Bound {
        medium: Medium::Disk,
        limit,
        fields: limit_fields(pod, "ephemeral-storage"),
        noun: "`ephemeral-storage` limits",
        why: "the kubelet evicts the Pod as soon as its disk usage exceeds these limits",
    });
    memory.into_iter().chain(disk).collect()
}

/// Returns the field paths of the limits for `resource`: that of the pod itself or, if it has none,
/// those of its first containers.
fn limit_fields(pod: &Pod<'_>, resource: &'static str) -> Vec<FieldPath> {
    let field = |path: &FieldPath, resources: &Resources<'_>| {
        resources.limit(resource).map(|_| path.key("resources").key("limits").key(resource))
    };
    if let Some(pod_level) = field(&pod.path, &pod.resources) {
        return vec![pod_level];
    }
    let fields = pod.containers.iter().filter_map(|container| field(&container.path, &container.resources));
    fields.take(MAX_FIELDS).collect()
}
