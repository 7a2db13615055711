//! A container mounts a path of the node without `readOnly: true`.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume that is not read-only, in every kind of container. One finding
//! per mount, at the mount.
//!
//! ## Why is this bad?
//!
//! What the container writes there, it writes to the node: whoever takes over the container can change the
//! node's files, and often become root on it. The files also outlive the Pod.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: logs # finding
//!       mountPath: /logs
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets `readOnly: true` on the mount. Unsafe: the container may need to write. There is none for a socket or
//! a device, which can be written through a read-only mount, nor for a folder that holds some, such as `/dev`.
//! In the folder of a CSI driver's socket, those that only connect, such as its sidecars, do well to set it.
//!
//! ## When to allow it
//!
//! An agent of the node that must write: a CSI driver in its folder below `/var/lib/kubelet`, a CNI plugin
//! that installs itself. Exempt it by name, path and access.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [CIS Kubernetes Benchmark](https://www.cisecurity.org/benchmark/kubernetes), 5.2.12

use super::support::wording::{container, volume_and_path, written_path};
use super::{Check, Context, EntryClass, FixClass, Group, HostPathAccess, PathClass, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::ContainerMount;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("writable-host-path"),
    summary: "a container mounts a path of the node without `readOnly: true`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("writable_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        let Some(of) = used.mount.filter(|_| !used.is_read_only) else { continue };
        let path = written_path(host, used);
        let message = format!("host path {path} is mounted writable in {}", container(of.container));
        let finding = Finding::new(RULE.id, Severity::Error, of.path(), message)
            .label("mounted here without `readOnly: true`")
            .related(host.path_field(), volume_and_path(host))
            .why("what the container writes there, it writes to the node")
            .volume(host.name)
            .container(&of.container.name)
            .path(&used.path)
            .access(Access::Write);
        out.push(remedied(cx, used, of, finding));
    }
}

/// The finding with what helps in its case.
fn remedied(
    cx: &Context<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
    finding: Finding,
) -> Finding {
    if let Some(kind) = used.read_only_bypass() {
        let kind = kind.noun();
        return finding.help(format!(
            "drop the mount: this is a {kind}, which can be written through a read-only mount, too"
        ));
    }
    if cx.options.catalog.has_read_only_bypass_below(&used.path) && is_of_agent(used.class) {
        return finding.help(
            "set `readOnly: true` if the container only connects to the sockets in it: it then can't replace them",
        );
    }
    if cx.options.catalog.has_read_only_bypass_below(&used.path) {
        return finding.help(
            "drop the mount, or mount only the part that is needed: read-only protects the files in it, not the \
             devices and sockets",
        );
    }
    let read_only = Edit::Set(of.path().key("readOnly"), EditValue::Bool(true));
    finding
        .help("set `readOnly: true` on the mount, or drop it (the container may need to write)")
        .fix(Fix::unsafe_edits("set `readOnly: true`", vec![read_only]))
}

/// Whether it is a folder where an agent keeps its sockets, such as a CSI driver's own.
fn is_of_agent(class: PathClass<'_>) -> bool {
    matches!(class, PathClass::Inside(entry) if entry.class == EntryClass::AgentSocket)
}
