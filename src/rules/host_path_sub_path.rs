//! A sub path of a host path that some container can write.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume with a `subPath` or `subPathExpr`, where a container of the pod has a
//! writable mount of that path, of one above it, or of one inside. `sub-path-backstep` speaks of a sub path that
//! leaves its volume.
//!
//! ## Why is this bad?
//!
//! The kubelet follows a sub path as root. Who can write the volume can put a symbolic link there, between
//! the kubelet's look and its mount: that has led out of the volume and to the whole node twice
//! (CVE-2017-1002101, CVE-2021-25741). Later versions close the holes that were found.
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
//!     - name: state
//!       mountPath: /state
//!       subPath: agent # finding
//!   volumes:
//!   - name: state
//!     hostPath:
//!       path: /var/lib/agents
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
//!     - name: state
//!       mountPath: /state
//!   volumes:
//!   - name: state
//!     hostPath:
//!       path: /var/lib/agents
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! In words: mount the volume without a sub path, or make all mounts of the path read-only, which is no remedy
//! for a socket and a device: these can be written through a read-only mount. A `hostPath.path`
//! that holds the sub path is no remedy, where a container can write the folder around it: the runtime
//! follows symbolic links there without any of the kubelet's checks.
//!
//! ## When to allow it
//!
//! Where all containers that can write the path are as trusted as the node.
//!
//! ## References
//!
//! - [CVE-2017-1002101](https://github.com/kubernetes/kubernetes/issues/60813)
//! - [CVE-2021-25741](https://github.com/kubernetes/kubernetes/issues/104980)

use std::cell::LazyCell;

use super::sub_path_backstep;
use super::support::wording::{container, quoted, volume, written_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathType, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Relation;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-sub-path"),
    summary: "a sub path of a host path that some container can write",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("host_path_sub_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let uses = || cx.host_path_accesses().filter_map(|(host, used)| Some((host, used, used.mount?)));
    let reported = LazyCell::new(|| cx.pod().map(sub_path_backstep::reported).unwrap_or_default());
    let writers: Vec<_> = uses().filter(|(_, used, _)| !used.is_read_only).collect();
    for (host, used, of) in uses() {
        let Some((key, _)) = of.mount.sub_path_entry() else { continue };
        if reported.contains(&std::ptr::from_ref(of.mount)) {
            continue;
        }
        let meets = |other: &HostPathAccess<'_>| other.path.relation_to(&host.clean) != Relation::Unrelated;
        let Some((_, _, by)) = writers.iter().find(|(_, other, _)| meets(other)) else { continue };
        let path = written_path(host, used);
        let message =
            format!("{} has sub path {path} of a host path that can be written", container(of.container));
        let bypasses_read_only =
            used.is_socket() || used.file_type.is_some_and(HostPathType::bypasses_read_only);
        let help = if bypasses_read_only {
            "mount the volume without a sub path"
        } else {
            "mount the volume without a sub path, or make all mounts of the path read-only"
        };
        let finding = Finding::new(RULE.id, Severity::Info, of.path().key(key), message)
            .why("who writes there can put a symbolic link in the way of the kubelet, which mounts as root")
            .help(help)
            .volume(host.name)
            .container(&of.container.name)
            .path(&used.path);
        out.push(if by.path() == of.path() {
            finding.related(host.path_field(), format!("{} is {}", volume(host), quoted(host.path)))
        } else {
            finding.related(by.path(), format!("{} can write here", container(by.container)))
        });
    }
}
