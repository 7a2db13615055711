//! A model of Kubernetes objects: workloads, pods, volumes, mounts and node paths.
//!
//! The types contain only the fields that volcheck uses, treat null as absent, and borrow from the
//! input. They do not depend on source text, findings or HTTP: the location of a value is its
//! [`FieldPath`]. Rules get the pods and the containers of an object from this module, so they
//! cannot miss a workload kind or a container list.
//!
//! Every input implements [`Decode`]. A tree also implements [`Node`], so that it can be traversed.
//! JSON text implements only [`Decode`], because it is decoded directly into the requested types.
//!
//! The kind of an object determines how its pods are found:
//!
//! - For a built-in kind, this module knows the fields with pod specs and pod templates.
//! - For a custom workload, path expressions locate the pods ([`CustomWorkloads`]).
//! - In any kind that is not built in, further pods are found by their structure.

mod binder;
mod binding_facts;
mod builtin;
mod claim;
mod connect;
mod container;
mod custom;
mod decode;
mod expression;
mod field_path;
mod host_mount;
mod host_path;
mod item_budget;
mod json_patch;
mod limits;
mod lookalike;
mod mark;
mod metadata;
mod misspelled_key;
mod node_affinity;
mod object;
mod openebs;
mod os;
mod path_expression;
mod path_list;
mod path_pattern;
mod pod;
mod quantity;
mod storage;
mod structure;
mod text;
mod value;
mod version;
mod volume;
mod windows_path;

pub use binder::Binder;
pub use binding_facts::{
    AccessModes, ClaimFacts, ClaimName, Demand, RequestedClass, Requirement, Reservation, StorageClassFacts,
    VolumeFacts, split_ordinal,
};
pub use builtin::{decode_built_in, is_built_in};
pub use claim::{ClaimResources, ClaimRetention, ClaimSpec, ClaimTemplate, LabelExpression, LabelSelector};
pub use container::{
    Container, ContainerList, EnvFrom, EnvSource, EnvVar, FileKeyRef, ReadOnlyField, Resources,
    SecurityContext, UseKind, VolumeDevice, VolumeMount, VolumeUse, WindowsOptions,
};
pub use custom::{CustomWorkload, CustomWorkloads, PodParts, YamlString, pod_spec_patches};
pub use decode::{Decode, ExpectedType, FieldError, FieldErrorKind, FoundValue, Node, TypeMeta};
pub use expression::{Piece, expand, pieces};
pub use field_path::{FieldPath, Segment};
pub use host_path::{HostPath, Relation, clean_container_path};
pub(crate) use item_budget::ItemBudget;
pub use lookalike::{MissingField, intended_type, missing_field, similar_kind};
pub use mark::Mark;
pub use metadata::{Metadata, OwnerReference};
pub use misspelled_key::{MisspelledKey, misspelled_field};
pub use object::{Body, Object, ObjectId, Origin, Workload};
pub use os::Os;
pub use path_expression::PathExpression;
pub use path_list::{HasPattern, PathList};
pub use path_pattern::PathPattern;
pub use pod::{ContainerMount, Pod, PodSpec};
pub use quantity::{Amount, Quantity};
pub use storage::{ClaimRef, LocalSource, PersistentVolumeSpec, StorageClass, VolumeNodeAffinity};
use structure::Found;
pub use structure::contains_patch_directive;
pub use text::{PathOwner, did_you_mean, marked_placeholder, placeholder, printable, similar};
pub(crate) use value::nullable;
pub use value::{List, Map, Str};
pub use version::KubernetesVersion;
pub use volume::{
    ClaimSource, CsiSource, EmptyDirSource, EphemeralSource, EphemeralTemplate, FileSource, HostPathForm,
    HostPathSource, KeySource, KeyToPath, ProjectedPart, ProjectedSource, Volume, VolumeSource,
    known_sources,
};

/// A decoded object, and the parts of it that are checked separately or not at all.
#[derive(Clone, Debug)]
pub struct Decoded<'a, N> {
    pub object: Object<'a>,
    /// The objects that the object contains as mappings. They are not part of its pods.
    pub embedded: Vec<N>,
    /// The fields that may contain a host path, but could not be checked. Examples are fields of
    /// unknown meaning, and paths with placeholders.
    pub unknown_host_paths: Vec<FieldPath>,
    /// The strings with YAML that may contain volumes.
    pub yaml_strings: Vec<YamlString>,
}

/// Decodes an object of any kind.
///
/// `namespace` is the default namespace, for objects that do not set one.
pub fn decode_object<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    namespace: &str,
    custom: &CustomWorkloads,
) -> Result<Decoded<'a, N>, FieldError> {
    match decode_built_in(node, meta, namespace, Origin::Manifest) {
        Some(object) => {
            let object = object?;
            let yaml_strings = openebs::yaml_annotations(&object);
            Ok(Decoded { object, embedded: Vec::new(), unknown_host_paths: Vec::new(), yaml_strings })
        }
        None => decode_custom(node, meta, namespace, custom.get(meta.group(), &meta.kind)),
    }
}

