//! The volumes of a pod.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::claim::ClaimSpec;
use super::field_path::FieldPath;
use super::item_budget::Item;
use super::metadata::Metadata;
use super::quantity::Quantity;
use super::value::{List, Str, nullable};

/// A volume of a pod spec.
#[derive(Clone, Debug, Default)]
pub struct Volume<'a> {
    /// The name of the volume in the pod; empty if absent, which the API server rejects.
    pub name: Str<'a>,
    /// All keys other than `name` whose value is not null, in input order.
    pub sources: Vec<(Str<'a>, VolumeSource<'a>)>,
    /// The path of the volume in the object.
    pub path: FieldPath,
}

/// The source of a volume's content.
#[derive(Clone, Debug)]
pub enum VolumeSource<'a> {
    /// A file or directory of the node.
    HostPath(HostPathSource<'a>),
    /// A directory that is created empty and deleted with the Pod.
    EmptyDir(EmptyDirSource<'a>),
    /// A claim in the namespace of the Pod.
    Claim(ClaimSource<'a>),
    /// A claim that is created and deleted with the Pod.
    Ephemeral(Box<EphemeralSource<'a>>),
    /// `image`: always read-only.
    ReadOnly,
    /// Files that the kubelet writes, always read-only: `projected`, or a `configMap`, `secret` or
    /// `downwardAPI`, each of which counts as a projected volume with one source.
    Projected(ProjectedSource<'a>),
    /// A volume of a CSI driver that is created and deleted with the Pod.
    Csi(CsiSource<'a>),
    /// Any other Kubernetes volume source.
    Other,
    /// A key that is not a Kubernetes volume source.
    Unknown,
}

/// `hostPath` of a volume or a PersistentVolume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct HostPathSource<'a> {
    /// The path on the node, as in the input.
    #[serde(borrow)]
    pub path: Str<'a>,
    /// `hostPath.type`: the file type that the kubelet requires or creates at the path. Kubernetes
    /// treats an empty type as absent.
    #[serde(rename = "type", borrow)]
    pub host_path_type: Option<Str<'a>>,
    /// The fields that contain the path and the type.
    #[serde(skip)]
    pub form: HostPathForm,
}

/// The form in which an object declares a host path. It determines the fields of the path and its
/// type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPathForm {
    /// A Kubernetes volume: `hostPath: {path: /run, type: Directory}`.
    #[default]
    Volume,
    /// A mapping with a host path and, in most cases, its mount path, such as
    /// `{hostPath: /run, mountPath: /run}`.
    Mount {
        /// The key of the path.
        path: &'static str,
        /// The key of the type; `None` if the form has no type.
        host_path_type: Option<&'static str>,
    },
    /// `hostDisk` of a KubeVirt virtual machine: `hostDisk: {path: /disks/a.img, type: Disk}`. Its
    /// type is not a `hostPath.type`.
    HostDisk,
    /// A field that contains only the path, such as `dataDirHostPath` of a Rook cluster.
    Field {
        /// Whether the mapping with the field sets `readOnly: true`.
        is_read_only: bool,
        /// Whether the directory or disk belongs to the component that uses the path.
        is_own: bool,
    },
}

impl HostPathForm {
    /// Returns the field path of the mapping that contains the host path and its type. For a form
    /// without a mapping, returns the path of the field itself. `volume` is the path of the volume.
    pub fn source(self, volume: &FieldPath) -> FieldPath {
        match self {
            Self::Volume => volume.key("hostPath"),
            Self::HostDisk => volume.key("hostDisk"),
            Self::Mount { .. } | Self::Field { .. } => volume.clone(),
        }
    }

    /// Returns the field path of the host path. `source` is the result of [`source`](Self::source).
    pub fn path_field(self, source: &FieldPath) -> FieldPath {
        match self {
            Self::Volume | Self::HostDisk => source.key("path"),
            Self::Mount { path, .. } => source.key(path),
            Self::Field { .. } => source.clone(),
        }
    }

    /// Returns the key of the type in the mapping that contains the host path, or `None` if the
    /// form has no type.
    pub fn type_key(self) -> Option<&'static str> {
        match self {
            Self::Volume => Some("type"),
            Self::Mount { host_path_type, .. } => host_path_type,
            Self::HostDisk | Self::Field { .. } => None,
        }
    }

    /// Checks whether the path is used even if no container mounts it.
    pub fn is_used_without_mount(self) -> bool {
        matches!(self, Self::HostDisk | Self::Field { .. })
    }

    /// Checks whether the path is at most read if no container mounts it. A `hostPath` volume
    /// without a mount is not used at all.
    pub fn is_read_only_without_mount(self) -> bool {
        match self {
            Self::Volume | Self::Mount { .. } => true,
            Self::HostDisk => false,
            Self::Field { is_read_only, .. } => is_read_only,
        }
    }
}

/// `emptyDir`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EmptyDirSource<'a> {
    /// `Memory` for a tmpfs; empty for the node's disk.
    #[serde(borrow)]
    pub medium: Str<'a>,
    /// The maximum size. The kubelet evicts the Pod if the volume is larger. With the medium
    /// `Memory`, writes fail instead.
    pub size_limit: Option<Quantity>,
}

/// `persistentVolumeClaim`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSource<'a> {
    #[serde(borrow)]
    pub claim_name: Str<'a>,
    /// Whether every mount of the volume is read-only.
    #[serde(deserialize_with = "nullable")]
    pub read_only: bool,
}

