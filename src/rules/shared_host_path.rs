//! Containers of a Pod exchange files through a path of the node.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of which two containers of one Pod reach the same part, at least one of
//! them writable. Sockets, devices, files, paths that are the node's own, and DaemonSets are spared.
//!
//! ## Why is this bad?
//!
//! An `emptyDir` does that without the node: it is there for each Pod anew, and no other Pod can reach it.
//! Through a path of the node, each Pod on it exchanges files with all others.
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
//!     - name: logs
//!       mountPath: /var/log/nginx
//!   - name: shipper
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /srv/web-logs # finding
//!       type: Directory
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
//!     - name: logs
//!       mountPath: /var/log/nginx
//!   - name: shipper
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     emptyDir: {}
//! ```
//!
//! ## Fix
//!
//! Makes the volume `emptyDir: {}`. Unsafe: what is in the path now is not there any more, nor what other
//! Pods put there. There is none where another mount of the volume needs a path of the node, nor where the files
//! are to last: in a StatefulSet, and for a volume that is mounted at or inside a directory where a well-known
//! image keeps its data. A claim keeps them.
//!
//! ## When to allow it
//!
//! Where the files are to stay on the node for others, on purpose.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::empty_dir::is_stateful_set;
use super::support::findings::{host_path_finding, with_empty_dir_fix};
use super::support::wording::{container, host_path};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, Rule};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::{Container, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shared-host-path"),
    summary: "containers of a Pod exchange files through a path of the node",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("shared_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.is_possibly_daemon_set() {
        return;
    }
    for host in cx.host_path_volumes() {
        let Some((used, writer, other)) = exchange(host) else { continue };
        let (writer, other) = (container(writer), container(other));
        let message = format!("{} is where {writer} and {other} exchange files", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Warning, host, used, message)
            .why("every other Pod on the node that mounts this path reads and writes the same files");
        out.push(if is_to_last(cx, host) {
            finding.help("use a claim, which keeps the data; an `emptyDir` is for what may be lost")
        } else {
            with_empty_dir_fix(host, finding)
        });
    }
}

/// Whether what is in the volume is to be there again after the Pod.
fn is_to_last(cx: &Context<'_>, host: &HostPathVolume<'_>) -> bool {
    let mut mounts = host.accesses.iter().filter_map(|used| used.mount);
    is_stateful_set(cx)
        || mounts.any(|of| {
            let at = HostPath::in_container(&of.mount.mount_path);
            cx.options.data_directories.find_containing(&at).is_some()
        })
}

/// A writable use, its container, and another container that reaches the same or a part of it.
fn exchange<'h>(
    host: &'h HostPathVolume<'_>,
) -> Option<(&'h HostPathAccess<'h>, &'h Container<'h>, &'h Container<'h>)> {
    let mut uses: Vec<_> =
        host.accesses.iter().filter_map(|used| Some((used, used.mount?.container))).collect();
    uses.retain(|(used, _)| used.can_be_directory() && !used.class.is_catalogued());
    // What is around a path comes right before it.
    uses.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut around: Vec<(&HostPathAccess<'_>, &Container<'_>)> = Vec::new();
    for (used, own) in uses {
        around.retain(|(outer, _)| {
            matches!(used.path.relation_to(&outer.path), Relation::Equal | Relation::Descendant)
        });
        for &(outer, other) in around.iter().filter(|(_, other)| !std::ptr::eq(*other, own)) {
            if outer.effective == Access::Write {
                return Some((outer, other, own));
            }
            if used.effective == Access::Write {
                return Some((used, own, other));
            }
        }
        around.push((used, own));
    }
    None
}
