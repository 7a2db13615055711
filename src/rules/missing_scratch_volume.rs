//! A container has a read-only root file system and nothing that it can write to.
//!
//! ## What it does
//!
//! Reports a container with `readOnlyRootFilesystem: true` that mounts no volume writable. It says nothing of
//! ephemeral containers, which can't bring a volume, nor of patches and other parts of an object, whose mounts
//! may stand elsewhere.
//!
//! ## Why is this bad?
//!
//! The read-only file system is good. But many programs write a temporary file, a lock or a socket sooner or
//! later, and fail then, often long after the start and with an error that doesn't name the cause.
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
//!     image: nginx
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
//! A program that is known to write no file: most that are one static binary.
//!
//! ## References
//!
//! - [Kubernetes: security context](https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)

use super::support::wording::container;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, ContainerList, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("missing-scratch-volume"),
    summary: "a container has a read-only root file system and nothing that it can write to",
    group: Group::EmptyDir,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("missing_scratch_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for stuck in pod.containers.iter().filter(|container| lacks_scratch(pod, container)) {
        let message = format!("{} has a read-only root file system and no writable mount", container(stuck));
        let root = stuck.path.key("securityContext").key("readOnlyRootFilesystem");
        out.push(
            Finding::new(RULE.id, Severity::Info, root, message)
                .label("no writable mount beside it")
                .why("a program that writes a temporary file, a lock or a socket fails, maybe long after its start")
                .help("mount an emptyDir where it writes, usually at `/tmp`")
                .container(&stuck.name),
        );
    }
}

fn lacks_scratch(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    container.list != ContainerList::Ephemeral
        && container.security_context.read_only_root_filesystem
        && container.volume_mounts.iter().all(|mount| pod.is_read_only(mount))
}
