//! Mounts pass between the node and a container.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume with a `mountPropagation`. `Bidirectional` is a warning, and an error
//! where the container isn't privileged; `HostToContainer` is an info.
//!
//! ## Why is this bad?
//!
//! With `Bidirectional`, what the container mounts appears on the node and in the other Pods that mount the
//! path, and stays when it ends: a bug or an attacker can cover files of the node, or leave the kubelet with
//! mounts that it can't remove. The API server refuses it in a container that isn't privileged.
//!
//! With `HostToContainer`, what the node mounts later appears in the container: volumes of other Pods too, and
//! writable, even where the mount itself is read-only. Only network namespaces, in `/run/netns`, can't be written.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: mounter
//! spec:
//!   containers:
//!   - name: mounter
//!     image: busybox
//!     securityContext:
//!       privileged: true
//!     volumeMounts:
//!     - name: media
//!       mountPath: /media
//!       mountPropagation: Bidirectional # finding
//!   volumes:
//!   - name: media
//!     hostPath:
//!       path: /media
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
//!     - name: media
//!       mountPath: /media
//!       readOnly: true
//!   volumes:
//!   - name: media
//!     hostPath:
//!       path: /media
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! In words: drop `mountPropagation`, unless mounting for the node is what the container is for.
//!
//! ## When to allow it
//!
//! A CSI driver, which mounts volumes below `/var/lib/kubelet` for the kubelet. Exempt it by name and path.
//!
//! ## References
//!
//! - [Kubernetes: Mount propagation](https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation)

use super::ineffective_read_only::contains_only_namespaces;
use super::support::wording::{container, volume_and_path, written_path};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Container;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-mount-propagation"),
    summary: "mounts pass between the node and a container",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("host_mount_propagation.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // What a patch doesn't say of its container may stand in what it patches.
    let says_all = cx.pod().is_some_and(|pod| pod.is_complete || pod.is_heuristic);
    for (host, used) in cx.host_path_accesses() {
        let Some(of) = used.mount.filter(|of| of.mount.propagates()) else { continue };
        let (path, name) = (written_path(host, used), container(of.container));
        let verdict = if &*of.mount.mount_propagation == "HostToContainer" {
            Verdict {
                severity: Severity::Info,
                label: "brings in the mounts of the node",
                message: format!("what the node mounts later in {path} appears in {name}"),
                why: match contains_only_namespaces(&used.path) {
                    true => {
                        "nobody can write to a network namespace, but a privileged container can enter it"
                    }
                    false => "it appears writable, even where this mount is read-only",
                },
                help: "drop `mountPropagation`, unless the container must see later mounts",
            }
        } else {
            both_ways(of.container, &path, &name, says_all)
        };
        out.push(
            Finding::new(RULE.id, verdict.severity, of.path().key("mountPropagation"), verdict.message)
                .label(verdict.label)
                .related(host.path_field(), volume_and_path(host))
                .why(verdict.why)
                .help(verdict.help)
                .volume(host.name)
                .container(&of.container.name)
                .path(&used.path)
                .access(used.effective),
        );
    }
}

struct Verdict {
    severity: Severity,
    label: &'static str,
    message: String,
    why: &'static str,
    help: &'static str,
}

fn both_ways(of: &Container<'_>, path: &str, name: &str, says_all: bool) -> Verdict {
    if of.security_context.privileged || !says_all {
        return Verdict {
            severity: Severity::Warning,
            label: "passes mounts both ways",
            message: format!("what {name} mounts in {path} appears on the node"),
            why: "it appears in other Pods too, and stays there when the container ends",
            help: "drop `mountPropagation`, unless mounting for the node is what the container is for",
        };
    }
    Verdict {
        severity: Severity::Error,
        label: "refused without `privileged: true`",
        message: format!(
            "`Bidirectional` propagation of {path} needs a privileged container, which {name} isn't"
        ),
        why: "the API server refuses the object; what such a container mounts would appear on the node",
        help: "drop `mountPropagation`",
    }
}
