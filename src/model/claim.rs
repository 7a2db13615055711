//! PersistentVolumeClaims and claim templates.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::field_path::FieldPath;
use super::metadata::Metadata;
use super::quantity::Amount;
use super::value::{List, Map, Str, nullable};

/// The spec of a PersistentVolumeClaim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSpec<'a> {
    #[serde(borrow)]
    pub access_modes: List<Str<'a>>,
    /// The storage class. An empty name requests a volume without a class; `None` requests the
    /// default class.
    #[serde(borrow)]
    pub storage_class_name: Option<Str<'a>>,
    /// `Filesystem` or `Block`; empty means `Filesystem`.
    #[serde(borrow)]
    pub volume_mode: Str<'a>,
    /// The name of the PersistentVolume to bind to; empty for any.
    #[serde(borrow)]
    pub volume_name: Str<'a>,
    /// The resources that the volume must have.
    #[serde(borrow, deserialize_with = "nullable")]
    pub resources: ClaimResources<'a>,
    /// Set if the claim selects PersistentVolumes by label.
    #[serde(borrow)]
    pub selector: Option<LabelSelector<'a>>,
    /// Set if the volume is a copy of another volume or of a snapshot.
    pub data_source: Option<IgnoredAny>,
    pub data_source_ref: Option<IgnoredAny>,
}

/// `persistentVolumeClaimRetentionPolicy` of a StatefulSet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimRetention<'a> {
    /// `Delete` if the claims are deleted with the StatefulSet; empty means `Retain`.
    #[serde(borrow)]
    pub when_deleted: Str<'a>,
    /// `Delete` if the claims of Pods above the number of replicas are deleted; empty means
    /// `Retain`.
    #[serde(borrow)]
    pub when_scaled: Str<'a>,
    /// The path of the policy in the object.
    #[serde(skip)]
    pub path: FieldPath,
}

/// `resources` of a PersistentVolumeClaim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimResources<'a> {
    #[serde(borrow)]
    pub requests: Map<'a, Amount>,
}

/// A label selector. All requirements must match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector<'a> {
    #[serde(borrow)]
    pub match_labels: Map<'a>,
    #[serde(borrow)]
    pub match_expressions: List<LabelExpression<'a>>,
}

/// An entry of `matchExpressions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LabelExpression<'a> {
    #[serde(borrow)]
    pub key: Str<'a>,
    #[serde(borrow)]
    pub operator: Str<'a>,
    #[serde(borrow)]
    pub values: List<Str<'a>>,
}

/// An entry of `volumeClaimTemplates` of a StatefulSet or a similar workload.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimTemplate<'a> {
    /// The metadata of the claim. Its name is also the name of the volume.
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: ClaimSpec<'a>,
    /// The path of the template in the object.
    #[serde(skip)]
    pub path: FieldPath,
}
