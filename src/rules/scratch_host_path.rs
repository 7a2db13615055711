//! A path of the node serves as scratch space.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of a Pod that a container mounts writable where scratch files go: at or
//! inside `/tmp`, `/var/tmp`, `/cache`, `/scratch` and their like in the container, or from at or inside
//! `/tmp` or `/var/tmp` of the node. Sockets, devices, files, and paths that are the node's own are spared.
//!
//! ## Why is this bad?
//!
//! Scratch files need no node. In a path of the node they stay when the Pod goes, meet those of other Pods,
//! fill the node's disk without a bound, and in `/tmp` lie open to whatever runs on the node.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: tmp
//!       mountPath: /tmp
//!   volumes:
//!   - name: tmp
//!     hostPath:
//!       path: /tmp/worker # finding
//!       type: DirectoryOrCreate
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: tmp
//!       mountPath: /tmp
//!   volumes:
//!   - name: tmp
//!     emptyDir:
//!       sizeLimit: 1Gi
//! ```
//!
//! ## Fix
//!
//! Makes the volume `emptyDir: {}`. Unsafe: what is in the path now is not there any more, nor what other
//! Pods put there. There is none where another mount of the volume needs a path of the node.
//!
//! ## When to allow it
//!
//! A cache that is worth more than the disk that it takes on every node. Exempt it by namespace, name and
//! path.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::findings::{host_path_finding, with_empty_dir_fix};
use super::support::wording::{container, host_path, quoted};
use super::{Check, Context, FixClass, Group, HostPathAccess, ListedPath, Options, Rule};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::HostPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("scratch-host-path"),
    summary: "a path of the node serves as scratch space",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("scratch_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        let Some(of) = used.mount.filter(|_| used.effective == Access::Write) else { continue };
        let at = HostPath::in_container(&of.mount.mount_path);
        let Some(directory) = scratch(cx.options, used, &at) else { continue };
        let message = format!(
            "{} is scratch space of {} at {}",
            host_path(host, used),
            container(of.container),
            quoted(&of.mount.mount_path)
        );
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message).why(format!(
            "{}: {}; in a path of the node the files outlive the Pod, and meet those of others",
            quoted(&directory.path),
            directory.reason
        ));
        out.push(with_empty_dir_fix(host, finding));
    }
}

/// The scratch directory that a use is of, in the container or on the node.
fn scratch<'o>(options: &'o Options, used: &HostPathAccess<'_>, at: &HostPath) -> Option<&'o ListedPath> {
    if !used.can_be_directory() || used.class.is_catalogued() || at.is_socket() {
        return None;
    }
    let inside = options.scratch_directories.find_containing(at);
    inside.or_else(|| options.node_scratch_directories.find_containing(&used.path))
}
