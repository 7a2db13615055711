//! A Pod contains the address of a network volume.
//!
//! ## What it does
//!
//! Reports each volume of a Pod with the type `nfs`, `iscsi` or `fc`. PersistentVolumes of these
//! types are not reported.
//!
//! ## Why is this bad?
//!
//! Through such a volume, any user who can create Pods can make the kubelet connect, as root, to
//! any server that the node can reach. In a PersistentVolume, an administrator chooses the server.
//! The administrator can also set mount options, which a Pod cannot set. If the address of the
//! server changes, the manifests of Pods that use a PersistentVolumeClaim stay the same. The Pod
//! Security Standard `restricted` forbids these types in Pods.
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
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     nfs: # finding
//!       server: nfs.example.com
//!       path: /pages
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: pages
//! spec:
//!   capacity:
//!     storage: 1Gi
//!   accessModes: [ReadOnlyMany]
//!   claimRef:
//!     namespace: web
//!     name: pages
//!   mountOptions: [nfsvers=4.2, nosuid, nodev]
//!   nfs:
//!     server: nfs.example.com
//!     path: /pages
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//!   namespace: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       readOnly: true
//!   volumes:
//!   - name: pages
//!     persistentVolumeClaim:
//!       claimName: pages
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the server is part of the same application.
//!
//! ## References
//!
//! - [Kubernetes: nfs](https://kubernetes.io/docs/concepts/storage/volumes/#nfs)
//! - [Kubernetes: Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted)

use super::support::volume_types::sources;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("inline-network-volume"),
    summary: "a Pod contains the address of a network volume",
    group: Group::VolumeTypes,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("inline_network_volume.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for source in sources(cx).into_iter().filter(|source| !source.is_persistent_volume) {
        let target = match source.key {
            "nfs" => "an NFS server",
            "iscsi" => "an iSCSI target",
            "fc" => "a Fibre Channel target",
            _ => continue,
        };
        let message = format!("{} contains the address of {target}", source.describe());
        out.push(
            Finding::new(RULE.id, Severity::Info, source.path.clone(), message)
                .at_key()
                .why("any user who can create Pods can choose the server, and a Pod cannot set mount options")
                .help("define a PersistentVolume, and use it through a `persistentVolumeClaim`")
                .volume(source.name)
                .path(source.key),
        );
    }
}
