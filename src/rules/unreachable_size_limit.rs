//! The `sizeLimit` of an `emptyDir` volume may never take effect.
//!
//! ## What it does
//!
//! Reports a `sizeLimit` in these cases:
//!
//! - The volume is in memory, and the `sizeLimit` exceeds the memory limit of the Pod, or the sum
//!   of the memory limits of the containers that can write to the volume (warning).
//! - The volume is on disk, and the `sizeLimit` exceeds the Pod's limit for `ephemeral-storage`
//!   (warning, except in a critical Pod).
//! - The `sizeLimit` is 0, which the kubelet treats as no limit (info).
//! - The volume is on disk, and the Pod is critical: its priority class is `system-node-critical`
//!   or `system-cluster-critical` (info).
//! - The volume is on disk, the `sizeLimit` is 5Gi or more, and no container requests
//!   `ephemeral-storage` (info).
//!
//! The rule computes the limit of a Pod as the kubelet does. It is the sum of the limits of the
//! main containers and sidecars. If the limit of an init container, plus the limits of the sidecars
//! that start before it, is higher, this higher sum applies instead. If the Pod itself has a memory
//! limit (`spec.resources`), only this limit applies.
//!
//! In incomplete objects, such as patches, the rule reports only a `sizeLimit` of 0, because other
//! limits may be elsewhere. The same applies to a volume that no container mounts, because the
//! volume stays empty.
//!
//! ## Why is this bad?
//!
//! A `sizeLimit` that is too high promises space that the volume never gets:
//!
//! - Files in memory count toward the memory limit of the container that writes them. The container
//!   is killed before the volume is full. If it is restarted, the files are still there, so it may
//!   never start again.
//! - The kubelet evicts the Pod as soon as its disk usage exceeds the `ephemeral-storage` limits of
//!   its containers.
//! - Without a request for `ephemeral-storage`, the scheduler does not consider the size of the
//!   volume. Under disk pressure, the kubelet first evicts Pods that use more than they request.
//!
//! A `sizeLimit` without effect does not protect the node. The kubelet enforces a limit on disk by
//! eviction, and it never evicts a critical Pod.
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
//! Also allow it for critical Pods that write little, such as logs of a fixed size.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: local ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)
//! - [Kubernetes: selection of Pods to evict](https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction)
//! - Critical Pods: `evictPod` in `pkg/kubelet/eviction/eviction_manager.go`, Kubernetes 1.37

use super::support::empty_dir::{EmptyDir, Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, FieldPath, Pod, Quantity, Resources};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unreachable-size-limit"),
    summary: "the `sizeLimit` of an `emptyDir` volume may never take effect",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unreachable_size_limit.rs"),
    check: Check::Volumes(check),
};

/// The maximum number of limits to list as related locations.
const MAX_FIELDS: usize = 3;

/// The smallest `sizeLimit`, in bytes, for which a Pod should request `ephemeral-storage`. It is a
/// quarter of a disk of 20 GiB, as in a small node.
const LARGE_SIZE: i64 = 5 << 30;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for empty_dir in empty_dirs(cx) {
        let Some(size) = empty_dir.source.size_limit else { continue };
        out.extend(if size < Quantity::default() {
            // `tiny-size-limit` reports a negative limit.
            None
        } else if !size.is_positive() {
            Some(no_limit(&empty_dir))
        } else if !pod.is_complete || !empty_dir.is_mounted(pod) {
            None
        } else {
            match empty_dir.medium() {
                Medium::Memory => exceeds_memory(pod, &empty_dir, size),
                Medium::Disk if pod.is_critical => Some(in_critical_pod(pod, &empty_dir)),
                Medium::Disk => {
                    exceeds_storage(pod, &empty_dir, size).or_else(|| unrequested(pod, &empty_dir, size))
                }
                Medium::HugePages | Medium::Unknown => None,
            }
        });
    }
}

/// Creates a finding whose message names the `sizeLimit` and the volume, followed by `problem`.
fn finding(empty_dir: &EmptyDir<'_>, severity: Severity, problem: &str) -> Finding {
    let name = &empty_dir.volume.name;
    let message = format!("`sizeLimit` of `emptyDir` volume {} {problem}", quoted(name));
    Finding::new(RULE.id, severity, empty_dir.size_limit_field(), message).volume(name)
}

fn no_limit(empty_dir: &EmptyDir<'_>) -> Finding {
    finding(empty_dir, Severity::Info, "is 0 and has no effect")
        .label("no limit")
        .why("the kubelet ignores a `sizeLimit` of 0")
        .help("set the maximum size of the volume, or remove `sizeLimit`")
}

