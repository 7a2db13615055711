//! Pod specs, as every rule sees them.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::container::{Container, ContainerList, Resources, VolumeMount};
use super::field_path::FieldPath;
use super::quantity::Quantity;
use super::storage::ClaimTemplate;
use super::value::{List, Map, Str, nullable};
use super::volume::Volume;

/// A pod spec as it is decoded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec<'a> {
    /// `volumes`.
    #[serde(borrow)]
    pub volumes: List<Volume<'a>>,
    /// `initContainers`.
    #[serde(borrow)]
    pub init_containers: List<Container<'a>>,
    /// `containers`.
    #[serde(borrow)]
    pub containers: List<Container<'a>>,
    /// `ephemeralContainers`.
    #[serde(borrow)]
    pub ephemeral_containers: List<Container<'a>>,
    #[serde(borrow)]
    node_name: Str<'a>,
    #[serde(borrow)]
    node_selector: Map<'a>,
    #[serde(deserialize_with = "nullable")]
    affinity: Affinity,
    #[serde(deserialize_with = "nullable")]
    security_context: PodSecurityContext,
    #[serde(borrow, deserialize_with = "nullable")]
    resources: Resources<'a>,
}

/// What else of a pod spec matters; also of what only looks like a pod spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Placement<'a> {
    #[serde(borrow)]
    node_name: Str<'a>,
    #[serde(borrow)]
    node_selector: Map<'a>,
    #[serde(deserialize_with = "nullable")]
    affinity: Affinity,
    #[serde(deserialize_with = "nullable")]
    security_context: PodSecurityContext,
}

/// Labels that tell what kind of machine a node is, not which: a selector of these alone binds to no node.
const PLATFORM: [&str; 4] =
    ["kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch"];

impl<'a> From<Placement<'a>> for PodSettings<'a> {
    fn from(placement: Placement<'a>) -> Self {
        Self {
            is_pinned: Some(
                !placement.node_name.is_empty()
                    || placement.node_selector.iter().any(|(label, _)| !PLATFORM.contains(&&**label))
                    || placement.affinity.node_affinity.required.is_some(),
            ),
            fs_group: placement.security_context.fs_group,
            resources: Resources::default(),
        }
    }
}

/// `affinity`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affinity {
    /// Which nodes.
    #[serde(deserialize_with = "nullable")]
    pub node_affinity: NodeAffinity,
}

/// `nodeAffinity`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinity {
    /// Nodes that it can't run without.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<IgnoredAny>,
}

/// `securityContext` of a pod.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSecurityContext {
    /// The group that volumes are given to, where they can be.
    pub fs_group: Option<i64>,
}

/// One pod that an object is, or makes.
#[derive(Clone, Debug, Default)]
pub struct Pod<'a> {
    /// Where its spec stands in the object.
    pub path: FieldPath,
    /// The annotations of the Pod, or of the template that makes it, and where they stand.
    pub annotations: Map<'a>,
    /// Where those annotations stand in the object.
    pub annotations_path: FieldPath,
    /// Its volumes, in order. Those that a claim template replaces are in `shadowed`.
    pub volumes: Vec<Volume<'a>>,
    /// Volumes of the text that never reach a Pod: a claim template of the same name replaces them.
    pub shadowed: Vec<Volume<'a>>,
    /// All containers: init, then main, then ephemeral ones.
    pub containers: Vec<Container<'a>>,
    /// Claims that are made for each Pod, by a StatefulSet; each is a volume by its name.
    pub claim_templates: Vec<ClaimTemplate<'a>>,
    /// Everything else.
    pub spec: PodSettings<'a>,
    /// Whether it is all there: not so for patches, and where volumes or mounts may come from elsewhere.
    pub is_whole: bool,
    /// Whether it was found by its looks, in an object of a kind that isn't known.
    pub is_heuristic: bool,
    /// Made when it is first asked for: a Pod may have thousands of volumes and mounts.
    pub(super) index: OnceCell<Index>,
}

