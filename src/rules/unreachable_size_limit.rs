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

use super::empty_dirs::{EmptyDir, Medium, empty_dirs};
use super::words::quoted;
use super::{Context, FixClass, Meta, Rule};
use crate::finding::{Finding, Severity};
use crate::model::Pod;

const META: Meta = Meta {
    id: "unreachable-size-limit",
    summary: "the `sizeLimit` of an emptyDir never takes effect",
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("unreachable_size_limit.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        let Some(pod) = cx.pod() else { return };
        out.extend(empty_dirs(cx).filter_map(|empty_dir| finding(pod, &empty_dir)));
    }
}

fn finding(pod: &Pod<'_>, empty_dir: &EmptyDir<'_>) -> Option<Finding> {
    let size = empty_dir.source.size_limit?;
    let name = quoted(&empty_dir.volume.name);
    let new = |message| {
        Finding::new(META.id, Severity::Info, empty_dir.size_limit_field(), message).volume(&empty_dir.volume.name)
    };
    if size.is_nothing() {
        let finding = new(format!("emptyDir {name} has a `sizeLimit` of 0, which is no limit"));
        return Some(finding.why("the kubelet lets it grow").help("set the size that it may have, or drop `sizeLimit`"));
    }
    if !pod.is_whole {
        return None;
    }
    let above = |resource| new(format!("the `sizeLimit` of emptyDir {name} is above what the Pod's {resource} allow"));
    match empty_dir.medium() {
        Medium::Memory if pod.memory_limit()? < size => Some(
            above("memory limits")
                .why("the kubelet makes it no larger than the memory limit of the Pod")
                .help("lower `sizeLimit`, or raise the memory limits"),
        ),
        Medium::Disk if pod.ephemeral_storage_limit()? < size => Some(
            above("limits for `ephemeral-storage`")
                .why("the kubelet evicts the Pod before, once all that it keeps on disk is above these limits")
                .help("lower `sizeLimit`, or raise the limits for `ephemeral-storage`"),
        ),
        _ => None,
    }
}
