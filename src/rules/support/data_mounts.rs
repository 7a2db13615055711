//! The mounts in which containers store application data.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::context::Context;
use super::empty_dir::{empty_dirs, is_stateful_set};
use super::options::{DataDirectory, ImageData, Options};
use super::wording::{container, quoted};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{
    Container, ContainerList, ContainerMount, HostPath, Pod, Relation, Volume, VolumeMount, VolumeSource,
    expand,
};

/// A writable mount of a volume that is deleted with the Pod, in which a container stores
/// application data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataMount<'a> {
    /// An `emptyDir` or a generic ephemeral volume.
    pub(crate) volume: &'a Volume<'a>,
    mount: ContainerMount<'a, 'a>,
    /// The data, as a verb phrase such as "stores MySQL databases".
    reason: &'a str,
}

/// A mount of a container, with its parsed path.
pub(crate) struct MountedPath<'a> {
    pub(crate) mount: ContainerMount<'a, 'a>,
    pub(crate) path: HostPath,
}

/// The mounts of a container that serve the data in a directory.
enum Serving<'m, 'a> {
    Known(Vec<&'m MountedPath<'a>>),
    /// The location of the data in the directory is unknown.
    Unknown {
        /// Whether a volume that outlives the Pod is mounted at or inside the directory.
        may_outlive_pod: bool,
    },
}

/// Returns the writable mounts of ephemeral volumes that serve application data, one per volume.
///
/// In each container, the mount with the longest path at or above the data serves it. Mounts of
/// other containers are irrelevant.
pub(crate) fn data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let ephemeral = ephemeral_volumes(cx, pod);
    if ephemeral.is_empty() {
        return Vec::new();
    }
    let containers = pod.containers.iter();
    let mut mounts: Vec<_> =
        containers.flat_map(|container| data_mounts_of(container, pod, &ephemeral, cx.options)).collect();
    // Prefer the mounts of the main containers, which run the application.
    mounts.sort_by_key(|data| data.mount.container.list != ContainerList::Main);
    let mut seen = HashSet::new();
    mounts.retain(|data| seen.insert(&*data.volume.name));
    mounts
}

fn data_mounts_of<'a>(
    container: &'a Container<'a>,
    pod: &'a Pod<'a>,
    ephemeral: &HashMap<&'a str, &'a Volume<'a>>,
    options: &'a Options,
) -> Vec<DataMount<'a>> {
    let volume_of =
        |mount: &VolumeMount<'_>| ephemeral.get(&*mount.name).copied().filter(|_| !mount.is_read_only());
    if !container.volume_mounts.iter().any(|mount| volume_of(mount).is_some()) {
        return Vec::new();
    }
    let mounts = mounted_paths(container);
    let data_mount = |mounted: &MountedPath<'a>, reason| {
        let volume = volume_of(mounted.mount.mount)?;
        Some(DataMount { volume, mount: mounted.mount, reason })
    };
    if let Some(image) = options.image_data(&container.image) {
        let configured = configured_data(container, image);
        let serving = configured.iter().filter_map(|path| serving(&mounts, |mount| mount.relation_to(path)));
        let found = serving.filter_map(|serving| data_mount(serving, image.reason.as_str())).collect();
        if !configured.is_empty() {
            return found;
        }
    }
    let is_persistent =
        |mount: &VolumeMount<'_>| !ephemeral.contains_key(&*mount.name) && outlives_pod(pod, &mount.name);
    let persistent: Vec<_> = mounts.iter().filter(|mounted| is_persistent(mounted.mount.mount)).collect();
    let mut known: HashMap<*const DataDirectory, Serving<'_, 'a>> = HashMap::new();
    let well_known = mounts.iter().filter_map(|mounted| {
        let directory = options.data_directories.find_containing(&mounted.path)?;
        let serving = known.entry(directory).or_insert_with(|| find_serving(directory, &mounts, &persistent));
        let is_data = match serving {
            Serving::Known(serving) => serving.iter().any(|serving| ptr::eq(*serving, mounted)),
            Serving::Unknown { may_outlive_pod } => !*may_outlive_pod,
        };
        data_mount(mounted, directory.directory.reason.as_str()).filter(|_| is_data)
    });
    well_known.collect()
}

fn find_serving<'m, 'a>(
    directory: &DataDirectory,
    mounts: &'m [MountedPath<'a>],
    persistent: &[&MountedPath<'_>],
) -> Serving<'m, 'a> {
    let serving = directory.data.iter().filter_map(|data| serving(mounts, |mount| mount.relation(data)));
    let serving: Vec<_> = serving.collect();
    if !serving.is_empty() {
        return Serving::Known(serving);
    }
    let may_outlive_pod = persistent.iter().any(|other| {
        let relation = other.path.relation(&directory.directory.pattern);
        matches!(relation, Relation::Equal | Relation::Descendant)
    });
    Serving::Unknown { may_outlive_pod }
}

