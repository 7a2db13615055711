//! A volume exposes a container runtime socket.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is the socket of a container
//! runtime. Also reports paths at or inside `/run/containerd/s`, which contains the sockets of the
//! containerd shims. For runtime sockets below `/home` and `/var/lib`, such as
//! `/var/lib/lxd/unix.socket`, see [`node-agent-socket`](node-agent-socket.md).
//!
//! volcheck's host path catalog lists the sockets of Docker, containerd, CRI-O, cri-dockerd,
//! Podman, BuildKit, LXD and other runtimes. It includes the sockets of rootless runtimes, the
//! sockets in k3s, RKE2, k0s, MicroK8s and Talos, and Windows named pipes.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. The
//! spelling of the path does not matter: `/var/run` and `/proc/1/root/run` count as `/run`, and
//! `//run/./x` counts as `/run/x`.
//!
//! ## Why is this bad?
//!
//! A process that can connect to the runtime usually has root access to the node. It can start a
//! privileged container that mounts the node's disk, and run commands in every other container.
//! Through the socket of a rootless runtime, it has the permissions of the user who runs the
//! runtime. `readOnly: true` does not help, because a read-only mount does not prevent connections.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: builder
//! spec:
//!   containers:
//!   - name: builder
//!     image: docker:cli
//!     volumeMounts:
//!     - name: docker
//!       mountPath: /var/run/docker.sock
//!       readOnly: true
//!   volumes:
//!   - name: docker
//!     hostPath:
//!       path: /var/run/docker.sock # finding
//!       type: Socket
//! ```
//!
//! Use an image builder that does not need the node's runtime:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: builder
//! spec:
//!   containers:
//!   - name: builder
//!     image: quay.io/buildah/stable
//!     volumeMounts:
//!     - name: storage
//!       mountPath: /var/lib/containers
//!   volumes:
//!   - name: storage
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Some node agents need the runtime, for example to attribute system calls to containers. Exempt
//! them by namespace, name and path. Many other agents can query the kubelet instead.
//!
//! ## References
//!
//! - [Docker: protect the daemon socket](https://docs.docker.com/engine/security/protect-access/)
//! - [OWASP: do not expose the Docker daemon socket](https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html)

use super::support::findings::{host_path_finding, socket_help};
use super::support::options::CATALOG;
use super::support::wording::{class_reason, has_variable, host_path, may_be_elsewhere};
use super::{Check, Context, FixClass, Group, HostPathType, MatchKey, ObjectKinds, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("runtime-socket"),
    summary: "a volume exposes a container runtime socket",
    group: Group::Sockets,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("runtime_socket.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        if !matches!(access.class, PathClass::Socket(_)) {
            continue;
        }
        // The directory itself, such as `/run/containerd/s`. A variable in the sub path can lead to
        // a socket in it.
        let is_directory = cx.options.catalog.file_type(&access.path) == Some(HostPathType::Directory)
            && !has_variable(access);
        let noun = access.socket_noun();
        let predicate = match (is_directory, may_be_elsewhere(access)) {
            (true, false) => format!("contains container runtime {noun}s"),
            (true, true) => format!("may contain container runtime {noun}s"),
            (false, false) => format!("is a container runtime {noun}"),
            (false, true) => format!("may be a container runtime {noun}"),
        };
        let message = format!("{} {predicate}", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why(class_reason(access.class))
            .help(socket_help(
                cx,
                access,
                format!(
                    "remove the volume (a read-only mount does not protect {noun}s); build images without a \
                     daemon, and list containers through the kubelet or API server"
                ),
            ));
        out.push(finding);
    }
}
