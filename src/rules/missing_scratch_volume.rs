//! A container has a read-only root filesystem and no writable volume.
//!
//! ## What it does
//!
//! Reports a container with `readOnlyRootFilesystem: true` and without a writable volume mount.
//! Ephemeral containers are skipped because they cannot add volumes to their Pod. Objects of
//! unknown kinds and incomplete objects, such as patches, are skipped because their mounts may be
//! defined elsewhere.
//!
//! ## Why is this bad?
//!
//! A read-only root filesystem is good practice. However, many programs write a temporary file, a
//! lock file or a socket at some point. They then fail, often long after startup and with an error
//! that does not name the cause.
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
//!     image: registry.example/web:1
//!     securityContext:
//!       readOnlyRootFilesystem: true # finding
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
//!     image: registry.example/web:1
//!     securityContext:
//!       readOnlyRootFilesystem: true
//!     volumeMounts:
//!     - name: tmp
//!       mountPath: /tmp
//!   volumes:
//!   - name: tmp
//!     emptyDir:
//!       sizeLimit: 64Mi
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the program is known to write no files. This is common for statically linked
//! programs.
//!
//! ## References
//!
//! - [Kubernetes: security context](https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)

use super::support::wording;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, ContainerList, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("missing-scratch-volume"),
    summary: "a container has a read-only root filesystem and no writable volume",
    group: Group::EmptyDir,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Container],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("missing_scratch_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for container in pod.containers.iter().filter(|container| cannot_write(pod, container)) {
        let name = wording::container(container);
        let message = format!("{name} has a read-only root filesystem and no writable mount");
        let field = container.path.key("securityContext").key("readOnlyRootFilesystem");
        out.push(
            Finding::new(RULE.id, Severity::Info, field, message)
                .label("without a writable mount")
                .why(
                    "programs that write temporary files, locks or sockets fail, possibly long after startup",
                )
                .help("mount a writable `emptyDir`, usually at `/tmp`")
                .container(&container.name),
        );
    }
}

fn cannot_write(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    container.list != ContainerList::Ephemeral
        && container.security_context.read_only_root_filesystem
        && container.volume_mounts.iter().all(|mount| pod.is_read_only(mount))
}
