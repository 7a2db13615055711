//! Custom workloads: kinds outside of Kubernetes for which volcheck knows the fields that define
//! pods. Policies can add more.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::container::{Container, ContainerList};
use super::decode::{FieldError, Node, TypeMeta};
use super::field_path::FieldPath;
use super::host_mount::{self, MountForm};
use super::path_expression::PathExpression;
use super::path_pattern::PathPattern;
use super::pod::{POD_SPEC_LISTS, Pod, PodSpec, PodTemplate};
use super::value::{List, Str};
use super::volume::Volume;

/// All custom workloads of a policy. Clones share the workloads until a clone is extended.
#[derive(Clone, Debug, Default)]
pub struct CustomWorkloads(Arc<Vec<CustomWorkload>>);

/// A kind outside of Kubernetes and the paths of the fields that define its pods.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomWorkload {
    /// The API group.
    pub group: String,
    pub kind: String,
    /// Paths of pod templates: mappings with `metadata` and `spec`.
    #[serde(default)]
    pub pod_templates: Vec<PathExpression>,
    /// Paths of pod specs.
    #[serde(default)]
    pub pod_specs: Vec<PathExpression>,
    /// Pods whose volumes and containers are not in one pod spec.
    #[serde(default)]
    pub parts: Vec<PodParts>,
    /// Paths of string fields whose value is a path on the node, and that are not part of a volume.
    #[serde(default)]
    pub node_paths: Vec<PathExpression>,
    /// Directories that belong to the component that uses the `node_paths`.
    #[serde(default)]
    pub own_paths: Vec<String>,
    /// Paths of strings with YAML that may contain volumes.
    #[serde(default)]
    pub yaml_strings: Vec<PathExpression>,
    /// Paths of fields that describe objects, but do not create them.
    #[serde(default)]
    pub assertions: Vec<PathExpression>,
    /// Paths of mappings with the configuration of Spark, whose keys can define volumes.
    #[serde(default)]
    pub spark_conf: Vec<PathExpression>,
    /// Paths of the values of a Helm chart. Volumes found in values are guesses, because only the
    /// chart determines the use of its values.
    #[serde(default)]
    pub helm_values: Vec<PathExpression>,
    /// Whether volumes or mounts of the pods may be in other objects.
    #[serde(default, rename = "fragment")]
    pub is_fragment: bool,
}

/// The pods of a custom workload, and the fields in which they are defined.
#[derive(Debug, Default)]
pub(super) struct KnownPods<'a> {
    pub(super) pods: Vec<Pod<'a>>,
    pub(super) fields: KnownFields,
}

/// The fields of an object whose meaning is known from its kind.
#[derive(Debug, Default)]
pub(super) struct KnownFields {
    /// The fields in which not to search for pods: those that are already decoded as parts of
    /// pods, and the [`CustomWorkload::assertions`].
    pub(super) skipped: BTreeSet<FieldPath>,
    /// The strings with YAML that may contain volumes.
    pub(super) yaml_strings: BTreeSet<FieldPath>,
    /// The values of Helm charts.
    pub(super) values: BTreeSet<FieldPath>,
}

/// A string that contains YAML, such as a list of volumes or the values of a Helm chart.
#[derive(Clone, Debug)]
pub struct YamlString {
    pub field: FieldPath,
    /// Whether the string contains the values of a Helm chart, or is itself one of the values.
    pub is_from_values: bool,
}

/// The paths of the volumes and containers of a pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PodParts {
    /// The path of the fields that each describe one pod; empty if the whole object describes one
    /// pod.
    pub each: PathExpression,
    /// Paths of volume lists, relative to `each`.
    pub volumes: Vec<PathExpression>,
    /// Paths of volume lists that all pods share, relative to the object.
    pub shared_volumes: Vec<PathExpression>,
    /// Paths of containers or container lists, relative to `each`.
    pub containers: Vec<PathExpression>,
    /// Paths of init containers or lists of them, relative to `each`.
    pub init_containers: Vec<PathExpression>,
    /// Paths of claim template lists, relative to the object.
    pub claim_templates: Vec<PathExpression>,
    /// Paths of lists whose items have a host path and its mount path, relative to `each`.
    pub host_mounts: Vec<PathExpression>,
    /// Like `host_mounts`, but the items are read-only unless `writable` is true.
    pub read_only_host_mounts: Vec<PathExpression>,
    /// Paths of strings that contain pod spec patches, relative to `each`.
    pub pod_spec_patch: Vec<PathExpression>,
}

