//! `fsGroup` is set, and no volume of the Pod takes it.
//!
//! ## What it does
//!
//! Reports `securityContext.fsGroup` of a Pod whose volumes are all `hostPath`. The volume of the
//! ServiceAccount's token that the API server adds by itself does not count.
//!
//! ## Why is this bad?
//!
//! Kubernetes never changes the owner of a path of the node. The container has the group, the files don't: it
//! can't write there, and nothing says why.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: app
//! spec:
//!   securityContext:
//!     runAsUser: 1000
//!     fsGroup: 2000 # finding
//!   containers:
//!   - name: app
//!     image: busybox
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/data
//!       type: Directory
//! ```
//!
//! Use a volume that Kubernetes can give to a group:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: app
//! spec:
//!   securityContext:
//!     runAsUser: 1000
//!     fsGroup: 2000
//!   containers:
//!   - name: app
//!     image: busybox
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!   volumes:
//!   - name: data
//!     persistentVolumeClaim:
//!       claimName: data
//! ```
//!
//! ## When to allow it
//!
//! Where the container needs the group for itself; `supplementalGroups` says that better.
//!
//! ## References
//!
//! - [Kubernetes: security context of a Pod](https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)

use super::support::wording::volume;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, Volume, VolumeSource};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ignored-fs-group"),
    summary: "`fsGroup` is set, and no volume of the Pod takes it",
    group: Group::HostPaths,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("ignored_fs_group.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let Some(group) = pod.fs_group.filter(|_| pod.is_complete && has_none_that_takes_it(pod)) else {
        return;
    };
    let place = pod.path.key("securityContext").key("fsGroup");
    let message =
        format!("`fsGroup: {group}` has no effect: Kubernetes changes no owner in a hostPath volume");
    let finding = Finding::new(RULE.id, Severity::Info, place, message)
        .why("the container has the group, and the files on the node have not")
        .help("give the path on the node to the group, or use a claim or an `emptyDir`");
    let hosts = cx.host_path_volumes().iter().take(9);
    out.push(hosts.fold(finding, |finding, host| {
        finding.related(host.path_field(), format!("{} keeps the owner that it has", volume(host)))
    }));
}

fn has_none_that_takes_it(pod: &Pod<'_>) -> bool {
    let mut own = pod.volumes.iter().filter(|volume| !is_added(volume)).peekable();
    own.peek().is_some() && own.all(|volume| volume.host_path().is_some()) && pod.claim_templates.is_empty()
}

/// Whether the API server itself has added the volume, as it does to nearly every Pod.
fn is_added(volume: &Volume<'_>) -> bool {
    volume.name.starts_with("kube-api-access-") && matches!(volume.source(), Some(VolumeSource::Projected(_)))
}