/// Returns the misspelled keys on the way from an object to its volumes and mounts. Searches
/// built-in kinds, and the pod templates and pod specs of custom workloads.
pub fn misspelled_keys<'a>(
    node: impl Node<'a>,
    meta: &TypeMeta<'_>,
    custom: &CustomWorkloads,
) -> Vec<MisspelledKey> {
    builtin::misspelled_keys(node, meta).unwrap_or_else(|| {
        let workload = custom.get(meta.group(), &meta.kind);
        workload.map_or_else(Vec::new, |workload| misspelled_key::find_in_custom(node, workload))
    })
}

/// Decodes an object of a kind outside of Kubernetes.
fn decode_custom<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    namespace: &str,
    workload: Option<&CustomWorkload>,
) -> Result<Decoded<'a, N>, FieldError> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct WithMetadata<'a> {
        #[serde(borrow, deserialize_with = "nullable")]
        metadata: Metadata<'a>,
    }

    // An object without volumes is not checked, so ignore fields of unexpected types in it.
    let is_relevant = |error: &FieldError| error.is_too_large() || structure::may_contain_volumes(node);
    let known = match workload.map(|workload| workload.decode_pods(node)) {
        Some(Err(error)) if is_relevant(&error) => return Err(error),
        known => known.and_then(Result::ok).unwrap_or_default(),
    };
    let found = structure::search(node, known.pods, &known.fields)?;
    let metadata = match node.decode::<WithMetadata<'a>>() {
        Err(error) if error.is_too_large() => return Err(error),
        Err(error) if !found.pods.is_empty() && is_relevant(&error) => return Err(error),
        decoded => decoded.unwrap_or_default().metadata,
    };
    let id = ObjectId::new(meta, &metadata, Some(namespace));
    let workload = Workload::new(&id, &metadata);
    let (annotations, origin) = (metadata.annotations, Origin::Manifest);
    with_content(Object { id, workload, origin, annotations, body: Body::Other }, found)
}

/// The content of a string that is a part of an object.
#[derive(Clone, Copy, Debug)]
pub enum Part<'w> {
    /// YAML, such as a list of volumes or the values of a Helm chart.
    Yaml {
        /// Whether the string contains values of a Helm chart, or is one of them.
        is_from_values: bool,
    },
    /// A JSON patch, or a mapping that is searched by structure. If a custom workload is given, the
    /// pods at its paths are also decoded.
    Fields(Option<&'w CustomWorkload>),
    /// A patch of a pod spec.
    PodSpec,
}

/// Decodes `node`, the content of a string in the object `outer`.
pub fn decode_part<'a, N: Node<'a>>(
    node: N,
    outer: &Object<'_>,
    part: Part<'_>,
) -> Result<Decoded<'a, N>, FieldError> {
    let found = match part {
        Part::Yaml { is_from_values } => structure::search_yaml(node, is_from_values)?,
        Part::Fields(workload) => match node.items() {
            Some(operations) => structure::search_patch(operations)?,
            None => {
                let pods = workload.map(|workload| workload.decode_pods(node)).transpose()?;
                let known = pods.unwrap_or_default();
                structure::search(node, known.pods, &known.fields)?
            }
        },
        Part::PodSpec => {
            let mut pod = Pod::new(FieldPath::root(), node.decode::<PodSpec<'a>>()?);
            (pod.is_complete, pod.is_heuristic) = (false, true);
            let (embedded, unknown_host_paths, yaml_strings) = (Vec::new(), Vec::new(), Vec::new());
            Found { pods: vec![pod], embedded, unknown_host_paths, yaml_strings }
        }
    };
    let (id, workload) = (outer.id.clone(), outer.workload.clone());
    let (annotations, origin) = (Map::default(), Origin::Manifest);
    with_content(Object { id, workload, origin, annotations, body: Body::Other }, found)
}

/// Adds the pods that were found to `object`. Moves host paths with placeholders to
/// `unknown_host_paths`.
fn with_content<'a, N>(mut object: Object<'a>, found: Found<'a, N>) -> Result<Decoded<'a, N>, FieldError> {
    let Found { pods, embedded, mut unknown_host_paths, yaml_strings } = found;
    if !pods.is_empty() {
        object.body = Body::Pods(pods);
    }
    unknown_host_paths.extend(object.remove_placeholders(PathOwner::Template));
    if let Err(error) = limits::check(&object) {
        // The chart might not use these values, so values that exceed a limit are not an error.
        object.retain_pods(|pod| !pod.is_from_values);
        limits::check(&object)?;
        unknown_host_paths.push(error.path);
    }
    Ok(Decoded { object, embedded, unknown_host_paths, yaml_strings })
}
