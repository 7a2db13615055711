//! Decoding of objects of built-in kinds. These are PersistentVolume, PersistentVolumeClaim,
//! StorageClass, and the Kubernetes kinds that contain a pod spec.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{ClaimRetention, ClaimSpec, ClaimTemplate};
use super::decode::{Decode, FieldError, Node, TypeMeta};
use super::field_path::FieldPath;
use super::limits;
use super::metadata::Metadata;
use super::misspelled_key::{self, MisspelledKey, Schema};
use super::object::{Body, Object, ObjectId, Origin, Workload};
use super::pod::{Pod, PodSpec, PodTemplate};
use super::storage::{PersistentVolumeSources, PersistentVolumeSpec, StorageClass};
use super::value::{List, nullable};

/// The structure of a built-in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `spec` is a pod spec.
    Pod,
    /// `template` is a pod template.
    PodTemplate,
    /// `spec.template` is a pod template.
    Workload,
    /// `spec.jobTemplate.spec.template` is a pod template.
    CronJob,
    /// `data.spec.template` is the pod template of a revision, which a rollback can restore.
    ControllerRevision,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
}

impl Shape {
    /// Returns the shape of a built-in kind, or `None` for any other kind. Accepts all API groups
    /// that have ever contained the kind, such as `extensions` for `Deployment`.
    fn new(group: &str, kind: &str) -> Option<Self> {
        Some(match (group, kind) {
            ("", "Pod") => Self::Pod,
            ("", "PodTemplate") => Self::PodTemplate,
            ("", "ReplicationController")
            | ("apps" | "extensions", "Deployment" | "ReplicaSet" | "DaemonSet")
            | ("apps", "StatefulSet")
            | ("batch" | "extensions", "Job") => Self::Workload,
            ("batch", "CronJob") => Self::CronJob,
            ("apps", "ControllerRevision") => Self::ControllerRevision,
            ("", "PersistentVolume") => Self::PersistentVolume,
            ("", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            ("storage.k8s.io", "StorageClass") => Self::StorageClass,
            _ => return None,
        })
    }

    /// Returns the keys on the path to the pod spec; empty if objects of the kind need not contain
    /// one.
    fn pod_spec_path(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["spec"],
            Self::PodTemplate => &["template", "spec"],
            Self::Workload => &["spec", "template", "spec"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template", "spec"],
            Self::ControllerRevision
            | Self::PersistentVolume
            | Self::PersistentVolumeClaim
            | Self::StorageClass => &[],
        }
    }

    /// Returns the fields that lead to volumes and mounts, or `None` if the kind has none.
    fn schema(self) -> Option<&'static Schema> {
        Some(match self {
            Self::Pod => &misspelled_key::POD,
            Self::PodTemplate => &misspelled_key::POD_TEMPLATE_OBJECT,
            Self::Workload => &misspelled_key::WORKLOAD,
            Self::CronJob => &misspelled_key::CRON_JOB,
            Self::PersistentVolume => &misspelled_key::PERSISTENT_VOLUME,
            Self::PersistentVolumeClaim => &misspelled_key::CLAIM,
            Self::ControllerRevision | Self::StorageClass => return None,
        })
    }

    fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::PersistentVolume | Self::StorageClass)
    }
}

/// Checks whether `kind` in the API group `group` is a built-in kind.
pub fn is_built_in(group: &str, kind: &str) -> bool {
    Shape::new(group, kind).is_some()
}

/// Returns the keys on the path to the pod spec of an object. Returns `None` if the kind is not
/// built in, and an empty slice if it has no pod spec or does not require all keys.
pub(super) fn pod_spec_path(meta: &TypeMeta<'_>) -> Option<&'static [&'static str]> {
    Shape::new(meta.group(), &meta.kind).map(Shape::pod_spec_path)
}

/// Returns the misspelled keys of an object of a built-in kind, or `None` for any other kind.
pub(super) fn misspelled_keys<'a>(node: impl Node<'a>, meta: &TypeMeta<'_>) -> Option<Vec<MisspelledKey>> {
    let schema = Shape::new(meta.group(), &meta.kind)?.schema();
    Some(schema.map_or_else(Vec::new, |schema| misspelled_key::find(node, schema)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WithSpec<'a, S: Default> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(deserialize_with = "nullable", bound(deserialize = "S: Deserialize<'de>"))]
    spec: S,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkloadSpec<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    template: PodTemplate<'a>,
    selector: Option<IgnoredAny>,
}

impl<'a> WorkloadSpec<'a> {
    fn into_pod(self, path: &FieldPath) -> Pod<'a> {
        Pod::from_template(&path.key("template"), self.template)
    }
}

/// The fields that only the spec of a StatefulSet has.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSettings<'a> {
    #[serde(borrow)]
    volume_claim_templates: List<ClaimTemplate<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    persistent_volume_claim_retention_policy: ClaimRetention<'a>,
}