/// Returns the mounts of a container, with their parsed paths.
pub(crate) fn mounted_paths<'a>(container: &'a Container<'a>) -> Vec<MountedPath<'a>> {
    let mounts = container.volume_mounts.iter().enumerate();
    let mounted = mounts.map(|(index, mount)| MountedPath {
        mount: ContainerMount { container, mount, index },
        path: HostPath::in_container(&mount.mount_path),
    });
    mounted.collect()
}

/// Returns the mount with the longest path for which `relation`, the relation of the path to the
/// data, is equal or ancestor.
pub(crate) fn serving<'m, 'a>(
    mounts: &'m [MountedPath<'a>],
    relation: impl Fn(&HostPath) -> Relation,
) -> Option<&'m MountedPath<'a>> {
    let covers =
        |mounted: &&MountedPath<'_>| matches!(relation(&mounted.path), Relation::Equal | Relation::Ancestor);
    mounts.iter().filter(covers).max_by_key(|mounted| mounted.path.depth())
}

/// Returns the data paths that the environment variables and arguments of a container set, whose
/// image is `image`.
pub(crate) fn configured_data(container: &Container<'_>, image: &ImageData) -> Vec<HostPath> {
    let variables = container.env_values();
    let value = |name: &str| variables.get(name).map(String::as_str);
    let words = container.command.iter().chain(container.args.iter());
    let words: Vec<String> = words.map(|word| expand(word, value).unwrap_or_default()).collect();
    let argument = |flag: &str| {
        words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix(flag)? {
            "" => words.get(index + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
    };
    let from_variables = image.variables.iter().filter_map(|name| value(name));
    let from_arguments = image.arguments.iter().filter_map(|flag| argument(flag));
    let mut paths: Vec<&str> = from_arguments.chain(from_variables).collect();
    if let (true, Some(implied)) = (paths.is_empty(), &image.implied)
        && argument(&implied.argument) == Some(implied.value.as_str())
    {
        paths.push(&implied.path);
    }
    // A relative path depends on the working directory of the image.
    let paths = paths.into_iter().filter(|path| path.starts_with('/'));
    paths.map(HostPath::in_container).collect()
}

/// Returns the volumes that are writable and deleted with the Pod, by name.
pub(crate) fn ephemeral_volumes<'a>(cx: &Context<'a>, pod: &'a Pod<'a>) -> HashMap<&'a str, &'a Volume<'a>> {
    let claims =
        pod.volumes.iter().filter(|volume| matches!(volume.source(), Some(VolumeSource::Ephemeral(_))));
    let ephemeral = empty_dirs(cx).map(|empty_dir| empty_dir.volume).chain(claims);
    ephemeral.map(|volume| (&*volume.name, volume)).collect()
}

/// Checks whether the volume `name`, which is not ephemeral, can store data that outlives the Pod.
/// A volume with an unknown source can.
pub(crate) fn outlives_pod(pod: &Pod<'_>, name: &str) -> bool {
    let source = pod.volume(name).and_then(Volume::source);
    !matches!(source, Some(VolumeSource::ReadOnly | VolumeSource::Projected(_)))
}

impl DataMount<'_> {
    /// Checks whether the volume is a generic ephemeral volume.
    pub(crate) fn is_generic_ephemeral(&self) -> bool {
        matches!(self.volume.source(), Some(VolumeSource::Ephemeral(_)))
    }

    /// Creates a finding at `key`, the key of the volume's source. `noun` names the source in the
    /// message.
    pub(crate) fn finding(self, cx: &Context<'_>, rule: RuleId, key: &'static str, noun: &str) -> Finding {
        let (mount, volume) = (self.mount.mount, self.volume);
        let (name, container) = (quoted(&volume.name), container(self.mount.container));
        let path = quoted(&mount.mount_path);
        let message = format!("{container} stores application data in {noun} {name} at {path}");
        let finding = Finding::new(rule, Severity::Warning, volume.path.key(key), message)
            .at_key()
            .label("deleted with the Pod")
            .why("the data is lost if the Pod is evicted, deleted or replaced")
            .volume(&volume.name)
            .path(HostPath::in_container(&mount.mount_path));
        self.with_reason(if is_stateful_set(cx) {
            finding.help(format!(
                "remove the volume, and add {name} to the StatefulSet's `volumeClaimTemplates`"
            ))
        } else {
            finding.help("use a `persistentVolumeClaim`, or a StatefulSet with `volumeClaimTemplates`")
        })
    }

    /// Adds the mount path as a related location. Its label is the reason why the path is a data
    /// directory.
    pub(crate) fn with_reason(self, finding: Finding) -> Finding {
        finding.related(self.mount.path().key("mountPath"), self.reason.to_owned())
    }
}
