//! A volume gives credentials for a cloud or a registry that lie on the node.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path holds, or is in, what a cloud's tools and
//! agents keep on a node: `.aws`, `.azure`, `.config/gcloud`, `.oci` and `.docker` under any home,
//! `azure.json` and its like, the user data of cloud-init, the keys of a cloud's agent.
//!
//! ## Why is this bad?
//!
//! They are the node's or a person's, and open the account, not just the cluster: with the node's
//! credentials one reads its user data, attaches disks and pulls every image. To read them is enough.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: uploader
//! spec:
//!   containers:
//!   - name: uploader
//!     image: amazon/aws-cli
//!     volumeMounts:
//!     - name: aws
//!       mountPath: /root/.aws
//!       readOnly: true
//!   volumes:
//!   - name: aws
//!     hostPath:
//!       path: /root/.aws # finding
//!       type: Directory
//! ```
//!
//! Give the Pod an identity of its own, by its ServiceAccount or by a Secret:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: uploader
//! spec:
//!   serviceAccountName: uploader
//!   containers:
//!   - name: uploader
//!     image: amazon/aws-cli
//! ```
//!
//! ## When to allow it
//!
//! The cloud's own controllers on the control plane, which read `/etc/kubernetes/azure.json` or
//! `/etc/kubernetes/cloud.conf`. Exempt them by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: security checklist](https://kubernetes.io/docs/concepts/security/security-checklist/)

use super::support::findings::host_path_finding;
use super::support::wording::{class_reason, host_path};
use super::{Check, Context, EntryClass, FixClass, Group, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("cloud-credentials"),
    summary: "a volume gives credentials for a cloud or a registry that lie on the node",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("cloud_credentials.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, used) in cx.host_path_accesses() {
        if used.class.entry().is_none_or(|(entry, _)| entry.class != EntryClass::Credentials) {
            continue;
        }
        let message = format!("{} holds cloud or registry credentials", host_path(host, used));
        let finding = host_path_finding(RULE.id, Severity::Error, host, used, message)
            .why(class_reason(used.class))
            .help("drop the volume, and give the Pod its own, by its ServiceAccount or a Secret");
        out.push(finding);
    }
}
