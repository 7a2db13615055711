//! The `sizeLimit` of an emptyDir never takes effect.
//!
//! ## What it does
//!
//! Reports a `sizeLimit` that is 0, which is no limit, or that is above what other limits allow: of an emptyDir
//! in memory the Pod's memory limit, of one on disk the limits for `ephemeral-storage`. Limits are added up as
//! the kubelet does: of all containers, or of the init containers where those have more; a memory limit of the
//! Pod as a whole counts before theirs. Parts of an object, whose other limits may stand elsewhere, are
//! reported for a 0 alone.
//!
//! ## Why is this bad?
//!
//! The file promises room that isn't there. In memory the kubelet makes the volume no larger than the Pod's
//! limit; on disk it evicts the Pod once all that it keeps there is above the limits of its containers, long
//! before the volume is full.
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
//! Where limits change with the environment, and the size is meant for the largest.
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
    summary: "the `sizeLimit` of an emptyDir never takes effect",
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

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mut sized = empty_dirs(cx).filter(|empty_dir| empty_dir.source.size_limit.is_some()).peekable();
    if sized.peek().is_none() {
        return;
    }
    let bounds = if pod.is_complete { bounds(pod) } else { Vec::new() };
    out.extend(sized.filter_map(|empty_dir| finding(&bounds, &empty_dir)));
}

fn finding(bounds: &[Bound], empty_dir: &EmptyDir<'_>) -> Option<Finding> {
    let size = empty_dir.source.size_limit?;
    let name = quoted(&empty_dir.volume.name);
    let new = |message| {
        let place = empty_dir.size_limit_field();
        Finding::new(RULE.id, Severity::Info, place, message).volume(&empty_dir.volume.name)
    };
    if !size.is_positive() {
        return Some(
            new(format!("emptyDir {name} has a `sizeLimit` of 0, which is no limit"))
                .label("no limit")
                .why("the kubelet takes 0 as no bound at all")
                .help("set the size that it may have, or drop `sizeLimit`"),
        );
    }
    let bound = bounds.iter().find(|bound| bound.medium == empty_dir.medium() && bound.limit < size)?;
    let limits = bound.limits;
    let mut finding =
        new(format!("the `sizeLimit` of emptyDir {name} is above what the Pod's {limits} allow"))
            .label("more than the limits allow")
            .why(bound.why)
            .help(format!("lower `sizeLimit`, or raise the {limits}"));
    for field in &bound.fields {
        finding = finding.related(field.clone(), "a limit that counts");
    }
    Some(finding)
}

/// What bounds every emptyDir of a pod in one medium.
struct Bound {
    medium: Medium,
    limit: Quantity,
    /// Where the limits stand, or the first of them.
    fields: Vec<FieldPath>,
    /// What they are called.
    limits: &'static str,
    /// What comes of them.
    why: &'static str,
}

fn bounds(pod: &Pod<'_>) -> Vec<Bound> {
    let memory = pod.memory_limit().map(|limit| Bound {
        medium: Medium::Memory,
        limit,
        fields: fields(pod, "memory"),
        limits: "memory limits",
        why: "the kubelet makes it no larger than the memory limit of the Pod",
    });
    let disk = pod.ephemeral_storage_limit().map(|limit| Bound {
        medium: Medium::Disk,
        limit,
        fields: fields(pod, "ephemeral-storage"),
        limits: "limits for `ephemeral-storage`",
        why: "the kubelet evicts the Pod before, once all that it keeps on disk is above these limits",
    });
    memory.into_iter().chain(disk).collect()
}

/// Where the limits for `resource` stand that bound the pod: its own, else the first of its containers.
fn fields(pod: &Pod<'_>, resource: &'static str) -> Vec<FieldPath> {
    const SHOWN: usize = 3;
    let field = |path: &FieldPath, resources: &Resources<'_>| {
        resources.limit(resource).map(|_| path.key("resources").key("limits").key(resource))
    };
    if let Some(own) = field(&pod.path, &pod.resources) {
        return vec![own];
    }
    let own = pod.containers.iter().filter_map(|container| field(&container.path, &container.resources));
    own.take(SHOWN).collect()
}
