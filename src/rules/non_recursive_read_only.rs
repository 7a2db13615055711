//! A read-only mount leaves what is mounted below it writable.
//!
//! ## What it does
//!
//! Reports the read-only mount of a host path below which a node mounts other file systems, without
//! `recursiveReadOnly: IfPossible` or `Enabled`. It is a warning for `/`, `/run` and `/var`, else an info. The
//! mount must be of the folder itself; a mount of which `ineffective-read-only` speaks is left out.
//!
//! ## Why is this bad?
//!
//! `readOnly: true` makes a mount itself read-only, not what is mounted inside of it. With `/` read-only, a
//! container still writes to `/run`, to `/boot`, to a `/var` on a disk of its own, and to the volumes of all
//! Pods of the node below `/var/lib/kubelet`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: metrics
//! spec:
//!   containers:
//!   - name: metrics
//!     image: busybox
//!     volumeMounts:
//!     - name: var # finding
//!       mountPath: /host/var
//!       readOnly: true
//!   volumes:
//!   - name: var
//!     hostPath:
//!       path: /var
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: metrics
//! spec:
//!   containers:
//!   - name: metrics
//!     image: busybox
//!     volumeMounts:
//!     - name: var
//!       mountPath: /host/var
//!       readOnly: true
//!       recursiveReadOnly: IfPossible
//!   volumes:
//!   - name: var
//!     hostPath:
//!       path: /var
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `recursiveReadOnly: IfPossible`. Unsafe: the container may need to write to one of the mounts below.
//! It needs Kubernetes 1.30 and Linux 5.12, and has no effect where the node can't do it; `Enabled` keeps the
//! Pod from starting there.
//!
//! ## When to allow it
//!
//! Where the nodes can't mount recursively read-only yet, or the container must write to a mount below. Better
//! still is to mount only the folder that is read.
//!
//! ## References
//!
//! - [Kubernetes: recursive read-only mounts](https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts)

use super::ineffective_read_only::void;
use super::support::wording::{container, volume_and_path, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MountParent, Options, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{ContainerMount, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("non-recursive-read-only"),
    summary: "a read-only mount leaves what is mounted below it writable",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("non_recursive_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses().filter(|(_, used)| used.is_read_only && void(used).is_none())
    {
        let Some(of) = used.mount.filter(|_| !host.path.is_empty()) else { continue };
        if matches!(&*of.mount.recursive_read_only, "IfPossible" | "Enabled") {
            continue;
        }
        out.extend(parent(cx.options, used).map(|parent| finding(host, used, of, parent)));
    }
}

fn parent<'o>(options: &'o Options, used: &HostPathAccess<'_>) -> Option<&'o MountParent> {
    options
        .mount_parents
        .iter()
        .find(|parent| used.path.relation(&parent.directory.pattern) == Relation::Equal)
}

fn finding(
    host: &HostPathVolume<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
    parent: &MountParent,
) -> Finding {
    let message = format!(
        "what is mounted below host path {} stays writable in {}",
        written_path(host, used),
        container(of.container)
    );
    let (place, label) = match &*of.mount.recursive_read_only {
        "" => (of.path(), "read-only here, without `recursiveReadOnly`"),
        _ => (of.path().key("recursiveReadOnly"), "leaves the mounts below as they are"),
    };
    let recursive = of.path().key("recursiveReadOnly");
    let set = Edit::Set(recursive, EditValue::Str("IfPossible".to_owned()));
    Finding::new(RULE.id, parent.severity, place, message)
        .label(label)
        .related(host.path_field(), volume_and_path(host))
        .why(format!("`readOnly` covers the mount alone, and {}", parent.directory.reason))
        .help("set `recursiveReadOnly: IfPossible` on the mount")
        .fix(Fix::unsafe_edits("set `recursiveReadOnly: IfPossible`", vec![set]))
        .volume(host.name)
        .container(&of.container.name)
        .path(&used.path)
        .access(Access::Read)
}
