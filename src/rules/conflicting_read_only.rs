//! A container mounts a host path read-only, and the same path or one above it writable.
//!
//! ## What it does
//!
//! Reports each writable mount of a host path at or above a host path that the same container mounts
//! read-only, be it of the same volume or of another. A writable mount inside of a read-only one is good
//! practice, and not reported.
//!
//! ## Why is this bad?
//!
//! The read-only mount protects nothing: what the container may not change by one path, it changes by the
//! other. Whoever reads the manifest believes otherwise.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: conf
//!       mountPath: /conf
//!       readOnly: true
//!     - name: all # finding
//!       mountPath: /all
//!   volumes:
//!   - name: conf
//!     hostPath:
//!       path: /srv/agent/conf
//!       type: Directory
//!   - name: all
//!     hostPath:
//!       path: /srv/agent
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: all
//!       mountPath: /all
//!       readOnly: true
//!     - name: all
//!       mountPath: /all/state
//!       subPath: state
//!   volumes:
//!   - name: all
//!     hostPath:
//!       path: /srv/agent
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true` on the writable mount. Unsafe: the container may need to write.
//!
//! ## When to allow it
//!
//! Hardly ever: a container that must write there needs no read-only mount beside.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use std::collections::BTreeMap;

use super::support::wording::{container, quoted, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{ContainerMount, FieldPath, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("conflicting-read-only"),
    summary: "a container mounts a host path read-only, and the same path or one above it writable",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("conflicting_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Of a socket and a device, nothing is read-only.
    let mounted = || {
        let uses = cx.host_path_accesses().filter(|(_, used)| used.read_only_bypass().is_none());
        uses.filter_map(|(host, used)| Some(Mounted { host, used, of: used.mount? }))
    };
    let mut read_only = ReadOnly::new();
    for mount in mounted().filter(|mount| mount.used.is_read_only) {
        read_only.entry((&mount.of.container.path, &mount.used.path)).or_insert(mount);
    }
    if read_only.is_empty() {
        return;
    }
    for mount in mounted().filter(|mount| !mount.used.is_read_only) {
        out.extend(voided(&read_only, mount).map(|voided| finding(mount, voided)));
    }
}

/// A mount of a volume, and what it reaches.
#[derive(Clone, Copy)]
struct Mounted<'c> {
    host: &'c HostPathVolume<'c>,
    used: &'c HostPathAccess<'c>,
    of: ContainerMount<'c, 'c>,
}

/// The read-only mounts of each container in the order of their paths: what is inside of a path comes right
/// after it.
type ReadOnly<'c> = BTreeMap<(&'c FieldPath, &'c HostPath), Mounted<'c>>;

/// The first read-only mount that a writable one voids.
fn voided<'c>(read_only: &ReadOnly<'c>, writable: Mounted<'c>) -> Option<Mounted<'c>> {
    let (container, path) = (&writable.of.container.path, &writable.used.path);
    let (_, first) = read_only.range((container, path)..).next()?;
    let is_below = first.of.container.path == *container
        && matches!(path.relation_to(&first.used.path), Relation::Equal | Relation::Ancestor);
    // A sub-path with a variable is somewhere below its path: the same sub-path alone is surely the same.
    let is_sure = !writable.of.mount.sub_path_expr.contains("$(")
        || (writable.of.mount.sub_path_expr == first.of.mount.sub_path_expr
            && writable.host.clean == first.host.clean);
    (is_below && is_sure).then_some(*first)
}

fn finding(writable: Mounted<'_>, voided: Mounted<'_>) -> Finding {
    let of = writable.of;
    let path = written_path(writable.host, writable.used);
    let message = match (path, written_path(voided.host, voided.used)) {
        (path, same) if path == same => {
            format!("host path {path} is mounted both writable and read-only in {}", container(of.container))
        }
        (path, below) => {
            format!(
                "host path {below} is read-only in {}, which can write to it by {path}",
                container(of.container)
            )
        }
    };
    let set = Edit::Set(of.path().key("readOnly"), EditValue::Bool(true));
    Finding::new(RULE.id, Severity::Warning, of.path(), message)
        .label("writable here")
        .related(voided.of.path(), format!("read-only here, at {}", quoted(&voided.of.mount.mount_path)))
        .why("what the container may not change by one path, it changes by the other")
        .help("set `readOnly: true` here, too, or give the container a folder of its own for what it writes")
        .fix(Fix::unsafe_edits("set `readOnly: true`", vec![set]))
        .volume(writable.host.name)
        .container(&of.container.name)
        .path(&writable.used.path)
        .access(Access::Write)
}
