//! From input to objects: which kinds hold what, and where.
//!
//! Built-in kinds have their shapes here, other kinds a table of paths ([`CustomKinds`]); what is in
//! neither is read by its looks. The input is anything that implements [`Decode`] (an object of JSON,
//! decoded at once) or [`Node`] (a tree that can be walked).

use std::borrow::Cow;

use serde::Deserialize;

use super::bounds::bounded;
use super::container::{Container, ContainerList};
use super::custom::{CustomKinds, Parts, Step};
use super::field_path::{FieldPath, Segment};
use super::object::{Body, Metadata, Object, ObjectId, Origin, Workload};
use super::pod::{Placement, Pod, PodSpec};
use super::storage::{ClaimSpec, ClaimTemplate, PersistentVolumeSpec, StorageClass};
use super::value::{List, Str, counted, nullable};
use super::volume::Volume;

/// Why a field doesn't hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// The field, from the value that was decoded.
    pub path: FieldPath,
    /// What is wrong, in one clause.
    pub message: String,
    /// Whether it is the key there that is wrong, not its value.
    pub is_key: bool,
    /// Whether it holds what it should, and more than can be judged.
    pub is_bound: bool,
}

impl FieldError {
    /// An error about the value at `path`.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), is_key: false, is_bound: false }
    }

    /// An error about more than can be judged, at `path`.
    pub(super) fn of_bound(path: FieldPath, message: impl Into<String>) -> Self {
        Self { is_bound: true, ..Self::new(path, message) }
    }

    fn within(mut self, outer: &FieldPath) -> Self {
        self.path = outer.join(&self.path);
        self
    }
}

/// An input that can be decoded.
pub trait Decode<'a>: Copy {
    /// The input as a `T`, of any size.
    fn decode_all<T: Deserialize<'a>>(self) -> Result<T, FieldError>;

    /// The input as a `T`, where it hasn't more items than can be judged.
    fn decode<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        let (decoded, are_too_many) = counted(|| self.decode_all());
        decoded.map_err(|error| FieldError { is_bound: are_too_many, ..error })
    }
}

/// An input that can be walked, too; nulls are absent.
pub trait Node<'a>: Decode<'a> {
    /// The value of a mapping's key.
    fn get(self, key: &str) -> Option<Self>;
    /// A mapping's keys and values; none for anything else.
    fn entries(self) -> Vec<(Cow<'a, str>, Self)>;
    /// A list's items, nulls too; none for anything else.
    fn items(self) -> Option<Vec<Self>>;
}

/// `apiVersion` and `kind`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypeMeta<'a> {
    /// Group and version, such as `apps/v1`.
    #[serde(borrow)]
    pub api_version: Str<'a>,
    /// The kind.
    #[serde(borrow)]
    pub kind: Str<'a>,
}

impl TypeMeta<'_> {
    /// The group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&*self.api_version, |(_, version)| version)
    }
}

/// The shapes of built-in kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The spec is a pod spec.
    Pod,
    /// The template stands beside the metadata.
    PodTemplate,
    /// The spec has a template.
    Template,
    /// The spec has a template of a Job.
    CronJob,
    /// The template stands in the data of a revision, which a rollback applies.
    Revision,
    PersistentVolume,
    Claim,
    StorageClass,
}

/// Whether a kind of the group is built in, and its shape; in every version that it ever had.
fn shape(group: &str, kind: &str) -> Option<Shape> {
    Some(match (group, kind) {
        ("", "Pod") => Shape::Pod,
        ("", "PodTemplate") => Shape::PodTemplate,
        ("", "ReplicationController") => Shape::Template,
        ("apps" | "extensions", "Deployment" | "ReplicaSet" | "DaemonSet") | ("apps", "StatefulSet") => {
            Shape::Template
        }
        ("batch" | "extensions", "Job") => Shape::Template,
        ("batch", "CronJob") => Shape::CronJob,
        ("apps", "ControllerRevision") => Shape::Revision,
        ("", "PersistentVolume") => Shape::PersistentVolume,
        ("", "PersistentVolumeClaim") => Shape::Claim,
        ("storage.k8s.io", "StorageClass") => Shape::StorageClass,
        _ => return None,
    })
}

