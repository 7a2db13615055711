//! A volume has a deprecated type.
//!
//! ## What it does
//!
//! Reports volumes and PersistentVolumes of a type that is deprecated in your version of
//! Kubernetes:
//!
//! | type | deprecated since | CSI driver | in-tree driver removed in |
//! |---|---|---|---|
//! | `awsElasticBlockStore` | 1.19 | `ebs.csi.aws.com` | 1.27 |
//! | `azureDisk` | 1.19 | `disk.csi.azure.com` | 1.27 |
//! | `azureFile` | 1.21 | `file.csi.azure.com` | 1.30 |
//! | `cinder` | 1.11 | `cinder.csi.openstack.org` | 1.26 |
//! | `flexVolume` | 1.23 | – | – |
//! | `gcePersistentDisk` | 1.17 | `pd.csi.storage.gke.io` | 1.28 |
//! | `portworxVolume` | 1.25 | `pxd.portworx.com` | 1.36 |
//! | `vsphereVolume` | 1.19 | `csi.vsphere.vmware.com` | 1.30 |
//!
//! The types that the rule [`removed-volume-type`](removed-volume-type.md) reports were deprecated
//! before they were removed. In the versions between deprecation and removal, this rule reports
//! them.
//!
//! ## Why is this bad?
//!
//! The in-tree driver of a type is the driver that is part of Kubernetes. Several versions before
//! the removal of that driver, Kubernetes begins to redirect volumes of the type to the CSI driver.
//! If the CSI driver is not installed, Pods with such volumes then do not start.
//!
//! There is no CSI driver for `flexVolume`. A program on the node mounts the volume as root.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: archive
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   awsElasticBlockStore: # finding
//!     volumeID: vol-0123456789abcdef0
//!     fsType: ext4
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: archive
//! spec:
//!   capacity:
//!     storage: 10Gi
//!   accessModes: [ReadWriteOnce]
//!   csi:
//!     driver: ebs.csi.aws.com
//!     volumeHandle: vol-0123456789abcdef0
//!     fsType: ext4
//! ```
//!
//! ## Options
//!
//! `kubernetesVersion` in the policy, or the flag `--kube-version`, sets the Kubernetes version of
//! the cluster. The default is 1.37, the newest version that volcheck knows.
//!
//! ## When to allow it
//!
//! The source of an existing PersistentVolume cannot be changed. Allow existing PersistentVolumes
//! in clusters in which the CSI driver is installed.
//!
//! ## References
//!
//! - [Kubernetes: types of volumes](https://kubernetes.io/docs/concepts/storage/volumes/#volume-types)

use super::support::options::KUBERNETES_VERSION;
use super::support::volume_types::{Deprecation, sources};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::KubernetesVersion;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("deprecated-volume-type"),
    summary: "a volume has a deprecated type",
    group: Group::VolumeTypes,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[KUBERNETES_VERSION],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("deprecated_volume_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let version = cx.options.kubernetes_version;
    let is_deprecated = |known: &&Deprecation| version >= known.deprecated && !known.is_removed_in(version);
    for source in sources(cx) {
        let Some(known) = Deprecation::of_type(source.key).filter(is_deprecated) else { continue };
        let message = format!(
            "{} has type {}, which was deprecated in Kubernetes {}",
            source.describe(),
            quoted(source.key),
            known.deprecated
        );
        let (why, help) = (why(known, version), help(known, source.is_persistent_volume));
        out.push(
            Finding::new(RULE.id, Severity::Warning, source.path.clone(), message)
                .at_key()
                .why(why)
                .help(help)
                .volume(source.name)
                .path(source.key),
        );
    }
}

fn why(deprecation: &Deprecation, version: KubernetesVersion) -> String {
    match (deprecation.successor, deprecation.removed) {
        (Some(driver), Some(removed)) if deprecation.has_driver_in(version) => {
            format!("in Kubernetes {removed} at the latest, the volume needs CSI driver `{driver}`")
        }
        (Some(driver), Some(_)) => {
            format!("without CSI driver `{driver}`, Pods with the volume do not start")
        }
        (None, Some(removed)) => {
            format!("in Kubernetes {removed} and later, Pods with the volume do not start")
        }
        (_, None) => "a program on the node mounts the volume as root".to_owned(),
    }
}

fn help(deprecation: &Deprecation, is_persistent_volume: bool) -> String {
    match (deprecation.successor, is_persistent_volume) {
        (Some(driver), true) => format!("use the source `csi` with driver `{driver}`"),
        (Some(driver), false) => format!("use CSI driver `{driver}`, through a PersistentVolumeClaim"),
        (None, true) => "use the source `csi`".to_owned(),
        (None, false) => "use a CSI driver, through a PersistentVolumeClaim".to_owned(),
    }
}
