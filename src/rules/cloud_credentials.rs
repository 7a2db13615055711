//! A volume exposes cloud or registry credentials stored on the node.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume that exposes cloud or registry credentials on the node.
//! A volume exposes credentials if its effective path is a credential path, contains one, or is
//! inside one.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Aliases are
//! resolved: `/var/run` counts as `/run`.
//!
//! Credential paths include:
//!
//! - `.aws`, `.azure`, `.config/gcloud`, `.oci` and `.docker` in `/root`, in each directory of
//!   `/home`, and in `/`, which is the home directory of some services
//! - the corresponding directories of Windows users, except for `.oci`
//! - other registry credentials, such as `/root/.config/containers/auth.json` and
//!   `/var/lib/kubelet/config.json`
//! - configuration files of cloud providers, such as `/etc/kubernetes/azure.json`
//! - the user data of the cloud instance, such as `/var/lib/cloud` of cloud-init
//! - the keys of cloud agents, such as `/var/lib/amazon/ssm`
//!
//! Some directories, such as `/root`, `/home` and `/etc/kubernetes`, also contain other sensitive
//! files. Other rules, such as `sensitive-host-path`, report these directories instead.
//!
//! ## Why is this bad?
//!
//! The credentials belong to the node or to a person. Many of them give access to the cloud
//! account, not only to the cluster. With the cloud credentials of the node, for example, a
//! container can often attach disks or pull private images. Read access to the files is enough.
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
//! Give the Pod its own identity with a ServiceAccount:
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
//! Cloud controllers on the control plane need `/etc/kubernetes/azure.json` or
//! `/etc/kubernetes/cloud.conf`. Exempt them in the policy by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: security checklist](https://kubernetes.io/docs/concepts/security/security-checklist/)

use super::support::findings::host_path_finding;
use super::support::options::CATALOG;
use super::support::wording::{class_reason, host_path};
use super::{Check, Context, EntryClass, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("cloud-credentials"),
    summary: "a volume exposes cloud or registry credentials stored on the node",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("cloud_credentials.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        if access.class.entry().is_none_or(|(entry, _)| entry.class != EntryClass::Credentials) {
            continue;
        }
        let message = format!("{} exposes cloud or registry credentials", host_path(volume, access));
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why(class_reason(access.class))
            .help("remove the volume, and use a ServiceAccount or a Secret instead");
        out.push(finding);
    }
}