impl<'a> ClaimSettings<'a> {
    /// Applies the settings in the spec at `path` to the pod.
    fn apply_to(self, pod: &mut Pod<'a>, path: &FieldPath) {
        pod.add_claim_templates(&path.key("volumeClaimTemplates"), self.volume_claim_templates.into_vec());
        let retention_path = path.key("persistentVolumeClaimRetentionPolicy");
        pod.claim_retention =
            ClaimRetention { path: retention_path, ..self.persistent_volume_claim_retention_policy };
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WithTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    template: PodTemplate<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CronJobSpec<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    job_template: JobTemplate<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JobTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    spec: WorkloadSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ControllerRevision<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    data: RevisionData<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RevisionData<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    spec: WorkloadSpec<'a>,
}

/// Decodes an object of a built-in kind. Returns `None` if the kind is not built in.
///
/// `namespace` is the default namespace, for objects that do not set one.
pub fn decode_built_in<'a>(
    input: impl Decode<'a>,
    meta: &TypeMeta<'_>,
    namespace: &str,
    origin: Origin,
) -> Option<Result<Object<'a>, FieldError>> {
    let shape = Shape::new(meta.group(), &meta.kind)?;
    Some(decode_body(input, shape, meta).and_then(|(metadata, body)| {
        let id = ObjectId::new(meta, &metadata, Some(namespace).filter(|_| !shape.is_cluster_scoped()));
        let workload = Workload::new(&id, &metadata);
        let object = Object { id, workload, origin, annotations: metadata.annotations, body };
        limits::check(&object).map(|()| object)
    }))
}

fn decode_body<'a>(
    input: impl Decode<'a>,
    shape: Shape,
    meta: &TypeMeta<'_>,
) -> Result<(Metadata<'a>, Body<'a>), FieldError> {
    Ok(match shape {
        Shape::Pod => {
            let object: WithSpec<'a, PodSpec<'a>> = input.decode()?;
            let mut pod = Pod::new(FieldPath::from_keys(&["spec"]), object.spec);
            pod.annotations = object.metadata.annotations.clone();
            pod.annotations_path = FieldPath::from_keys(&["metadata", "annotations"]);
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::PodTemplate => {
            let object: WithTemplate<'a> = input.decode()?;
            let pod = Pod::from_template(&FieldPath::from_keys(&["template"]), object.template);
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::Workload => {
            let object: WithSpec<'a, WorkloadSpec<'a>> = input.decode()?;
            // The API server rejects a workload of `apps/v1` without a selector, so such an object
            // is a fragment. In most other versions, the selector has a default.
            let is_fragment = &*meta.api_version == "apps/v1" && object.spec.selector.is_none();
            let path = FieldPath::from_keys(&["spec"]);
            let mut pod = object.spec.into_pod(&path);
            pod.is_complete &= !is_fragment;
            if &*meta.kind == "StatefulSet" {
                input.decode::<WithSpec<'a, ClaimSettings<'a>>>()?.spec.apply_to(&mut pod, &path);
            }
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::CronJob => {
            let object: WithSpec<'a, CronJobSpec<'a>> = input.decode()?;
            let path = FieldPath::from_keys(&["spec", "jobTemplate", "spec"]);
            (object.metadata, Body::Pods(vec![object.spec.job_template.spec.into_pod(&path)]))
        }
        Shape::ControllerRevision => {
            let object: ControllerRevision<'a> = input.decode()?;
            let mut pod = object.data.spec.into_pod(&FieldPath::from_keys(&["data", "spec"]));
            pod.is_complete = false;
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::PersistentVolume => {
            let object: WithSpec<'a, PersistentVolumeSpec<'a>> = input.decode()?;
            let PersistentVolumeSources(sources) =
                input.decode::<WithSpec<'a, PersistentVolumeSources>>()?.spec;
            let spec = PersistentVolumeSpec { sources, ..object.spec };
            (object.metadata, Body::PersistentVolume(Box::new(spec)))
        }
        Shape::PersistentVolumeClaim => {
            let object: WithSpec<'a, ClaimSpec<'a>> = input.decode()?;
            (object.metadata, Body::Claim(Box::new(object.spec)))
        }
        Shape::StorageClass => {
            let object: StorageClass<'a> = input.decode()?;
            (object.metadata.clone(), Body::StorageClass(Box::new(object)))
        }
    })
}