impl CustomWorkloads {
    /// Creates a list of workloads. If several have the same kind, the last one wins.
    pub fn new(workloads: Vec<CustomWorkload>) -> Self {
        Self(Arc::new(workloads))
    }

    /// Adds workloads. They replace earlier ones of the same kind.
    pub fn extend(&mut self, workloads: Vec<CustomWorkload>) {
        if !workloads.is_empty() {
            Arc::make_mut(&mut self.0).extend(workloads);
        }
    }

    /// Returns the workload of a kind, or `None` if the kind is not a custom workload.
    pub fn get(&self, group: &str, kind: &str) -> Option<&CustomWorkload> {
        self.0.iter().rev().find(|workload| workload.group == group && workload.kind == kind)
    }
}

impl CustomWorkload {
    /// Decodes the pods of the object `node`.
    pub(super) fn decode_pods<'a, N: Node<'a>>(&self, node: N) -> Result<KnownPods<'a>, FieldError> {
        let mut known = KnownPods::default();
        for (path, template) in self.pod_templates.iter().flat_map(|expression| expression.find(node)) {
            let template = template.decode::<PodTemplate<'a>>().map_err(|error| error.within(&path))?;
            known.add_whole(Pod::from_template(&path, template));
        }
        for (path, spec) in self.pod_specs.iter().flat_map(|expression| expression.find(node)) {
            let spec = spec.decode::<PodSpec<'a>>().map_err(|error| error.within(&path))?;
            known.add_whole(Pod::new(path, spec));
        }
        for parts in &self.parts {
            let mut pods = parts.decode_pods(node, &mut known.fields)?;
            known.pods.append(&mut pods);
        }
        if self.is_fragment {
            known.pods.iter_mut().for_each(|pod| pod.is_complete = false);
        }
        for (path, conf) in self.spark_conf.iter().flat_map(|expression| expression.find(node)) {
            known.pods.append(&mut host_mount::spark_pods(conf, &path));
        }
        let fields = self.node_paths.iter().flat_map(|expression| expression.find_with_parents(node));
        let own_paths: Vec<_> = self.own_paths.iter().filter_map(|path| PathPattern::new(path)).collect();
        known.add_node_paths(fields, &own_paths);
        known.fields.values.extend(find_paths(&self.helm_values, node));
        known.fields.yaml_strings.extend(find_paths(&self.yaml_strings, node));
        known.fields.skipped.extend(find_paths(&self.assertions, node));
        Ok(known)
    }
}

/// Returns the paths of all fields that match.
fn find_paths<'a, N: Node<'a>>(expressions: &[PathExpression], node: N) -> impl Iterator<Item = FieldPath> {
    expressions.iter().flat_map(move |expression| expression.find(node)).map(|(path, _)| path)
}

impl<'a> KnownPods<'a> {
    /// Adds a pod that was decoded from a single pod spec.
    fn add_whole(&mut self, pod: Pod<'a>) {
        self.fields.skipped.extend(POD_SPEC_LISTS.map(|key| pod.path.key(key)));
        self.pods.push(pod);
    }

    /// Adds one pod, which has a volume for each of the `fields` whose value is an absolute path.
    /// Adds no pod if there is no such field. Each field consists of its field path, its value and
    /// its parent. `own_paths` are the directories that belong to the component that uses the
    /// paths.
    fn add_node_paths<N: Node<'a>>(
        &mut self,
        fields: impl Iterator<Item = (FieldPath, N, N)>,
        own_paths: &[PathPattern],
    ) {
        let volume = |(path, value, parent)| host_mount::node_path(value, path, Some(parent), own_paths);
        let volumes: Vec<_> = fields.filter_map(volume).collect();
        if let [first, ..] = volumes.as_slice() {
            self.fields.skipped.extend(volumes.iter().map(|volume| volume.path.clone()));
            let mut pod = Pod::new(first.path.clone(), PodSpec::default());
            pod.is_complete = false;
            volumes.into_iter().for_each(|volume| pod.add_volume(volume));
            self.pods.push(pod);
        }
    }
}

