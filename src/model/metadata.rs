//! Object metadata.

use serde::Deserialize;

use super::value::{List, Map, Str, nullable};

/// The fields of `metadata` that volcheck uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The prefix of a name that the API server generates.
    #[serde(borrow)]
    pub generate_name: Str<'a>,
    #[serde(borrow)]
    pub namespace: Str<'a>,
    #[serde(borrow)]
    pub uid: Str<'a>,
    /// The time of the deletion request; empty if the object is not being deleted.
    #[serde(borrow)]
    pub deletion_timestamp: Str<'a>,
    #[serde(borrow)]
    pub labels: Map<'a>,
    #[serde(borrow)]
    pub annotations: Map<'a>,
    #[serde(borrow)]
    pub owner_references: List<OwnerReference<'a>>,
}

/// A reference to an owner of the object. It is not trustworthy: any user that can write the object
/// can set it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    #[serde(borrow)]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Whether the owner is the controller that manages the object.
    #[serde(deserialize_with = "nullable")]
    pub controller: bool,
}
