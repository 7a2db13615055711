//! Pod specs and the pods that rules check.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{ClaimRetention, ClaimTemplate};
use super::container::{Container, ContainerList, Resources, VolumeMount, WindowsOptions};
use super::decode::{FieldError, Node};
use super::field_path::FieldPath;
use super::host_path::HostPath;
use super::metadata::Metadata;
use super::node_affinity::{RequiredNodes, is_platform_label};
use super::os::Os;
use super::quantity::Quantity;
use super::text::{PathOwner, is_unknown_path};
use super::value::{List, Map, Str, nullable};
use super::volume::{HostPathForm, Volume};

/// The keys of the lists in a [`PodSpec`].
pub(super) const POD_SPEC_LISTS: [&str; 4] =
    ["volumes", "initContainers", "containers", "ephemeralContainers"];

/// A pod spec in the form in which it is decoded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec<'a> {
    #[serde(borrow)]
    volumes: List<Volume<'a>>,
    #[serde(borrow)]
    init_containers: List<Container<'a>>,
    #[serde(borrow)]
    containers: List<Container<'a>>,
    #[serde(borrow)]
    ephemeral_containers: List<Container<'a>>,
    #[serde(borrow)]
    node_name: Str<'a>,
    #[serde(borrow)]
    node_selector: Map<'a>,
    #[serde(borrow)]
    os: Option<PodOs<'a>>,
    #[serde(borrow)]
    priority_class_name: Str<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    affinity: Affinity<'a>,
    #[serde(deserialize_with = "nullable")]
    security_context: PodSecurityContext,
    #[serde(borrow, deserialize_with = "nullable")]
    resources: Resources<'a>,
    #[serde(deserialize_with = "nullable")]
    host_network: bool,
    automount_service_account_token: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affinity<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    node_affinity: NodeAffinity<'a>,
    #[serde(deserialize_with = "nullable")]
    pod_affinity: PodAffinity,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinity<'a> {
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<RequiredNodes<'a>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct PodAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSecurityContext {
    fs_group: Option<i64>,
    windows_options: Option<WindowsOptions>,
}

/// `os` of a pod spec. Objects that resemble a pod may have another value there.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum PodOs<'a> {
    Named {
        #[serde(borrow)]
        name: Str<'a>,
    },
    Other(IgnoredAny),
}

/// Any mapping; its content is ignored.
#[derive(Deserialize)]
struct AnyMapping {}

impl<'a> PodSpec<'a> {
    /// Decodes the scheduling and security settings of a custom workload, which have the same keys
    /// as in a pod spec. Omits volumes, containers and resources, whose keys can have another
    /// meaning.
    pub(super) fn decode_settings<N: Node<'a>>(node: N) -> Result<Self, FieldError> {
        fn decode_key<'a, N: Node<'a>, T: Deserialize<'a> + Default>(
            node: N,
            key: &'static str,
        ) -> Result<T, FieldError> {
            let Some(value) = node.get(key) else { return Ok(T::default()) };
            let decoded =
                value.decode::<Option<T>>().map_err(|error| error.within(&FieldPath::root().key(key)));
            decoded.map(Option::unwrap_or_default)
        }
        node.decode::<AnyMapping>()?;
        Ok(Self {
            node_name: decode_key(node, "nodeName")?,
            node_selector: decode_key(node, "nodeSelector")?,
            os: decode_key(node, "os")?,
            priority_class_name: decode_key(node, "priorityClassName")?,
            affinity: decode_key(node, "affinity")?,
            security_context: decode_key(node, "securityContext")?,
            host_network: decode_key(node, "hostNetwork")?,
            automount_service_account_token: decode_key(node, "automountServiceAccountToken")?,
            ..Self::default()
        })
    }

    /// Checks whether the pod can run only on certain nodes, because of its node name, node
    /// selector or required node affinity.
    fn is_pinned(&self) -> bool {
        !self.node_name.is_empty()
            || self.node_selector.iter().any(|(label, _)| !is_platform_label(label))
            || self.affinity.node_affinity.required.as_ref().is_some_and(RequiredNodes::is_pinned)
    }

    /// Returns the operating system that the spec requires. `os` takes precedence over the node
    /// selector, and the node selector over the required node affinity. Returns `None` if none of
    /// them requires one.
    fn required_os(&self) -> Option<Os> {
        let declared = match &self.os {
            Some(PodOs::Named { name }) => Os::parse(name),
            Some(PodOs::Other(IgnoredAny)) | None => None,
        };
        let selected = |label| self.node_selector.get(label).and_then(|value| Os::parse(value));
        let has_windows_build = self.node_selector.get("node.kubernetes.io/windows-build").is_some();
        declared
            .or_else(|| selected("kubernetes.io/os"))
            .or_else(|| selected("beta.kubernetes.io/os"))
            .or(has_windows_build.then_some(Os::Windows))
            .or_else(|| self.affinity.node_affinity.required.as_ref()?.os())
    }

    /// Checks whether the pod is critical because of its priority class. The kubelet never evicts
    /// critical pods (`IsCriticalPod` in `pkg/kubelet/types/pod_update.go`). Only these two
    /// priority classes have a sufficient priority.
    fn is_critical(&self) -> bool {
        matches!(&*self.priority_class_name, "system-node-critical" | "system-cluster-critical")
    }
}

