//! The volumes of a pod.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::claim::ClaimSpec;
use super::field_path::FieldPath;
use super::item_budget::Item;
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
    Ephemeral(EphemeralSource<'a>),
    /// `configMap`, `secret`, `downwardAPI` or `image`: always read-only.
    ReadOnly,
    /// Several sources, such as ConfigMaps and Secrets, in one volume: always read-only.
    Projected(ProjectedSource),
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
}

/// `emptyDir`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EmptyDirSource<'a> {
    /// `Memory` for a tmpfs; empty for the node's disk.
    #[serde(borrow)]
    pub medium: Str<'a>,
    /// The size above which the kubelet evicts the Pod or, in memory, writes fail.
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

/// The claim template of an ephemeral volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct EphemeralTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: ClaimSpec<'a>,
}

/// `projected`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ProjectedSource {
    pub sources: List<ProjectedPart>,
}

/// One source of a projected volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProjectedPart {
    /// Set if the source is a token of the Pod's ServiceAccount.
    pub service_account_token: Option<IgnoredAny>,
}

/// The volume sources of Kubernetes 1.37 (`core/v1/types.go`) that are not in [`DECODED_SOURCES`].
const OTHER_SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
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

/// The volume sources that have a variant of [`VolumeSource`].
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
];

/// Returns the keys of all volume sources of Kubernetes.
pub fn known_sources() -> impl Iterator<Item = &'static str> {
    DECODED_SOURCES.iter().chain(OTHER_SOURCES).copied()
}

impl<'a> Volume<'a> {
    /// Returns the source if the volume has exactly one that Kubernetes knows.
    pub fn source(&self) -> Option<&VolumeSource<'a>> {
        self.only_source().map(|(_, source)| source)
    }

    /// Returns the key of the source if the volume has exactly one that Kubernetes knows.
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

    /// Returns the `hostPath`, even if the volume has other sources.
    pub fn host_path(&self) -> Option<&HostPathSource<'a>> {
        self.sources.iter().find_map(|(_, source)| match source {
            VolumeSource::HostPath(host_path) => Some(host_path),
            _ => None,
        })
    }

    /// Returns the `emptyDir`, explicit or implied.
    ///
    /// A volume without a source is an `emptyDir`. So is a volume that has only unknown keys,
    /// if the API server drops them. Returns `None` if there are several sources, which the API
    /// server rejects.
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
                    // A valid volume has one source. Each additional source costs as much as a list
                    // item.
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

/// A seed that decodes the source with this key. Null decodes to `None`.
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
            "configMap" | "secret" | "downwardAPI" | "image" => {
                Option::<IgnoredAny>::deserialize(deserializer)?.map(|_| VolumeSource::ReadOnly)
            }
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
