//! A model of Kubernetes objects: workloads, pods, volumes, mounts and node paths.
//!
//! The types contain only the fields that volcheck uses, treat null as absent, and borrow from the
//! input. They do not depend on source text, findings or HTTP: the location of a value is its
//! [`FieldPath`]. Only this module enumerates workload kinds and container lists, so a rule cannot
//! miss one.
//!
//! An input implements [`Decode`] or [`Node`]. JSON text implements only [`Decode`], because it is
//! decoded in one pass. A tree also implements [`Node`], so that it can be traversed.
//!
//! The kind of an object determines how its pods are found:
//!
//! - A built-in kind has a type in this module.
//! - A custom workload has path expressions ([`CustomWorkloads`]).
//! - In any other kind, pods are found by their structure.

mod binder;
mod binding_facts;
mod builtin;
mod claim;
mod container;
mod custom;
mod decode;
mod expression;
mod field_path;
mod host_path;
mod item_budget;
mod limits;
mod mark;
mod metadata;
mod object;
mod path_expression;
mod path_list;
mod pod;
mod quantity;
mod storage;
mod structure;
mod text;
mod value;
mod volume;

pub use binder::Binder;
pub use binding_facts::{
    AccessModes, ClaimFacts, ClaimName, Demand, RequestedClass, Requirement, Reservation, StorageClassFacts,
    VolumeFacts, split_ordinal,
};
pub use builtin::{decode_built_in, is_built_in};
pub use claim::{ClaimResources, ClaimSpec, ClaimTemplate, LabelExpression, LabelSelector};
pub use container::{
    Container, ContainerList, EnvFrom, EnvSource, EnvVar, FileKeyRef, Resources, SecurityContext, UseKind,
    VolumeDevice, VolumeMount, VolumeUse,
};
pub use custom::{CustomWorkload, CustomWorkloads, PodParts, pod_spec_patches};
pub use decode::{Decode, ExpectedType, FieldError, FieldErrorKind, FoundValue, Node, TypeMeta};
pub use expression::{Piece, expand, pieces};
pub use field_path::{FieldPath, Segment};
pub use host_path::{HostPath, PathPattern, Relation, clean_container_path};
pub(crate) use item_budget::ItemBudget;
pub use mark::Mark;
pub use metadata::{Metadata, OwnerReference};
pub use object::{Body, Object, ObjectId, Origin, Workload};
pub use path_expression::PathExpression;
pub use path_list::{HasPattern, PathList};
pub use pod::{ContainerMount, Pod, PodSpec};
pub use quantity::{Amount, Quantity};
pub use storage::{ClaimRef, LocalSource, PersistentVolumeSpec, StorageClass};
pub use structure::contains_patch_directive;
pub use text::{did_you_mean, printable, similar};
pub(crate) use value::nullable;
pub use value::{List, Map, Str};
pub use volume::{
    ClaimSource, EmptyDirSource, EphemeralSource, EphemeralTemplate, HostPathSource, ProjectedPart,
    ProjectedSource, Volume, VolumeSource, known_sources,
};

/// Decodes an object of any kind.
///
/// `namespace` is the default namespace, for objects that do not set one.
pub fn decode_object<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    namespace: &str,
    custom: &CustomWorkloads,
) -> Result<Object<'a>, FieldError> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct WithMetadata<'a> {
        #[serde(borrow, deserialize_with = "nullable")]
        metadata: Metadata<'a>,
    }

    if let Some(object) = decode_built_in(node, meta, namespace, Origin::Manifest) {
        return object;
    }
    let pods = match custom.get(meta.group(), &meta.kind) {
        Some(workload) => workload.decode_pods(node)?,
        None => structure::find_pods(node)?,
    };
    let metadata = node.decode::<WithMetadata<'a>>()?.metadata;
    let id = ObjectId::new(meta, &metadata, Some(namespace));
    let body = if pods.is_empty() { Body::Other } else { Body::Pods(pods) };
    limits::check(Object { workload: Workload::new(&id, &metadata), id, origin: Origin::Manifest, body })
}