/// A pod template, such as `spec.template` of a Deployment.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodTemplate<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: PodSpec<'a>,
}

/// A pod of an object: the object itself, or a Pod that a controller creates for the object.
#[derive(Clone, Debug, Default)]
pub struct Pod<'a> {
    /// The path of the pod spec in the object.
    pub path: FieldPath,
    /// The annotations of the Pod or of its template.
    pub annotations: Map<'a>,
    /// The path of the annotations in the object.
    pub annotations_path: FieldPath,
    /// The volumes in input order, without `shadowed_volumes`.
    pub volumes: Vec<Volume<'a>>,
    /// The volumes that a claim template of the same name replaces. No Pod has them.
    pub shadowed_volumes: Vec<Volume<'a>>,
    /// All containers: init containers, then main containers, then ephemeral containers.
    pub containers: Vec<Container<'a>>,
    /// The claim templates of a StatefulSet. Each becomes a volume with the name of the template.
    pub claim_templates: Vec<ClaimTemplate<'a>>,
    /// The policy for the claims of a StatefulSet when the StatefulSet is deleted or scaled down.
    pub claim_retention: ClaimRetention<'a>,
    /// Whether the pod can run only on certain nodes. `None` if this is unknown, because another
    /// part of a custom workload may pin the pod.
    pub is_pinned: Option<bool>,
    /// Whether the pod must run on the same node, or in the same zone, as certain other Pods.
    pub has_pod_affinity: bool,
    /// `securityContext.fsGroup`.
    pub fs_group: Option<i64>,
    /// The operating system that the pod requires of its nodes; `None` if it requires none.
    pub required_os: Option<Os>,
    /// `securityContext.windowsOptions`.
    pub windows_options: Option<WindowsOptions>,
    /// Whether the pod has a priority at which the kubelet never evicts it.
    pub is_critical: bool,
    /// The resources of the pod as a whole.
    pub resources: Resources<'a>,
    /// Whether the pod uses the network namespace of the node.
    pub host_network: bool,
    /// Whether the API server mounts a ServiceAccount token in the containers. `None` if the pod
    /// does not set this. The ServiceAccount then decides, and its default is true.
    pub automounts_token: Option<bool>,
    /// Whether the object contains the whole pod. This is false for a patch or a fragment, because
    /// further volumes or mounts of the pod may be in another object.
    pub is_complete: bool,
    /// Whether the pod was found by its structure or in a patch, and not in a field that the kind
    /// of the object defines.
    pub is_heuristic: bool,
    /// Whether the pod was found in the values of a Helm chart. The chart might not use them.
    pub is_from_values: bool,
    /// An index, built on first use. A pod may have thousands of volumes and mounts.
    index: OnceCell<Index>,
}

/// The positions of mounts and volumes by volume name.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The container index and mount index of each mount.
    mounts: HashMap<Box<str>, Vec<(usize, usize)>>,
    volumes: HashMap<Box<str>, usize>,
}

/// A mount and the container that it is in.
#[derive(Clone, Copy, Debug)]
pub struct ContainerMount<'p, 'a> {
    pub container: &'p Container<'a>,
    pub mount: &'p VolumeMount<'a>,
    /// The index of the mount in `volumeMounts` of the container.
    pub index: usize,
}