/// `ephemeral`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EphemeralSource<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub volume_claim_template: EphemeralTemplate<'a>,
}

impl EphemeralSource<'_> {
    /// Checks whether the volume starts empty, rather than as a copy of a volume or a snapshot.
    pub fn is_empty(&self) -> bool {
        let spec = &self.volume_claim_template.spec;
        spec.data_source.is_none() && spec.data_source_ref.is_none()
    }
}

/// The claim template of an ephemeral volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct EphemeralTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: ClaimSpec<'a>,
}

/// `projected`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ProjectedSource<'a> {
    #[serde(borrow)]
    pub sources: List<ProjectedPart<'a>>,
}

/// One source of a projected volume. No field is set for the downward API.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProjectedPart<'a> {
    #[serde(borrow)]
    pub config_map: Option<KeySource<'a>>,
    #[serde(borrow)]
    pub secret: Option<KeySource<'a>>,
    /// Set if the source is a token of the Pod's ServiceAccount.
    #[serde(borrow)]
    pub service_account_token: Option<FileSource<'a>>,
    /// Set if the source is a bundle of CA certificates in the cluster.
    #[serde(borrow)]
    pub cluster_trust_bundle: Option<FileSource<'a>>,
    /// Set if the source is a private key with a certificate that the kubelet renews.
    pub pod_certificate: Option<IgnoredAny>,
}

impl<'a> From<ProjectedPart<'a>> for VolumeSource<'a> {
    fn from(part: ProjectedPart<'a>) -> Self {
        Self::Projected(ProjectedSource { sources: vec![part].into() })
    }
}

/// `configMap` or `secret`, of a volume or in a projected volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct KeySource<'a> {
    /// The keys and their paths in the volume. If the list is empty, the volume has all keys, each
    /// at the path with its name.
    #[serde(borrow)]
    pub items: List<KeyToPath<'a>>,
}

impl KeySource<'_> {
    /// Checks whether `path` in the volume is certain to be a file. Without `items`, this is a path
    /// without a slash and without a leading dot: keys contain no slash, and `..data` is a link to
    /// a directory.
    pub fn is_file(&self, path: &str) -> bool {
        match self.items.is_empty() {
            true => !(path.is_empty() || path.starts_with('.') || path.contains('/')),
            false => self.items.iter().any(|item| *item.path == *path),
        }
    }
}

/// An entry of `items` of a `configMap` or `secret`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct KeyToPath<'a> {
    #[serde(borrow)]
    pub key: Str<'a>,
    #[serde(borrow)]
    pub path: Str<'a>,
}

/// `serviceAccountToken` or `clusterTrustBundle` of a projected volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct FileSource<'a> {
    /// The path of the file in the volume.
    #[serde(borrow)]
    pub path: Str<'a>,
}

/// `csi`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct CsiSource<'a> {
    #[serde(borrow)]
    pub driver: Str<'a>,
}

/// The volume sources of Kubernetes 1.37 (`core/v1/types.go`) that are not in [`DECODED_SOURCES`].
const OTHER_SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// The volume sources that [`VolumeSource`] represents by a variant other than `Other`.
const DECODED_SOURCES: &[&str] = &[
    "hostPath",
    "emptyDir",
    "persistentVolumeClaim",
    "ephemeral",
    "configMap",
    "secret",
    "downwardAPI",
    "image",
    "projected",
    "csi",
];

/// Returns the keys of all volume sources of Kubernetes that a pod spec can contain.
pub fn known_sources() -> impl Iterator<Item = &'static str> + Clone {
    DECODED_SOURCES.iter().chain(OTHER_SOURCES).copied()
}

