//! Volumes of a pod.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::field_path::FieldPath;
use super::quantity::Quantity;
use super::storage::ClaimSpec;
use super::value::{List, Str, count_item, nullable};

/// A volume of a pod spec: its name, and every other key that isn't null.
#[derive(Clone, Debug, Default)]
pub struct Volume<'a> {
    /// Its name in the pod; empty where there is none, which the API server refuses.
    pub name: Str<'a>,
    /// What is written beside the name, in order.
    pub sources: Vec<(Str<'a>, Source<'a>)>,
    /// Where it stands in the object.
    pub path: FieldPath,
}

/// Where a volume's content comes from.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// A file or folder of the node.
    HostPath(HostPathSource<'a>),
    /// An empty folder that lives as long as the Pod.
    EmptyDir(EmptyDirSource<'a>),
    /// A claim of the Pod's namespace.
    Claim(ClaimSource<'a>),
    /// A claim that is made and deleted with the Pod.
    Ephemeral(EphemeralSource<'a>),
    /// `configMap`, `secret`, `downwardAPI` or `image`: always read-only.
    ReadOnly,
    /// Several of those in one; always read-only.
    Projected(ProjectedSource),
    /// Any other source that Kubernetes knows.
    Other,
    /// A key that Kubernetes doesn't know.
    Unknown,
}

/// `hostPath`, of a volume or a PersistentVolume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct HostPathSource<'a> {
    /// As the user wrote it.
    #[serde(borrow)]
    pub path: Str<'a>,
    /// What the kubelet is to find there; absent and empty are the same to Kubernetes.
    #[serde(rename = "type", borrow)]
    pub kind: Option<Str<'a>>,
}

/// `emptyDir`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EmptyDirSource<'a> {
    /// Where it lives: empty for the node's disk.
    #[serde(borrow)]
    pub medium: Str<'a>,
    /// How much it may hold before the Pod is evicted.
    pub size_limit: Option<Quantity>,
}

/// `persistentVolumeClaim`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSource<'a> {
    /// The claim's name.
    #[serde(borrow)]
    pub claim_name: Str<'a>,
    /// Makes every mount of it read-only.
    #[serde(deserialize_with = "nullable")]
    pub read_only: bool,
}

/// `ephemeral`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EphemeralSource<'a> {
    /// What the claim is made of.
    #[serde(borrow, deserialize_with = "nullable")]
    pub volume_claim_template: EphemeralTemplate<'a>,
}

/// The template of a generic ephemeral claim.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct EphemeralTemplate<'a> {
    /// The claim's spec.
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: ClaimSpec<'a>,
}

/// `projected`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ProjectedSource {
    /// What is projected.
    pub sources: List<ProjectedPart>,
}

/// One source of a projected volume.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProjectedPart {
    /// A token of the Pod's ServiceAccount.
    pub service_account_token: Option<IgnoredAny>,
}

/// The keys of a volume that Kubernetes 1.37 knows, those apart that are decoded further (`core/v1/types.go`).
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

/// The keys of the sources that are decoded further.
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

/// The keys of all sources that Kubernetes knows.
pub fn known_sources() -> impl Iterator<Item = &'static str> {
    DECODED_SOURCES.iter().chain(OTHER_SOURCES).copied()
}

impl<'a> Volume<'a> {
    /// The source, where there is just one that Kubernetes knows.
    pub fn source(&self) -> Option<&Source<'a>> {
        let mut known = self.sources.iter().filter(|(_, source)| !matches!(source, Source::Unknown));
        match (known.next(), known.next()) {
            (Some((_, source)), None) => Some(source),
            _ => None,
        }
    }

    /// The `hostPath`, also where other sources stand beside it.
    pub fn host_path(&self) -> Option<&HostPathSource<'a>> {
        self.sources.iter().find_map(|(_, source)| match source {
            Source::HostPath(host_path) => Some(host_path),
            _ => None,
        })
    }

    /// The `emptyDir`, written out or implied by the absence of every source; an unknown key implies it too,
    /// since the API server drops it. None where other sources stand beside it, which the API server refuses.
    pub fn empty_dir(&self) -> Option<EmptyDirSource<'a>> {
        let mut known =
            self.sources.iter().map(|(_, source)| source).filter(|s| !matches!(s, Source::Unknown));
        match (known.next(), known.next()) {
            (None, _) => Some(EmptyDirSource::default()),
            (Some(Source::EmptyDir(source)), None) => Some(source.clone()),
            _ => None,
        }
    }

    /// Whether it brings a token of the Pod's ServiceAccount that Kubernetes renews.
    pub fn is_token(&self) -> bool {
        let parts = match self.source() {
            Some(Source::Projected(projected)) => &projected.sources,
            _ => return false,
        };
        parts.iter().any(|part| part.service_account_token.is_some())
    }

    /// Whether the API server itself adds such a volume to nearly every Pod (`kube-api-access-x2x4v`).
    pub fn is_api_access(&self) -> bool {
        self.name.starts_with("kube-api-access-") && self.is_token()
    }

    /// The key of its source, where there is just one that Kubernetes knows.
    pub fn source_key(&self) -> Option<&str> {
        self.source()?;
        self.known_sources().next().map(|(key, _)| key)
    }

    /// Its sources that Kubernetes knows, with their keys.
    pub fn known_sources(&self) -> impl Iterator<Item = (&str, &Source<'a>)> {
        let known = self.sources.iter().filter(|(_, source)| !matches!(source, Source::Unknown));
        known.map(|(key, source)| (&**key, source))
    }

    /// Whether every mount of it is read-only, whatever the mount says.
    pub fn is_always_read_only(&self) -> bool {
        match self.source() {
            Some(Source::ReadOnly | Source::Projected(_)) => true,
            Some(Source::Claim(claim)) => claim.read_only,
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
                    let source = match &*key {
                        "name" => {
                            volume.name = entries.next_value()?;
                            continue;
                        }
                        "hostPath" => entries.next_value::<Option<_>>()?.map(Source::HostPath),
                        "emptyDir" => entries.next_value::<Option<_>>()?.map(Source::EmptyDir),
                        "persistentVolumeClaim" => entries.next_value::<Option<_>>()?.map(Source::Claim),
                        "ephemeral" => entries.next_value::<Option<_>>()?.map(Source::Ephemeral),
                        "projected" => entries.next_value::<Option<_>>()?.map(Source::Projected),
                        "configMap" | "secret" | "downwardAPI" | "image" => {
                            entries.next_value::<Option<IgnoredAny>>()?.map(|_| Source::ReadOnly)
                        }
                        other => {
                            let known = OTHER_SOURCES.contains(&other);
                            let value = entries.next_value::<Option<IgnoredAny>>()?;
                            value.map(|_| if known { Source::Other } else { Source::Unknown })
                        }
                    };
                    if let Some(source) = source {
                        // What has several isn't valid, and each is judged.
                        if !volume.sources.is_empty() {
                            count_item()?;
                        }
                        volume.sources.push((key, source));
                    }
                }
                Ok(volume)
            }
        }
        deserializer.deserialize_struct("Volume", &[], VolumeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_volume_is() {
        let error = serde_json::from_str::<Volume<'_>>("3").expect_err("a number");
        assert!(error.to_string().contains("expected a volume"), "{error}");
    }
}