/// Whether the kind is one of those that volcheck judges wherever they come from.
pub fn is_built_in(group: &str, kind: &str) -> bool {
    shape(group, kind).is_some()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Headed<'a, S: Default> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(deserialize_with = "nullable", bound(deserialize = "S: Deserialize<'de>"))]
    spec: S,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TemplateSpec<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    template: PodTemplate<'a>,
    #[serde(borrow)]
    volume_claim_templates: List<ClaimTemplate<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: PodSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodTemplateObject<'a> {
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
    spec: TemplateSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Revision<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    data: RevisionData<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RevisionData<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    spec: TemplateSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HeadOnly<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
}

/// An object of a built-in kind; none where its kind isn't.
///
/// `namespace` is that of objects that name none.
pub fn read_built_in<'a>(
    input: impl Decode<'a>,
    meta: &TypeMeta<'_>,
    namespace: &str,
    origin: Origin,
) -> Option<Result<Object<'a>, FieldError>> {
    let shape = shape(meta.group(), &meta.kind)?;
    Some(read_shape(input, shape).and_then(|(metadata, body)| {
        let cluster_scoped = matches!(shape, Shape::PersistentVolume | Shape::StorageClass);
        let id = object_id(meta, &metadata, if cluster_scoped { None } else { Some(namespace) });
        bounded(Object { workload: Workload::of(&id, &metadata), id, origin, body })
    }))
}

fn read_shape<'a>(input: impl Decode<'a>, shape: Shape) -> Result<(Metadata<'a>, Body<'a>), FieldError> {
    Ok(match shape {
        Shape::Pod => {
            let mut object: Headed<'a, PodSpec<'a>> = input.decode()?;
            let mut pod = Pod::new(FieldPath::of(&["spec"]), object.spec);
            pod.annotations = std::mem::take(&mut object.metadata.annotations);
            pod.annotations_path = FieldPath::of(&["metadata", "annotations"]);
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::PodTemplate => {
            let object: PodTemplateObject<'a> = input.decode()?;
            (object.metadata, Body::Pods(vec![of_template(&FieldPath::of(&["template"]), object.template)]))
        }
        Shape::Template => {
            let object: Headed<'a, TemplateSpec<'a>> = input.decode()?;
            (object.metadata, Body::Pods(vec![of_template_spec(&FieldPath::of(&["spec"]), object.spec)]))
        }
        Shape::CronJob => {
            let object: Headed<'a, CronJobSpec<'a>> = input.decode()?;
            let path = FieldPath::of(&["spec", "jobTemplate", "spec"]);
            (object.metadata, Body::Pods(vec![of_template_spec(&path, object.spec.job_template.spec)]))
        }
        Shape::Revision => {
            let object: Revision<'a> = input.decode()?;
            let mut pod = of_template_spec(&FieldPath::of(&["data", "spec"]), object.data.spec);
            pod.is_whole = false;
            (object.metadata, Body::Pods(vec![pod]))
        }
        Shape::PersistentVolume => {
            let object: Headed<'a, PersistentVolumeSpec<'a>> = input.decode()?;
            (object.metadata, Body::PersistentVolume(Box::new(object.spec)))
        }
        Shape::Claim => {
            let object: Headed<'a, ClaimSpec<'a>> = input.decode()?;
            (object.metadata, Body::Claim(Box::new(object.spec)))
        }
        Shape::StorageClass => {
            let object: StorageClass<'a> = input.decode()?;
            (object.metadata.clone(), Body::StorageClass(Box::new(object)))
        }
    })
}

fn of_template<'a>(path: &FieldPath, template: PodTemplate<'a>) -> Pod<'a> {
    let mut pod = Pod::new(path.key("spec"), template.spec);
    pod.annotations = template.metadata.annotations;
    pod.annotations_path = path.key("metadata").key("annotations");
    pod
}

fn of_template_spec<'a>(path: &FieldPath, spec: TemplateSpec<'a>) -> Pod<'a> {
    let mut pod = of_template(&path.key("template"), spec.template);
    pod.add_claim_templates(&path.key("volumeClaimTemplates"), spec.volume_claim_templates.into_vec());
    pod
}