/// Where the mounts and volumes of each name are.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// By container and mount.
    mounts: HashMap<Box<str>, Vec<(usize, usize)>>,
    volumes: HashMap<Box<str>, usize>,
}

/// What a pod spec says beside its volumes and containers.
#[derive(Clone, Debug, Default)]
pub struct PodSettings<'a> {
    /// Whether its Pods are bound to certain nodes: by name, selector or required affinity. None where that
    /// stands elsewhere: in the parts that a custom kind puts a pod together of.
    pub is_pinned: Option<bool>,
    /// `securityContext.fsGroup`.
    pub fs_group: Option<i64>,
    /// Limits of the pod as a whole.
    pub resources: Resources<'a>,
}

/// A mount, with the container that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct MountOf<'p, 'a> {
    /// The container.
    pub container: &'p Container<'a>,
    /// The mount.
    pub mount: &'p VolumeMount<'a>,
    /// Its index in the container's `volumeMounts`.
    pub index: usize,
}

impl MountOf<'_, '_> {
    /// Where the mount stands in the object.
    pub fn path(&self) -> FieldPath {
        self.container.mount_path(self.index)
    }
}

impl<'a> Pod<'a> {
    /// The pod that `spec` at `path` describes.
    pub fn new(path: FieldPath, spec: PodSpec<'a>) -> Self {
        let placement = Placement {
            node_name: spec.node_name,
            node_selector: spec.node_selector,
            affinity: spec.affinity,
            security_context: spec.security_context,
        };
        let settings = PodSettings { resources: spec.resources, ..placement.into() };
        let mut pod = Self { spec: settings, is_whole: true, ..Self::default() };
        pod.add_volumes(&path.key("volumes"), spec.volumes.into_vec());
        pod.add_containers(ContainerList::Init, &path.key("initContainers"), spec.init_containers.into_vec());
        pod.add_containers(ContainerList::Main, &path.key("containers"), spec.containers.into_vec());
        let ephemeral = spec.ephemeral_containers.into_vec();
        pod.add_containers(ContainerList::Ephemeral, &path.key("ephemeralContainers"), ephemeral);
        pod.path = path;
        pod
    }

    /// Adds a volume that knows its place.
    pub fn add_volume(&mut self, volume: Volume<'a>) {
        self.volumes.push(volume);
        self.index = OnceCell::new();
    }

    /// Adds volumes that stand in the list at `path`.
    pub fn add_volumes(&mut self, path: &FieldPath, volumes: Vec<Volume<'a>>) {
        for (index, mut volume) in volumes.into_iter().enumerate() {
            volume.path = path.index(index);
            self.add_volume(volume);
        }
    }

    /// Adds containers that stand in the list at `path`.
    pub fn add_containers(&mut self, list: ContainerList, path: &FieldPath, containers: Vec<Container<'a>>) {
        for (index, mut container) in containers.into_iter().enumerate() {
            container.list = list;
            container.path = path.index(index);
            self.containers.push(container);
        }
    }

    /// Adds the claims that are made for each Pod; they replace volumes of the same name.
    pub fn add_claim_templates(&mut self, path: &FieldPath, templates: Vec<ClaimTemplate<'a>>) {
        for (index, mut template) in templates.into_iter().enumerate() {
            template.path = path.index(index);
            self.claim_templates.push(template);
        }
        let names: HashSet<&str> = self.claim_templates.iter().map(|one| &*one.metadata.name).collect();
        let replaced = |volume: &mut Volume<'a>| names.contains(&*volume.name);
        self.shadowed.extend(self.volumes.extract_if(.., replaced));
        self.index = OnceCell::new();
    }

