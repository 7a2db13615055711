//! PersistentVolumes and StorageClasses.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::metadata::Metadata;
use super::quantity::Amount;
use super::value::{List, Map, Str, nullable};
use super::volume::{HostPathSource, known_sources};

/// The spec of a PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeSpec<'a> {
    /// A path on the node of each Pod that uses the volume.
    #[serde(borrow)]
    pub host_path: Option<HostPathSource<'a>>,
    /// A path on the nodes that `nodeAffinity` selects.
    #[serde(borrow)]
    pub local: Option<LocalSource<'a>>,
    /// The capacity by resource. Kubernetes requires `storage`.
    #[serde(borrow)]
    pub capacity: Map<'a, Amount>,
    /// The access modes, which limit how many nodes or Pods can mount the volume at once. They do
    /// not make a mount read-only.
    #[serde(borrow)]
    pub access_modes: List<Str<'a>>,
    /// The class of the claims that the volume may be bound to.
    #[serde(borrow)]
    pub storage_class_name: Str<'a>,
    /// `Filesystem` or `Block`; empty means `Filesystem`.
    #[serde(borrow)]
    pub volume_mode: Str<'a>,
    /// The policy that applies after the claim is deleted; empty means `Retain`.
    #[serde(borrow)]
    pub persistent_volume_reclaim_policy: Str<'a>,
    /// The claim that the volume is bound to or reserved for.
    #[serde(borrow)]
    pub claim_ref: Option<ClaimRef<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub node_affinity: VolumeNodeAffinity,
    /// The keys of the volume sources, in input order. A valid PersistentVolume has one.
    #[serde(skip)]
    pub sources: Vec<&'static str>,
}

/// `nodeAffinity` of a PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VolumeNodeAffinity {
    /// Set if only some nodes can access the volume.
    pub required: Option<IgnoredAny>,
}

/// The spec of a PersistentVolume, reduced to the keys of its volume sources.
#[derive(Default)]
pub(super) struct PersistentVolumeSources(pub(super) Vec<&'static str>);

impl<'de> Deserialize<'de> for PersistentVolumeSources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = PersistentVolumeSources;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut sources = Vec::new();
                while let Some(key) = entries.next_key::<Str<'de>>()? {
                    let known = known_sources().chain(["local"]).find(|known| *known == &*key);
                    // A null value counts as absent.
                    let source = entries.next_value::<Option<IgnoredAny>>()?.and(known);
                    sources.extend(source.filter(|source| !sources.contains(source)));
                }
                Ok(PersistentVolumeSources(sources))
            }
        }
        deserializer.deserialize_map(KeyVisitor)
    }
}

/// `local` of a PersistentVolume. It has no file type, and the path must exist.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LocalSource<'a> {
    /// The path on the node, as in the input.
    #[serde(borrow)]
    pub path: Str<'a>,
}

/// `claimRef` of a PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimRef<'a> {
    #[serde(borrow)]
    pub namespace: Str<'a>,
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The UID of the claim that the volume is bound to; empty if it is only reserved.
    #[serde(borrow)]
    pub uid: Str<'a>,
}

/// A StorageClass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Metadata<'a>,
    #[serde(borrow)]
    pub provisioner: Str<'a>,
    /// The reclaim policy of the volumes of this class; empty means `Delete`.
    #[serde(borrow)]
    pub reclaim_policy: Str<'a>,
    /// `Immediate` or `WaitForFirstConsumer`; empty means `Immediate`.
    #[serde(borrow)]
    pub volume_binding_mode: Str<'a>,
    /// The parameters of the provisioner.
    #[serde(borrow)]
    pub parameters: Map<'a>,
}