fn object_id(meta: &TypeMeta<'_>, metadata: &Metadata<'_>, namespace: Option<&str>) -> ObjectId {
    let named =
        |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    ObjectId {
        group: meta.group().to_owned(),
        version: meta.version().to_owned(),
        kind: meta.kind.to_string(),
        namespace: namespace.map_or_else(String::new, |default| named(&metadata.namespace, default)),
        name: named(&metadata.name, &metadata.generate_name),
    }
}

/// The object that `node` is, of any kind.
pub fn read<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    namespace: &str,
    custom: &CustomKinds,
) -> Result<Object<'a>, FieldError> {
    if let Some(object) = read_built_in(node, meta, namespace, Origin::Manifest) {
        return object;
    }
    let pods = match custom.get(meta.group(), &meta.kind) {
        Some(kind) => {
            let mut pods = Vec::new();
            for path in &kind.pod_templates {
                for (at, found) in path.find(node) {
                    let template = found.decode::<PodTemplate<'a>>().map_err(|error| error.within(&at))?;
                    pods.push(of_template(&at, template));
                }
            }
            for path in &kind.pod_specs {
                for (at, found) in path.find(node) {
                    pods.push(Pod::new(
                        at.clone(),
                        found.decode::<PodSpec<'a>>().map_err(|error| error.within(&at))?,
                    ));
                }
            }
            for parts in &kind.parts {
                read_parts(node, parts, &mut pods)?;
            }
            if kind.is_fragment {
                pods.iter_mut().for_each(|pod| pod.is_whole = false);
            }
            pods
        }
        None => {
            let mut pods = Vec::new();
            find_by_structure(node, &FieldPath::root(), &mut pods)?;
            pods
        }
    };
    let metadata = node.decode::<HeadOnly<'a>>()?.metadata;
    let id = object_id(meta, &metadata, Some(namespace));
    let body = if pods.is_empty() { Body::Other } else { Body::Pods(pods) };
    bounded(Object { workload: Workload::of(&id, &metadata), id, origin: Origin::Manifest, body })
}

/// Pods whose volumes and containers stand in several places of an object.
///
/// A volume that several pods share is judged with those that mount it; where none does, with the first.
fn read_parts<'a, N: Node<'a>>(node: N, parts: &Parts, pods: &mut Vec<Pod<'a>>) -> Result<(), FieldError> {
    let first = pods.len();
    for (base, found) in parts.each.find(node) {
        let mut pod = Pod { path: base.clone(), is_whole: true, ..Pod::default() };
        pod.spec = found.decode::<Placement<'a>>().map_err(|error| error.within(&base))?.into();
        // What else binds it may stand elsewhere.
        pod.spec.is_pinned = pod.spec.is_pinned.filter(|pinned| *pinned);
        for (at, list) in parts.volumes.iter().flat_map(|path| path.find(found)) {
            pod.add_volumes(&base.join(&at), read_list(list, &base.join(&at))?);
        }
        for (kind, paths) in
            [(ContainerList::Init, &parts.init_containers), (ContainerList::Main, &parts.containers)]
        {
            for (at, found) in paths.iter().flat_map(|path| path.find(found)) {
                let at = base.join(&at);
                if found.items().is_some() {
                    pod.add_containers(kind, &at, read_list(found, &at)?);
                } else {
                    let mut container: Container<'a> = found.decode().map_err(|error| error.within(&at))?;
                    (container.list, container.path) = (kind, at);
                    pod.containers.push(container);
                }
            }
        }
        for (at, list) in parts.claim_templates.iter().flat_map(|path| path.find(node)) {
            pod.add_claim_templates(&at, read_list(list, &at)?);
        }
        pods.push(pod);
    }
    for (at, list) in parts.shared_volumes.iter().flat_map(|path| path.find(node)) {
        for (index, volume) in read_list::<N, Volume<'a>>(list, &at)?.into_iter().enumerate() {
            share(Volume { path: at.index(index), ..volume }, &mut pods[first..]);
        }
    }
    let holds = |pod: &mut Pod<'a>| !pod.volumes.is_empty() || !pod.containers.is_empty();
    let mut made = pods.split_off(first);
    made.retain_mut(holds);
    pods.append(&mut made);
    Ok(())
}

fn read_list<'a, N: Node<'a>, T: Deserialize<'a> + Default>(
    list: N,
    at: &FieldPath,
) -> Result<Vec<T>, FieldError> {
    list.decode::<List<T>>().map(List::into_vec).map_err(|error| error.within(at))
}

