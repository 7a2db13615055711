//! What Kubernetes says: objects, workloads, pods, volumes, mounts and the paths of nodes.
//!
//! The types are narrow (what no rule looks at is skipped unread), tolerant (null counts as absent) and
//! borrow from the input. They know neither text nor spans, neither findings nor HTTP: a place is a
//! [`FieldPath`]. Every container list and every kind of workload is visited here once, so that no rule
//! can forget one.

mod bounds;
mod container;
mod custom;
mod expression;
mod field_path;
mod host_path;
mod mark;
mod object;
mod path_list;
mod pod;
mod quantity;
mod read;
mod storage;
mod text;
mod value;
mod volume;

pub use container::{
    Container, ContainerList, EnvFrom, EnvSource, EnvVar, FileKeyRef, Resources, SecurityContext, UseKind,
    VolumeDevice, VolumeMount, VolumeUse,
};
pub use custom::{CustomKind, CustomKinds, Parts, PathExpression};
pub use expression::{Piece, expand, pieces};
pub use field_path::{FieldPath, Segment};
pub use host_path::{HostPath, PathPattern, Relation, container_path};
pub use mark::Mark;
pub use object::{Body, Metadata, Object, ObjectId, Origin, OwnerReference, Workload};
pub use path_list::{PathList, Patterned};
pub use pod::{MountOf, Placement, Pod, PodSettings, PodSpec};
pub use quantity::Quantity;
pub use read::{
    Decode, FieldError, Node, TypeMeta, holds_patch, is_built_in, pod_spec_patches, read, read_built_in,
};
pub use storage::{ClaimRef, ClaimSpec, ClaimTemplate, LocalSource, PersistentVolumeSpec, StorageClass};
pub use text::{meant, printable, similar};
pub use value::{List, Map, Str};
pub(crate) use value::{counted, nullable};
pub use volume::{
    ClaimSource, EmptyDirSource, EphemeralSource, EphemeralTemplate, HostPathSource, ProjectedPart,
    ProjectedSource, Source, Volume, known_sources,
};
