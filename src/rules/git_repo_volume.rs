//! A Pod has a `gitRepo` volume.
//!
//! ## What it does
//!
//! Reports each `gitRepo` volume.
//!
//! ## Why is this bad?
//!
//! The kubelet clones the repository with the `git` program of the node, as root and outside of any
//! container. If the kubelet does not have the fix for CVE-2024-10220, a malicious repository can
//! run commands on the node. For CVE-2025-1767, there is no fix: anybody who can create Pods can
//! read the Git repositories of other Pods on the same node.
//!
//! Since Kubernetes 1.33, the kubelet refuses `gitRepo` volumes by default, so the Pod does not
//! start. Since Kubernetes 1.36, the kubelet always refuses them.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: pages
//! spec:
//!   containers:
//!   - name: nginx
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     gitRepo: # finding
//!       repository: https://git.example.com/pages.git
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: pages
//! spec:
//!   initContainers:
//!   - name: clone
//!     image: alpine/git
//!     args: [clone, --depth=1, https://git.example.com/pages.git, /pages]
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /pages
//!   containers:
//!   - name: nginx
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: gitRepo](https://kubernetes.io/docs/concepts/storage/volumes/#gitrepo)
//! - [CVE-2024-10220](https://github.com/kubernetes/kubernetes/issues/128885)
//! - [CVE-2025-1767](https://github.com/kubernetes/kubernetes/issues/130786)

use super::support::options::KUBERNETES_VERSION;
use super::support::volume_types::sources;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::KubernetesVersion;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("git-repo-volume"),
    summary: "a Pod has a `gitRepo` volume",
    group: Group::VolumeTypes,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[KUBERNETES_VERSION],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("git_repo_volume.rs"),
    check: Check::Volumes(check),
};

/// The first version in which the kubelet refuses the volumes by default (`GitRepoVolumeDriver` in
/// `pkg/features/kube_features.go`).
const DISABLED: KubernetesVersion = KubernetesVersion::minor(33);

/// The first version in which the kubelet always refuses the volumes, because the feature gate
/// cannot be enabled.
const LOCKED: KubernetesVersion = KubernetesVersion::minor(36);

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let version = cx.options.kubernetes_version;
    let message = |volume: String| {
        if version < DISABLED {
            format!("{volume} clones a Git repository as root on the node")
        } else if version < LOCKED {
            format!("{volume} has type `gitRepo`, which Kubernetes {DISABLED} disabled by default")
        } else {
            format!("{volume} has type `gitRepo`, which the kubelet no longer supports")
        }
    };
    let why = if version < DISABLED {
        "without the fix for CVE-2024-10220, a malicious repository can run commands on the node"
    } else if version < LOCKED {
        "the Pod does not start, unless the kubelet's feature gate `GitRepoVolumeDriver` is enabled"
    } else {
        "the Pod does not start"
    };
    // PersistentVolumes have no such source.
    for source in sources(cx).into_iter().filter(|source| source.key == "gitRepo") {
        out.push(
            Finding::new(RULE.id, Severity::Error, source.path.clone(), message(source.describe()))
                .at_key()
                .why(why)
                .help("clone the repository into an `emptyDir` in an init container")
                .volume(source.name),
        );
    }
}