impl ContainerMount<'_, '_> {
    /// Returns the path of the mount in the object.
    pub fn path(&self) -> FieldPath {
        self.container.mount_field(self.index)
    }
}

impl<'a> Pod<'a> {
    /// Creates a pod from the pod spec at `path` of the object.
    pub fn new(path: FieldPath, spec: PodSpec<'a>) -> Self {
        let mut pod = Self {
            is_pinned: Some(spec.is_pinned()),
            has_pod_affinity: spec.affinity.pod_affinity.required.is_some(),
            fs_group: spec.security_context.fs_group,
            required_os: spec.required_os(),
            windows_options: spec.security_context.windows_options,
            is_critical: spec.is_critical(),
            resources: spec.resources,
            host_network: spec.host_network,
            automounts_token: spec.automount_service_account_token,
            ..Self::default()
        };
        pod.add_volumes(&path.key("volumes"), spec.volumes.into_vec());
        pod.add_containers(ContainerList::Init, &path.key("initContainers"), spec.init_containers.into_vec());
        pod.add_containers(ContainerList::Main, &path.key("containers"), spec.containers.into_vec());
        let ephemeral = spec.ephemeral_containers.into_vec();
        pod.add_containers(ContainerList::Ephemeral, &path.key("ephemeralContainers"), ephemeral);
        // The API server rejects a container without an image, so an object with such a container
        // is a fragment.
        pod.is_complete = pod.containers.iter().all(|container| !container.image.is_empty());
        pod.path = path;
        pod
    }

    /// Creates a pod from the pod template at `path` of the object.
    pub(super) fn from_template(path: &FieldPath, template: PodTemplate<'a>) -> Self {
        let mut pod = Self::new(path.key("spec"), template.spec);
        pod.annotations = template.metadata.annotations;
        pod.annotations_path = path.key("metadata").key("annotations");
        pod
    }

    /// Adds a volume. Its path must be set.
    pub fn add_volume(&mut self, volume: Volume<'a>) {
        self.volumes.push(volume);
        self.index = OnceCell::new();
    }

    /// Checks whether all host paths are in Kubernetes volumes. For any other host path, a fix
    /// would have to change fields that are not part of a pod spec.
    pub fn has_only_kubernetes_volumes(&self) -> bool {
        let mut sources = self.volumes.iter().filter_map(Volume::host_path);
        sources.all(|source| source.form == HostPathForm::Volume)
    }

