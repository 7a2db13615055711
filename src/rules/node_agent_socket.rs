//! A volume exposes the socket of a node daemon.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is the socket of a node daemon, or
//! is at, above or inside a directory of such sockets. The rule `runtime-socket` reports most
//! container runtime sockets instead. A directory such as `/run` or `/var/lib`, which also contains
//! more harmful paths, is reported by the rules for these paths.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Well-known
//! symbolic links are resolved: `/var/run` counts as `/run`.
//!
//! volcheck's host path catalog lists the sockets and their severities. The finding is an error for
//! the most harmful sockets. Examples are the sockets of NRI, systemd and libvirt, and the sockets
//! in the kubelet's directories `device-plugins`, `plugins` and `plugins_registry`. The finding is
//! a warning for other sockets, such as the sockets of D-Bus and CNI daemons, and the sockets in
//! the kubelet's directory `pod-resources`.
//!
//! ## Why is this bad?
//!
//! Most of these daemons run as root and serve every client that can connect. For example, a fake
//! device plugin can add mounts to the containers that request its devices, and a client of systemd
//! can start services as root. `readOnly: true` does not help, because a read-only mount does not
//! prevent connections.
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
//! Mount only a file with the information that the container needs:
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
//! Device plugins, network plugins and CSI drivers need such sockets. Exempt each of them by
//! namespace, name and path. The path for a CSI driver is the driver's directory below
//! `/var/lib/kubelet/plugins`.
//!
//! ## References
//!
//! - [Kubernetes: device plugins](https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/)
//! - [NRI: the Node Resource Interface](https://github.com/containerd/nri)

use super::support::findings::{host_path_finding, socket_help};
use super::support::options::CATALOG;
use super::support::wording::{class_reason, host_path};
use super::{Check, Context, EntryClass, FixClass, Group, HostPathType, MatchKey, ObjectKinds, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};
use crate::model::Relation;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("node-agent-socket"),
    summary: "a volume exposes the socket of a node daemon",
    group: Group::Sockets,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("node_agent_socket.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some((entry, relation)) = access.class.entry() else { continue };
        if entry.class != EntryClass::AgentSocket {
            continue;
        }
        let severity = entry.severity.unwrap_or(Severity::Warning);
        let contains_sockets = || {
            access.path.relation(&entry.pattern) != Relation::Descendant
                || cx.options.catalog.has_read_only_bypass_below(&access.path)
        };
        let noun = access.socket_noun();
        let predicate = match (relation, entry.file_type) {
            (Relation::Ancestor, _) => format!("contains {noun}s of node daemons"),
            (_, Some(HostPathType::Directory)) if !access.is_socket() => match contains_sockets() {
                true => format!("contains {noun}s of node daemons"),
                false => format!("is in a directory with {noun}s of node daemons"),
            },
            _ => format!("is the {noun} of a node daemon"),
        };
        let message = format!("{} {predicate}", host_path(volume, access));
        let finding = host_path_finding(RULE.id, severity, volume, access, message)
            .why(class_reason(access.class))
            .help(socket_help(
                cx,
                access,
                format!(
                    "remove the volume (a read-only mount does not protect {noun}s), or exempt the object in \
                     the policy by namespace, name and path"
                ),
            ));
        out.push(finding);
    }
}