impl<'a> Volume<'a> {
    /// Returns the source if the volume has exactly one that Kubernetes knows, or `None` otherwise.
    pub fn source(&self) -> Option<&VolumeSource<'a>> {
        self.only_source().map(|(_, source)| source)
    }

    /// Returns the key of the source if the volume has exactly one that Kubernetes knows, or `None`
    /// otherwise.
    pub fn source_key(&self) -> Option<&str> {
        self.only_source().map(|(key, _)| key)
    }

    fn only_source(&self) -> Option<(&str, &VolumeSource<'a>)> {
        let mut known = self.known_sources();
        known.next().filter(|_| known.next().is_none())
    }

    /// Iterates over the sources that Kubernetes knows, with their keys.
    pub fn known_sources(&self) -> impl Iterator<Item = (&str, &VolumeSource<'a>)> {
        let known = self.sources.iter().filter(|(_, source)| !matches!(source, VolumeSource::Unknown));
        known.map(|(key, source)| (&**key, source))
    }

    /// Returns the source with a host path (`hostPath`, or `hostDisk` of KubeVirt), even if the
    /// volume has other sources. Returns `None` if there is no such source.
    pub fn host_path(&self) -> Option<&HostPathSource<'a>> {
        self.sources.iter().find_map(|(_, source)| match source {
            VolumeSource::HostPath(host_path) => Some(host_path),
            _ => None,
        })
    }

    /// Returns the field path of the host path, or `None` if the volume has none.
    pub fn host_path_field(&self) -> Option<FieldPath> {
        self.host_path().map(|source| source.form.path_field(&source.form.source(&self.path)))
    }

    /// Returns the `emptyDir`, explicit or implied.
    ///
    /// A volume without a source is an `emptyDir`. A volume that has only unknown keys is also an
    /// `emptyDir`, because the API server drops unknown keys unless it rejects the object. Returns
    /// `None` for any other source, and for several sources, which the API server rejects.
    pub fn empty_dir(&self) -> Option<EmptyDirSource<'a>> {
        let mut known = self.known_sources().map(|(_, source)| source);
        match (known.next(), known.next()) {
            (None, _) => Some(EmptyDirSource::default()),
            (Some(VolumeSource::EmptyDir(source)), None) => Some(source.clone()),
            _ => None,
        }
    }

    /// Checks whether the volume is `projected` and has a token of the Pod's ServiceAccount.
    pub fn has_service_account_token(&self) -> bool {
        let Some(VolumeSource::Projected(projected)) = self.source() else { return false };
        projected.sources.iter().any(|part| part.service_account_token.is_some())
    }

    /// Checks whether this is the volume that the API server adds to nearly every Pod, such as
    /// `kube-api-access-x2x4v`.
    pub fn is_kube_api_access(&self) -> bool {
        self.name.starts_with("kube-api-access-") && self.has_service_account_token()
    }

    /// Checks whether every mount of the volume is read-only, even if the mount does not set it.
    pub fn is_always_read_only(&self) -> bool {
        match self.source() {
            Some(VolumeSource::ReadOnly | VolumeSource::Projected(_)) => true,
            Some(VolumeSource::Claim(claim)) => claim.read_only,
            _ => false,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Volume<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VolumeVisitor;
        impl<'de> Visitor<'de> for VolumeVisitor {
            type Value = Volume<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut volume = Volume::default();
                while let Some(key) = entries.next_key::<Str<'de>>()? {
                    if &*key == "name" {
                        volume.name = entries.next_value()?;
                        continue;
                    }
                    // A valid volume has at most one source. Each additional source counts against
                    // the item budget like a list item.
                    let source = match volume.sources.is_empty() {
                        true => entries.next_value_seed(SourceSeed(&key))?,
                        false => entries.next_value_seed(Item(SourceSeed(&key)))?,
                    };
                    volume.sources.extend(source.map(|source| (key, source)));
                }
                Ok(volume)
            }
        }
        deserializer.deserialize_struct("Volume", &[], VolumeVisitor)
    }
}

/// A seed that decodes the source with this key. Null becomes `None`.
struct SourceSeed<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for SourceSeed<'_> {
    type Value = Option<VolumeSource<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Ok(match self.0 {
            "hostPath" => Option::deserialize(deserializer)?.map(VolumeSource::HostPath),
            "emptyDir" => Option::deserialize(deserializer)?.map(VolumeSource::EmptyDir),
            "persistentVolumeClaim" => Option::deserialize(deserializer)?.map(VolumeSource::Claim),
            "ephemeral" => Option::deserialize(deserializer)?.map(VolumeSource::Ephemeral),
            "projected" => Option::deserialize(deserializer)?.map(VolumeSource::Projected),
            "csi" => Option::deserialize(deserializer)?.map(VolumeSource::Csi),
            "configMap" => Option::deserialize(deserializer)?
                .map(|keys| ProjectedPart { config_map: Some(keys), ..Default::default() }.into()),
            "secret" => Option::deserialize(deserializer)?
                .map(|keys| ProjectedPart { secret: Some(keys), ..Default::default() }.into()),
            "downwardAPI" => {
                Option::<IgnoredAny>::deserialize(deserializer)?.map(|_| ProjectedPart::default().into())
            }
            "image" => Option::<IgnoredAny>::deserialize(deserializer)?.map(|_| VolumeSource::ReadOnly),
            other => Option::<IgnoredAny>::deserialize(deserializer)?.map(|_| {
                if OTHER_SOURCES.contains(&other) { VolumeSource::Other } else { VolumeSource::Unknown }
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_expected_type() {
        let error = serde_json::from_str::<Volume<'_>>("3").expect_err("a number");
        assert!(error.to_string().contains("expected a volume"), "{error}");
    }

    #[test]
    fn each_source_after_the_first_costs_an_item() {
        let exceeds_budget = |count: usize| {
            let sources: Vec<_> = (0..count).map(|key| format!("\"{key}\":0")).collect();
            let text = format!("{{\"name\":\"v\",{}}}", sources.join(","));
            let mut deserializer = serde_json::Deserializer::from_str(&text);
            crate::model::ItemBudget::new().seed::<Volume<'_>>().deserialize(&mut deserializer).is_err()
        };
        assert!(!exceeds_budget(5_001));
        assert!(exceeds_budget(5_002));
    }
}
