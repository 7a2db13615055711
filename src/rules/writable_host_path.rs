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

use super::words::{container, is_of_node, reached};
use super::{Class, Context, EntryClass, FixClass, HostUse, Meta, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, Safety, Severity};
use crate::model::ContainerMount;

const META: Meta = Meta {
    id: "writable-host-path",
    summary: "a container mounts a path of the node without `readOnly: true`",
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("writable_host_path.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        for (host, used) in cx.host_uses() {
            let Some(of) = used.mount.filter(|_| !used.is_read_only) else { continue };
            let path = reached(host, used);
            let message = format!("host path {path} is mounted writable in {}", container(of.container));
            let finding = Finding::new(META.id, Severity::Error, of.path(), message)
                .label("mounted here without `readOnly: true`")
                .related(host.path_field(), is_of_node(host))
                .why("what the container writes there, it writes to the node")
                .volume(host.name)
                .container(&of.container.name)
                .path(&used.path)
                .access(Access::Write);
            out.push(remedied(cx, used, of, finding));
        }
    }
}

/// The finding with what helps in its case.
fn remedied(cx: &Context<'_>, used: &HostUse<'_>, of: ContainerMount<'_, '_>, finding: Finding) -> Finding {
    if let Some(kind) = used.opens() {
        let kind = kind.noun();
        return finding.help(format!(
            "drop the mount: this is a {kind}, which can be written through a read-only mount, too"
        ));
    }
    if cx.options.catalog.opens_below(&used.path) && is_of_agent(used.class) {
        return finding.help(
            "set `readOnly: true` if the container only connects to the sockets in it: it then can't replace them",
        );
    }
    if cx.options.catalog.opens_below(&used.path) {
        return finding.help(
            "drop the mount, or mount only the part that is needed: read-only protects the files in it, not the \
             devices and sockets",
        );
    }
    let read_only = Edit::Set(of.path().key("readOnly"), EditValue::Bool(true));
    finding
        .help("set `readOnly: true` on the mount, or drop it (the container may need to write)")
        .fix(Fix { safety: Safety::Unsafe, edits: vec![read_only] })
}

/// Whether it is a folder where an agent keeps its sockets, such as a CSI driver's own.
fn is_of_agent(class: Class<'_>) -> bool {
    matches!(class, Class::Inside(entry) if entry.class == EntryClass::AgentSocket)
}
