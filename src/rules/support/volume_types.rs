//! The types of volumes, and their deprecations.

use super::context::{Context, VolumeSubject};
use super::wording::quoted;
use crate::model::{FieldPath, KubernetesVersion, Volume};

/// A source of a volume or a PersistentVolume.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// The type of the volume: the key of the source, such as `nfs`.
    pub(crate) key: &'a str,
    /// The name of the volume or of the PersistentVolume.
    pub(crate) name: &'a str,
    /// The path of the source in the object.
    pub(crate) path: FieldPath,
    pub(crate) is_persistent_volume: bool,
}

/// Returns the sources of all volumes of the pod, or of the PersistentVolume.
pub(crate) fn sources<'a>(cx: &Context<'a>) -> Vec<Source<'a>> {
    match cx.subject {
        VolumeSubject::Pod(pod) => pod.volumes.iter().flat_map(sources_of_volume).collect(),
        VolumeSubject::PersistentVolume(spec) => {
            let source = |key: &'static str| Source {
                key,
                name: &cx.object.id.name,
                path: FieldPath::from_keys(&["spec", key]),
                is_persistent_volume: true,
            };
            spec.sources.iter().copied().map(source).collect()
        }
        VolumeSubject::Claim(_) => Vec::new(),
    }
}

/// Iterates over the sources of a volume that Kubernetes knows. A valid volume has at most one.
pub(crate) fn sources_of_volume<'a>(volume: &'a Volume<'a>) -> impl Iterator<Item = Source<'a>> {
    volume.known_sources().map(|(key, _)| Source {
        key,
        name: &volume.name,
        path: volume.path.key(key.to_owned()),
        is_persistent_volume: false,
    })
}

impl Source<'_> {
    /// Returns `volume` and its name, or `this PersistentVolume`.
    pub(crate) fn describe(&self) -> String {
        match self.is_persistent_volume {
            true => "this PersistentVolume".to_owned(),
            false => format!("volume {}", quoted(self.name)),
        }
    }
}

/// A volume type that Kubernetes has deprecated or removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deprecation {
    key: &'static str,
    /// The first version in which the type is deprecated.
    pub(crate) deprecated: KubernetesVersion,
    /// The first version that does not contain the driver.
    pub(crate) removed: Option<KubernetesVersion>,
    /// The CSI driver that serves volumes of the type after the removal. Without one, Pods with
    /// such volumes do not start.
    pub(crate) successor: Option<&'static str>,
}

impl Deprecation {
    const fn new(key: &'static str, deprecated: u32, removed: Option<u32>) -> Self {
        let deprecated = KubernetesVersion::minor(deprecated);
        let removed = match removed {
            Some(removed) => Some(KubernetesVersion::minor(removed)),
            None => None,
        };
        Self { key, deprecated, removed, successor: None }
    }

    const fn with_successor(self, driver: &'static str) -> Self {
        Self { successor: Some(driver), ..self }
    }

    /// Returns the deprecation of the volume type `key`. Returns `None` if no version of Kubernetes
    /// deprecates the type, and for `gitRepo`, which has its own rule.
    pub(crate) fn of_type(key: &str) -> Option<&'static Self> {
        DEPRECATIONS.iter().find(|deprecation| deprecation.key == key)
    }

    /// Checks whether `version` contains the driver.
    pub(crate) fn has_driver_in(&self, version: KubernetesVersion) -> bool {
        self.removed.is_none_or(|removed| version < removed)
    }

    /// Checks whether `version` has neither the driver nor a successor, so that Pods with such
    /// volumes do not start.
    pub(crate) fn is_removed_in(&self, version: KubernetesVersion) -> bool {
        self.successor.is_none() && !self.has_driver_in(version)
    }
}

/// The deprecated volume types, except for `gitRepo`. The sources are `pkg/api/pod/warnings.go` of
/// Kubernetes 1.37 for the types without a successor,
/// <https://kubernetes.io/docs/concepts/storage/volumes/> for the others, and the Kubernetes
/// changelogs for the removals in 1.30 and 1.36.
const DEPRECATIONS: &[Deprecation] = &[
    Deprecation::new("awsElasticBlockStore", 19, Some(27)).with_successor("ebs.csi.aws.com"),
    Deprecation::new("azureDisk", 19, Some(27)).with_successor("disk.csi.azure.com"),
    Deprecation::new("azureFile", 21, Some(30)).with_successor("file.csi.azure.com"),
    Deprecation::new("cephfs", 28, Some(31)),
    Deprecation::new("cinder", 11, Some(26)).with_successor("cinder.csi.openstack.org"),
    Deprecation::new("flexVolume", 23, None),
    Deprecation::new("flocker", 22, Some(25)),
    Deprecation::new("gcePersistentDisk", 17, Some(28)).with_successor("pd.csi.storage.gke.io"),
    Deprecation::new("glusterfs", 25, Some(26)),
    Deprecation::new("photonPersistentDisk", 11, Some(16)),
    Deprecation::new("portworxVolume", 25, Some(36)).with_successor("pxd.portworx.com"),
    Deprecation::new("quobyte", 22, Some(25)),
    Deprecation::new("rbd", 28, Some(31)),
    Deprecation::new("scaleIO", 16, Some(22)),
    Deprecation::new("storageos", 22, Some(25)),
    Deprecation::new("vsphereVolume", 19, Some(30)).with_successor("csi.vsphere.vmware.com"),
];

/// The volume types that a Pod may have if the policy has no allow list: those that the Pod
/// Security Standard `restricted` allows (`policy/check_restrictedVolumes.go` of
/// `k8s.io/pod-security-admission`), and `hostPath`, which the rule `host-path` reports.
pub(crate) const DEFAULT_TYPES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "hostPath",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