fn share<'a>(volume: Volume<'a>, pods: &mut [Pod<'a>]) {
    let mounted = |pod: &Pod<'a>| pod.mounts_of(&volume.name).next().is_some();
    let mut users: Vec<usize> = (0..pods.len()).filter(|index| mounted(&pods[*index])).collect();
    if users.is_empty() && !pods.is_empty() {
        users.push(0);
    }
    for index in users {
        // A volume of the pod's own goes before a shared one of the same name.
        if pods[index].volume(&volume.name).is_none() {
            pods[index].add_volume(volume.clone());
        }
    }
}

/// Patches of pod specs that the object holds as text, and where: Argo's `podSpecPatch`.
pub fn pod_spec_patches<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    custom: &CustomKinds,
) -> Vec<(FieldPath, Str<'a>)> {
    let Some(kind) = custom.get(meta.group(), &meta.kind) else { return Vec::new() };
    let mut patches = Vec::new();
    for parts in kind.parts.iter().filter(|parts| !parts.pod_spec_patch.is_empty()) {
        for (base, found) in parts.each.find(node) {
            for (at, text) in parts.pod_spec_patch.iter().flat_map(|path| path.find(found)) {
                // What is no text patches nothing.
                patches.extend(text.decode::<Str<'a>>().ok().map(|text| (base.join(&at), text)));
            }
        }
    }
    patches
}

/// Whether the node holds a `$patch` key, so that it is part of an object.
pub fn holds_patch<'a, N: Node<'a>>(node: N) -> bool {
    if let Some(items) = node.items() {
        return items.into_iter().any(holds_patch);
    }
    node.entries().into_iter().any(|(key, value)| key == "$patch" || holds_patch(value))
}

/// Finds pod specs by their looks: a mapping with a list `containers` of mappings.
///
/// What looks like one and doesn't decode as one, but for its size, is none: an object of a kind that isn't known may mean
/// anything by these words, and its Pods are judged when they come.
fn find_by_structure<'a, N: Node<'a>>(
    node: N,
    path: &FieldPath,
    pods: &mut Vec<Pod<'a>>,
) -> Result<(), FieldError> {
    if let Some(items) = node.items() {
        for (index, item) in items.into_iter().enumerate() {
            find_by_structure(item, &path.index(index), pods)?;
        }
        return Ok(());
    }
    let entries = node.entries();
    let is_mapping = |item: &N| !item.entries().is_empty();
    let containers = entries.iter().find(|(key, _)| key == "containers").and_then(|(_, value)| value.items());
    if containers.is_some_and(|items| !items.is_empty() && items.iter().all(is_mapping)) {
        match node.decode::<PodSpec<'a>>() {
            Ok(spec) => {
                let mut pod = Pod::new(path.clone(), spec);
                (pod.is_heuristic, pod.is_whole) = (true, false);
                pods.push(pod);
                return Ok(());
            }
            Err(error) if error.is_bound => return Err(error.within(path)),
            Err(_) => {}
        }
    }
    for (key, value) in entries {
        find_by_structure(value, &path.with(Segment::Key(Cow::Owned(key.into_owned()))), pods)?;
    }
    Ok(())
}

impl Step {
    /// The values that this step leads to.
    pub(super) fn follow<'a, N: Node<'a>>(&self, node: N) -> Vec<(Segment, N)> {
        match self {
            Self::Key(key) => {
                let found = node.get(key).map(|value| (Segment::Key(Cow::Owned(key.clone())), value));
                found.into_iter().collect()
            }
            Self::EachItem => {
                let items = node.items().unwrap_or_default();
                items.into_iter().enumerate().map(|(index, item)| (Segment::Index(index), item)).collect()
            }
            Self::EachValue => {
                let entries = node.entries();
                entries
                    .into_iter()
                    .map(|(key, value)| (Segment::Key(Cow::Owned(key.into_owned())), value))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_is_a_group_and_a_version() {
        let of = |text: &str| TypeMeta { api_version: Str::owned(text), kind: Str::owned("K") };
        assert_eq!((of("apps/v1").group(), of("apps/v1").version()), ("apps", "v1"));
        assert_eq!((of("v1").group(), of("v1").version()), ("", "v1"));
    }
}
