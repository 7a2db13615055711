//! A volume gives a socket of the node's services.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is the socket of a daemon of the node that
//! is no container runtime, or its folder. It is an error where the socket gives the node: the kubelet's
//! `device-plugins`, `plugins` and `plugins_registry`, NRI, systemd, libvirt. It is a warning where it gives
//! less: `pod-resources`, D-Bus, the daemons of CNI.
//!
//! ## Why is this bad?
//!
//! These daemons run as root, and do what they are asked: a fake device plugin adds mounts to any container,
//! systemd starts units. `readOnly: true` does not help, since connecting is not writing.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: inspector
//! spec:
//!   containers:
//!   - name: inspector
//!     image: busybox
//!     volumeMounts:
//!     - name: bus
//!       mountPath: /run/dbus
//!       readOnly: true
//!   volumes:
//!   - name: bus
//!     hostPath:
//!       path: /var/run/dbus # finding
//!       type: Directory
//! ```
//!
//! Read what the service publishes instead of asking it:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: inspector
//! spec:
//!   containers:
//!   - name: inspector
//!     image: busybox
//!     volumeMounts:
//!     - name: release
//!       mountPath: /etc/host-release
//!       readOnly: true
//!   volumes:
//!   - name: release
//!     hostPath:
//!       path: /etc/os-release
//!       type: File
//! ```
//!
//! ## When to allow it
//!
//! The drivers that live by these sockets: CSI drivers in their folder of `plugins`, device plugins, the
//! agent of the cluster's network. Exempt each by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: device plugins](https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/)
//! - [NRI: the Node Resource Interface](https://github.com/containerd/nri)

use super::words::{at_path, host_path, reason};
use super::{Context, EntryClass, FixClass, HostPathType, Meta, Rule};
use crate::finding::{Family, Finding, Severity};

const META: Meta = Meta {
    id: "node-agent-socket",
    summary: "a volume gives a socket of the node's services",
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("node_agent_socket.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        for (host, used) in cx.host_uses() {
            let Some((entry, is_above)) = used.class.entry() else { continue };
            if entry.class != EntryClass::AgentSocket {
                continue;
            }
            let severity = entry.severity.unwrap_or(Severity::Warning);
            let is_folder = is_above || entry.file_type == Some(HostPathType::Directory);
            let what = if is_folder { "holds sockets" } else { "is a socket" };
            let message = format!("{} {what} of the node's services", host_path(host, used));
            let finding = at_path(&META, severity, host, used, message).why(reason(used.class)).help(
                "drop the volume: a read-only mount protects no socket; if this agent needs it, exempt it in \
                 the policy by namespace, name and path",
            );
            out.push(finding);
        }
    }
}