impl PodParts {
    /// Decodes the pods of the object `node`. Omits pods that have neither volumes nor containers.
    ///
    /// Adds each shared volume to the pods that mount it, or to the first pod if no pod mounts it.
    fn decode_pods<'a, N: Node<'a>>(
        &self,
        node: N,
        fields: &mut KnownFields,
    ) -> Result<Vec<Pod<'a>>, FieldError> {
        let mut pods = Vec::new();
        for (path, base) in self.each.find(node) {
            pods.push(self.decode_pod(node, path, base, fields)?);
        }
        for (path, list) in self.shared_volumes.iter().flat_map(|expression| expression.find(node)) {
            fields.skipped.insert(path.clone());
            for (index, volume) in decode_list::<N, Volume<'a>>(list, &path)?.into_iter().enumerate() {
                share_volume(Volume { path: path.index(index), ..volume }, &mut pods);
            }
        }
        pods.retain(|pod| !pod.volumes.is_empty() || !pod.containers.is_empty());
        Ok(pods)
    }

    /// Decodes the pod that `base` describes. `path` is the path of `base` in the object `node`.
    fn decode_pod<'a, N: Node<'a>>(
        &self,
        node: N,
        path: FieldPath,
        base: N,
        fields: &mut KnownFields,
    ) -> Result<Pod<'a>, FieldError> {
        let settings = PodSpec::decode_settings(base).map_err(|error| error.within(&path))?;
        let mut pod = Pod::new(path.clone(), settings);
        // If this part of the object does not pin the pod to certain nodes, another part may do so.
        pod.is_pinned = pod.is_pinned.filter(|is_pinned| *is_pinned);
        for (inner, list) in self.volumes.iter().flat_map(|expression| expression.find(base)) {
            let path = path.join(&inner);
            pod.add_volumes(&path, decode_list(list, &path)?);
            fields.skipped.insert(path);
        }
        for (expressions, form) in
            [(&self.host_mounts, MountForm::KUBEADM), (&self.read_only_host_mounts, MountForm::KUBEADM_ALPHA)]
        {
            for (inner, list) in expressions.iter().flat_map(|expression| expression.find(base)) {
                let path = path.join(&inner);
                host_mount::add_to_pod(list, &path, &form, &mut pod);
                fields.skipped.insert(path);
            }
        }
        for (list, expressions) in
            [(ContainerList::Init, &self.init_containers), (ContainerList::Main, &self.containers)]
        {
            for (inner, found) in expressions.iter().flat_map(|expression| expression.find(base)) {
                let path = path.join(&inner);
                if found.items().is_some() {
                    pod.add_containers(list, &path, decode_list(found, &path)?);
                    fields.skipped.insert(path);
                } else {
                    // The mapping may have other fields than those of a container.
                    fields.skipped.insert(path.key("volumeMounts"));
                    let container: Container<'a> = found.decode().map_err(|error| error.within(&path))?;
                    pod.add_container(Container { list, path, ..container });
                }
            }
        }
        for (path, list) in self.claim_templates.iter().flat_map(|expression| expression.find(node)) {
            pod.add_claim_templates(&path, decode_list(list, &path)?);
            fields.skipped.insert(path);
        }
        Ok(pod)
    }
}

fn decode_list<'a, N: Node<'a>, T: Deserialize<'a> + Default>(
    list: N,
    path: &FieldPath,
) -> Result<Vec<T>, FieldError> {
    list.decode::<List<T>>().map(List::into_vec).map_err(|error| error.within(path))
}

/// Adds a volume to the pods that mount it, or to the first pod if no pod mounts it.
fn share_volume<'a>(volume: Volume<'a>, pods: &mut [Pod<'a>]) {
    let is_mounted = |pod: &Pod<'a>| pod.mounts_of(&volume.name).next().is_some();
    let mut users: Vec<usize> = (0..pods.len()).filter(|index| is_mounted(&pods[*index])).collect();
    if users.is_empty() && !pods.is_empty() {
        users.push(0);
    }
    for index in users {
        // The pod's own volumes take precedence over shared ones of the same name.
        if pods[index].volume(&volume.name).is_none() {
            pods[index].add_volume(volume.clone());
        }
    }
}

/// Returns the pod spec patches of an object, such as `podSpecPatch` of Argo Workflows, with their
/// paths.
pub fn pod_spec_patches<'a, N: Node<'a>>(
    node: N,
    meta: &TypeMeta<'_>,
    custom: &CustomWorkloads,
) -> Vec<(FieldPath, Str<'a>)> {
    let Some(workload) = custom.get(meta.group(), &meta.kind) else { return Vec::new() };
    let mut patches = Vec::new();
    for parts in workload.parts.iter().filter(|parts| !parts.pod_spec_patch.is_empty()) {
        for (path, base) in parts.each.find(node) {
            for (inner, text) in parts.pod_spec_patch.iter().flat_map(|expression| expression.find(base)) {
                // A patch that is not a string is not applied.
                patches.extend(text.decode::<Str<'a>>().ok().map(|text| (path.join(&inner), text)));
            }
        }
    }
    patches
}