    /// Removes the volumes whose host path depends on a placeholder, and returns the field paths of
    /// their host paths.
    pub(super) fn remove_placeholders(&mut self, owner: PathOwner) -> Vec<FieldPath> {
        let is_unknown = |volume: &mut Volume<'a>| {
            volume.host_path().is_some_and(|source| is_unknown_path(&source.path, owner))
        };
        let removed: Vec<_> = self.volumes.extract_if(.., is_unknown).collect();
        if !removed.is_empty() {
            self.is_complete = false;
            self.index = OnceCell::new();
        }
        removed.iter().filter_map(Volume::host_path_field).collect()
    }

    /// Removes the volume named `name` if no container mounts it.
    pub(super) fn remove_volume_without_mounts(&mut self, name: &str) {
        if self.mounts_of(name).next().is_none() {
            self.volumes.retain(|volume| *volume.name != *name);
            self.index = OnceCell::new();
        }
    }

    /// Adds the volumes of the list at `path`.
    pub fn add_volumes(&mut self, path: &FieldPath, volumes: Vec<Volume<'a>>) {
        for (index, mut volume) in volumes.into_iter().enumerate() {
            volume.path = path.index(index);
            self.add_volume(volume);
        }
    }

    /// Adds a container. Its list and path must be set.
    pub(super) fn add_container(&mut self, container: Container<'a>) {
        self.containers.push(container);
        self.index = OnceCell::new();
    }

    /// Adds the containers of the list at `path`.
    pub fn add_containers(&mut self, list: ContainerList, path: &FieldPath, containers: Vec<Container<'a>>) {
        for (index, container) in containers.into_iter().enumerate() {
            self.add_container(Container { list, path: path.index(index), ..container });
        }
    }

    /// Adds the claim templates of the list at `path`. They replace volumes of the same name.
    pub fn add_claim_templates(&mut self, path: &FieldPath, templates: Vec<ClaimTemplate<'a>>) {
        for (index, mut template) in templates.into_iter().enumerate() {
            template.path = path.index(index);
            self.claim_templates.push(template);
        }
        let names: HashSet<&str> =
            self.claim_templates.iter().map(|template| &*template.metadata.name).collect();
        let is_replaced = |volume: &mut Volume<'a>| names.contains(&*volume.name);
        self.shadowed_volumes.extend(self.volumes.extract_if(.., is_replaced));
        self.index = OnceCell::new();
    }

    /// Keeps only the containers for which `keep` returns true, and the volumes that they mount.
    /// Returns true if any container remains.
    pub(super) fn retain_containers(&mut self, keep: impl Fn(&Container<'a>) -> bool) -> bool {
        self.containers.retain(keep);
        let mounted: HashSet<&str> = self.mounts().map(|mount| &*mount.mount.name).collect();
        let is_mounted: Vec<bool> =
            self.volumes.iter().map(|volume| mounted.contains(&*volume.name)).collect();
        let mut is_mounted = is_mounted.into_iter();
        self.volumes.retain(|_| is_mounted.next().unwrap_or_default());
        self.index = OnceCell::new();
        !self.containers.is_empty()
    }

    /// Iterates over all mounts of all containers.
    pub fn mounts(&self) -> impl Iterator<Item = ContainerMount<'_, 'a>> {
        self.containers.iter().flat_map(|container| {
            let mounts = container.volume_mounts.iter().enumerate();
            mounts.map(move |(index, mount)| ContainerMount { container, mount, index })
        })
    }

    /// Iterates over the mounts of the volume named `name`.
    pub fn mounts_of(&self, name: &str) -> impl Iterator<Item = ContainerMount<'_, 'a>> {
        let found = self.index().mounts.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().map(|(container, index)| {
            let container = &self.containers[*container];
            ContainerMount { container, mount: &container.volume_mounts[*index], index: *index }
        })
    }

    /// Returns the volume named `name`, or `None` if there is none. If several share the name,
    /// returns the first one.
    pub fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.index().volumes.get(name).map(|index| &self.volumes[*index])
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            for (at, container) in self.containers.iter().enumerate() {
                for (mount_at, mount) in container.volume_mounts.iter().enumerate() {
                    index.mounts.entry((*mount.name).into()).or_default().push((at, mount_at));
                }
            }
            for (at, volume) in self.volumes.iter().enumerate() {
                index.volumes.entry((*volume.name).into()).or_insert(at);
            }
            index
        })
    }

    /// Returns the claim template named `name`, or `None` if there is none. If several share the
    /// name, returns the last one, as the StatefulSet controller does.
    pub fn claim_template(&self, name: &str) -> Option<&ClaimTemplate<'a>> {
        self.claim_templates.iter().rev().find(|template| &*template.metadata.name == name)
    }

    /// Returns the memory limit of the pod: its pod-level limit, or the total of its containers'
    /// limits. Returns `None` if there is no pod-level limit and a container has no limit.
    ///
    /// The kubelet does not create an in-memory `emptyDir` that is larger than this limit.
    pub fn memory_limit(&self) -> Option<Quantity> {
        self.resources.limit("memory").or_else(|| {
            let mut permanent =
                self.containers.iter().filter(|container| container.list != ContainerList::Ephemeral);
            let is_limited = permanent.all(|container| container.resources.limit("memory").is_some());
            is_limited.then(|| self.total_limit("memory"))
        })
    }

    /// Returns the disk usage above which the kubelet evicts the Pod. Returns `None` if no
    /// container has a limit, or if the pod is critical.
    ///
    /// If the limit is 0, the kubelet evicts the Pod immediately. There is no pod-level limit,
    /// because the API server rejects it.
    pub fn ephemeral_storage_limit(&self) -> Option<Quantity> {
        let has_limit =
            |container: &Container<'a>| container.resources.limits.get("ephemeral-storage").is_some();
        let is_limited = !self.is_critical && self.containers.iter().any(has_limit);
        is_limited.then(|| self.total_limit("ephemeral-storage"))
    }

    /// Returns the total of the containers' limits of `resource`, computed as the kubelet does.
    /// Init containers run one at a time, before the main containers. A sidecar runs alongside all
    /// containers that start after it.
    fn total_limit(&self, resource: &str) -> Quantity {
        let [mut main, mut sidecars, mut init] = [Quantity::default(); 3];
        for container in &self.containers {
            let limit = container.resources.limit(resource).unwrap_or_default();
            match container.list {
                ContainerList::Init if container.is_sidecar() => sidecars = sidecars.saturating_add(limit),
                ContainerList::Init => init = init.max(sidecars.saturating_add(limit)),
                ContainerList::Main => main = main.saturating_add(limit),
                ContainerList::Ephemeral => {}
            }
        }
        init.max(sidecars.saturating_add(main))
    }

    /// Returns the operating system of the pod's nodes, or `None` if it is unknown. If the pod does
    /// not require an operating system, settings or mount paths that exist only on Windows imply
    /// Windows.
    pub fn os(&self) -> Option<Os> {
        let has_windows_options = || {
            let mut contexts = self.containers.iter().map(|container| &container.security_context);
            self.windows_options.is_some() || contexts.any(|context| context.windows_options.is_some())
        };
        let has_windows_mount =
            || self.mounts().any(|mount| HostPath::starts_with_drive(&mount.mount.mount_path));
        let is_windows = self.required_os.is_none() && (has_windows_options() || has_windows_mount());
        if is_windows { Some(Os::Windows) } else { self.required_os }
    }

    /// Checks whether `container` is a HostProcess container on Windows.
    pub fn is_host_process(&self, container: &Container<'_>) -> bool {
        let of_container = container.security_context.windows_options.and_then(|own| own.host_process);
        of_container.or_else(|| self.windows_options?.host_process) == Some(true)
    }

    /// Iterates over the names of the resources that the pod or a container of it requests.
    pub fn requested_resources(&self) -> impl Iterator<Item = &str> {
        let of_containers = self.containers.iter().flat_map(|container| container.resources.requested());
        self.resources.requested().chain(of_containers)
    }

    /// Returns the sum of the limits of `resource` of all containers that can write to the volume
    /// named `name`. Returns `None` if no container can write to it, or if one of these containers
    /// has no limit.
    pub fn writers_limit(&self, name: &str, resource: &str) -> Option<Quantity> {
        let mut writers: Vec<_> = self
            .mounts_of(name)
            .filter(|mount| !self.is_read_only(mount.mount))
            .map(|mount| mount.container)
            .collect();
        writers.dedup_by(|a, b| a.path == b.path);
        let limits: Option<Vec<_>> =
            writers.iter().map(|container| container.resources.limit(resource)).collect();
        limits?.into_iter().reduce(Quantity::saturating_add)
    }

    /// Checks whether `mount` is read-only, because of the mount itself, `readOnly` of
    /// `persistentVolumeClaim`, or the type of the volume.
    pub fn is_read_only(&self, mount: &VolumeMount<'_>) -> bool {
        mount.is_read_only() || self.volume(&mount.name).is_some_and(Volume::is_always_read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_limit_follows_the_order_of_containers() {
        let container = |name: &str, memory: &str, restarts: &str| {
            format!(
                r#"{{"name": "{name}", "restartPolicy": "{restarts}", "resources": {{"limits": {{"memory": "{memory}"}}}}}}"#
            )
        };
        let limit = |inits: &[String], mains: &[String]| {
            let text = format!(
                r#"{{"initContainers": [{}], "containers": [{}]}}"#,
                inits.join(","),
                mains.join(",")
            );
            let spec: PodSpec<'_> = serde_json::from_str(&text).expect("a pod spec");
            Pod::new(FieldPath::root(), spec).memory_limit()
        };
        let (sidecar, init) = (container("s", "1Gi", "Always"), container("i", "4Gi", ""));
        let mains = [container("a", "1Gi", ""), container("b", "1Gi", "")];
        // The sidecar runs alongside the init container after it and the main containers.
        assert_eq!(limit(&[sidecar.clone(), init.clone()], &mains), Quantity::parse("5Gi"));
        assert_eq!(limit(&[init.clone(), sidecar.clone()], &mains), Quantity::parse("4Gi"));
        assert_eq!(limit(&[sidecar], &mains), Quantity::parse("3Gi"));
        assert_eq!(limit(&[init], &[r#"{"name": "x"}"#.to_owned()]), None);
    }
}
