//! PersistentVolumes, claims and storage classes.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::field_path::FieldPath;
use super::object::Metadata;
use super::value::{List, Map, Str, nullable};
use super::volume::HostPathSource;

/// The spec of a PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeSpec<'a> {
    /// A file or folder of whatever node a Pod that claims it runs on.
    #[serde(borrow)]
    pub host_path: Option<HostPathSource<'a>>,
    /// A file or folder of the nodes that `nodeAffinity` names.
    #[serde(borrow)]
    pub local: Option<LocalSource<'a>>,
    /// How it may be mounted: by whom at once, not how.
    #[serde(borrow)]
    pub access_modes: List<Str<'a>>,
    /// The class whose claims it serves.
    #[serde(borrow)]
    pub storage_class_name: Str<'a>,
    /// `Filesystem`, or `Block`; empty is `Filesystem`.
    #[serde(borrow)]
    pub volume_mode: Str<'a>,
    /// What becomes of it when its claim is deleted; empty is `Retain`.
    #[serde(borrow)]
    pub persistent_volume_reclaim_policy: Str<'a>,
    /// The claim that it is kept for.
    #[serde(borrow)]
    pub claim_ref: Option<ClaimRef<'a>>,
    /// The nodes that it can be reached from.
    pub node_affinity: Option<IgnoredAny>,
}

/// `local` of a PersistentVolume. It has no type: the path must exist.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LocalSource<'a> {
    /// As the user wrote it.
    #[serde(borrow)]
    pub path: Str<'a>,
}

/// `claimRef` of a PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimRef<'a> {
    /// The claim's namespace.
    #[serde(borrow)]
    pub namespace: Str<'a>,
    /// The claim's name.
    #[serde(borrow)]
    pub name: Str<'a>,
}

/// The spec of a claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSpec<'a> {
    /// How it wants to be mounted.
    #[serde(borrow)]
    pub access_modes: List<Str<'a>>,
    /// Absent is not the same as empty once there is a default class.
    #[serde(borrow)]
    pub storage_class_name: Option<Str<'a>>,
    /// `Filesystem`, or `Block`; empty is `Filesystem`.
    #[serde(borrow)]
    pub volume_mode: Str<'a>,
    /// The PersistentVolume that it wants and no other.
    #[serde(borrow)]
    pub volume_name: Str<'a>,
    /// The labels of the PersistentVolumes that it takes.
    pub selector: Option<IgnoredAny>,
}

/// A claim of a StatefulSet's `volumeClaimTemplates`, or of its like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimTemplate<'a> {
    /// Its name is the volume's.
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Metadata<'a>,
    /// The claim's spec.
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: ClaimSpec<'a>,
    /// Where it stands in the object.
    #[serde(skip)]
    pub path: FieldPath,
}

/// A StorageClass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass<'a> {
    /// Its name and annotations.
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Metadata<'a>,
    /// Who makes its volumes.
    #[serde(borrow)]
    pub provisioner: Str<'a>,
    /// What becomes of them when their claim is deleted; empty is `Delete`.
    #[serde(borrow)]
    pub reclaim_policy: Str<'a>,
    /// When a claim is bound; empty is `Immediate`.
    #[serde(borrow)]
    pub volume_binding_mode: Str<'a>,
    /// What the provisioner wants to know.
    #[serde(borrow)]
    pub parameters: Map<'a>,
}