    /// Leaves only these containers, and the volumes that they mount; whether there are any.
    pub(super) fn keep_containers(&mut self, keep: impl Fn(&Container<'a>) -> bool) -> bool {
        self.containers.retain(keep);
        let mounted: HashSet<&str> = self.mounts().map(|of| &*of.mount.name).collect();
        let keep: Vec<bool> = self.volumes.iter().map(|volume| mounted.contains(&*volume.name)).collect();
        let mut keep = keep.into_iter();
        self.volumes.retain(|_| keep.next().unwrap_or_default());
        self.index = OnceCell::new();
        !self.containers.is_empty()
    }

    /// Every mount of every container.
    pub fn mounts(&self) -> impl Iterator<Item = MountOf<'_, 'a>> {
        self.containers.iter().flat_map(|container| {
            let mounts = container.volume_mounts.iter().enumerate();
            mounts.map(move |(index, mount)| MountOf { container, mount, index })
        })
    }

    /// Every mount of the volume `name`.
    pub fn mounts_of(&self, name: &str) -> impl Iterator<Item = MountOf<'_, 'a>> {
        let found = self.index().mounts.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().map(|(container, index)| {
            let container = &self.containers[*container];
            MountOf { container, mount: &container.volume_mounts[*index], index: *index }
        })
    }

    /// The volume `name`; of several with that name the first.
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

    /// The claim template `name`; of several with that name the last, as the StatefulSet controller takes it.
    pub fn claim_template(&self, name: &str) -> Option<&ClaimTemplate<'a>> {
        self.claim_templates.iter().rev().find(|template| &*template.metadata.name == name)
    }

    /// The most memory that its containers may use together; none where one of them has no bound.
    ///
    /// The kubelet makes no volume in memory larger.
    pub fn memory_limit(&self) -> Option<Quantity> {
        self.spec.resources.limit("memory").or_else(|| {
            let mut lasting = self.containers.iter().filter(|other| other.list != ContainerList::Ephemeral);
            let bounded = lasting.all(|container| container.resources.limit("memory").is_some());
            bounded.then(|| self.summed_limit("memory"))
        })
    }

    /// The most that it may keep on the node's disk before it is evicted; none where no container has a limit.
    ///
    /// One of 0 evicts it at once. There is none of the pod as a whole: the API server refuses it.
    pub fn ephemeral_storage_limit(&self) -> Option<Quantity> {
        let has = |container: &Container<'a>| container.resources.limits.get("ephemeral-storage").is_some();
        self.containers.iter().any(has).then(|| self.summed_limit("ephemeral-storage"))
    }

    /// What its containers' limits for `resource` amount to, as the kubelet adds them up: init containers run one
    /// by one before the others, sidecars beside all that come after them.
    fn summed_limit(&self, resource: &str) -> Quantity {
        let [mut together, mut sidecars, mut before] = [Quantity::default(); 3];
        for container in &self.containers {
            let limit = container.resources.limit(resource).unwrap_or_default();
            match container.list {
                ContainerList::Init if container.is_sidecar() => sidecars = sidecars.plus(limit),
                ContainerList::Init => before = before.max(sidecars.plus(limit)),
                ContainerList::Main => together = together.plus(limit),
                ContainerList::Ephemeral => {}
            }
        }
        before.max(sidecars.plus(together))
    }

    /// Whether a mount of the volume can't write: by itself, by the claim, or by the kind of source.
    pub fn is_read_only(&self, mount: &VolumeMount<'_>) -> bool {
        mount.is_read_only() || self.volume(&mount.name).is_some_and(Volume::is_always_read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_add_up_as_containers_run() {
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
        // The sidecar runs beside the init container behind it, and beside the others.
        assert_eq!(limit(&[sidecar.clone(), init.clone()], &mains), Quantity::parse("5Gi"));
        assert_eq!(limit(&[init.clone(), sidecar.clone()], &mains), Quantity::parse("4Gi"));
        assert_eq!(limit(&[sidecar], &mains), Quantity::parse("3Gi"));
        assert_eq!(limit(&[init], &[r#"{"name": "x"}"#.to_owned()]), None);
    }
}