fn exceeds_memory(pod: &Pod<'_>, empty_dir: &EmptyDir<'_>, size: Quantity) -> Option<Finding> {
    let name = &empty_dir.volume.name;
    let finding = if pod.writers_limit(name, "memory").is_some_and(|limit| limit < size) {
        let finding = finding(
            empty_dir,
            Severity::Warning,
            "exceeds the sum of the memory limits of the containers that can write to it",
        );
        let writes = |container: &Container<'_>| {
            container.volume_mounts.iter().any(|mount| mount.name == *name && !mount.is_read_only())
        };
        with_limits(finding, container_limits(pod, "memory", writes))
    } else if pod.memory_limit().is_some_and(|limit| limit < size) {
        let finding = finding(empty_dir, Severity::Warning, "exceeds the Pod's memory limits");
        with_limits(finding, pod_limits(pod, "memory"))
    } else {
        return None;
    };
    let finding = finding
        .label("exceeds the limits")
        .why("files in the volume count as memory, so a container is killed before the volume is full")
        .help("lower `sizeLimit`, or raise the memory limits");
    Some(finding)
}

fn exceeds_storage(pod: &Pod<'_>, empty_dir: &EmptyDir<'_>, size: Quantity) -> Option<Finding> {
    pod.ephemeral_storage_limit().filter(|limit| *limit < size)?;
    let finding = finding(empty_dir, Severity::Warning, "exceeds the Pod's `ephemeral-storage` limits")
        .label("exceeds the limits")
        .why("the kubelet evicts the Pod as soon as its disk usage exceeds these limits")
        .help("lower `sizeLimit`, or raise the `ephemeral-storage` limits");
    Some(with_limits(finding, pod_limits(pod, "ephemeral-storage")))
}

fn in_critical_pod(pod: &Pod<'_>, empty_dir: &EmptyDir<'_>) -> Finding {
    finding(empty_dir, Severity::Info, "has no effect in a critical Pod")
        .label("not enforced")
        .related(pod.path.key("priorityClassName"), "makes the Pod critical")
        .why("the kubelet never evicts critical Pods, so nothing limits the disk usage of the volume")
        .help(HELP_FOR_CRITICAL_PODS)
}

/// The advice about an `emptyDir` on disk in a critical Pod.
pub(super) const HELP_FOR_CRITICAL_PODS: &str =
    "use an `ephemeral` volume, whose claim has a fixed size, or a lower priority class";

fn unrequested(pod: &Pod<'_>, empty_dir: &EmptyDir<'_>, size: Quantity) -> Option<Finding> {
    let is_requested = || pod.requested_resources().any(|resource| resource == "ephemeral-storage");
    if size < Quantity::from(LARGE_SIZE) || is_requested() {
        return None;
    }
    let finding = finding(
        empty_dir,
        Severity::Info,
        "is large, but no container requests `ephemeral-storage`",
    )
    .label("not reserved on the node")
    .why("the scheduler ignores the volume, and under disk pressure, Pods that exceed their request are evicted first")
    .help("set an `ephemeral-storage` request that covers the expected usage");
    Some(finding)
}

/// Adds the fields of limits as related locations.
fn with_limits(finding: Finding, fields: Vec<FieldPath>) -> Finding {
    fields.into_iter().fold(finding, |finding, field| finding.related(field, "one of these limits"))
}

/// Returns the field paths of the limits for `resource`. If the pod itself has a limit, returns
/// only the path of this limit, otherwise the paths of its containers' limits.
fn pod_limits(pod: &Pod<'_>, resource: &'static str) -> Vec<FieldPath> {
    match limit_field(&pod.path, &pod.resources, resource) {
        Some(pod_level) => vec![pod_level],
        None => container_limits(pod, resource, |_| true),
    }
}

/// Returns the field paths of the limits for `resource` in the containers for which `is_included`
/// returns true. Returns at most [`MAX_FIELDS`] paths.
fn container_limits(
    pod: &Pod<'_>,
    resource: &'static str,
    is_included: impl Fn(&Container<'_>) -> bool,
) -> Vec<FieldPath> {
    let containers = pod.containers.iter().filter(|container| is_included(container));
    let fields =
        containers.filter_map(|container| limit_field(&container.path, &container.resources, resource));
    fields.take(MAX_FIELDS).collect()
}

fn limit_field(path: &FieldPath, resources: &Resources<'_>, resource: &'static str) -> Option<FieldPath> {
    resources.limit(resource).map(|_| path.key("resources").key("limits").key(resource))
}
