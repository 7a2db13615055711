//! A volume gives the socket of a container runtime.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path (that of the volume and a mount's `subPath`
//! in one) is the socket of a container runtime, or is inside a folder of such sockets: Docker, containerd,
//! CRI-O, cri-dockerd, Podman, BuildKit, LXD and others, also rootless, in the folders of k3s, RKE2, k0s,
//! MicroK8s and Talos, and as named pipes of Windows. Every spelling counts: `/var/run` is `/run`,
//! `//run/./x` is `/run/x`, `/proc/1/root/run` is `/run`.
//!
//! ## Why is this bad?
//!
//! Whoever can connect to a runtime is root on the node: he starts a privileged container with the node's
//! disk, and enters every other container. `readOnly: true` does not help, since connecting is not writing.
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
//! Use a builder that needs no runtime of the node:
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
//! An agent of the node that manages its containers, such as one that attributes system calls to containers.
//! Exempt it by namespace, name and path; many can ask the kubelet instead.
//!
//! ## References
//!
//! - [Docker: protect the daemon socket](https://docs.docker.com/engine/security/protect-access/)
//! - [OWASP: do not expose the Docker daemon socket](https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html)

use super::support::findings::host_path_finding;
use super::support::wording::{class_reason, host_path};
use super::{Check, Context, FixClass, Group, PathClass, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("runtime-socket"),
    summary: "a volume gives the socket of a container runtime",
    group: Group::Sockets,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("runtime_socket.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        if !matches!(used.class, PathClass::Socket(_)) {
            continue;
        }
        let message = format!("{} is a container runtime's socket", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message).why(class_reason(used.class)).help(
            "drop the volume: a read-only mount protects no socket; images can be built without a daemon, and \
             the kubelet and the API server know the containers, too",
        );
        out.push(finding);
    }
}
