//! The mounts in which containers store application data.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::container_data::{ContainerData, Role};
use super::context::Context;
use super::empty_dir::{empty_dirs, is_stateful_set};
use super::options::{DataDirectory, Options};
use super::wording::{container, quoted};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{
    Container, ContainerList, ContainerMount, HostPath, PathPattern, Pod, Relation, Volume, VolumeMount,
    VolumeSource,
};

/// A writable mount in which a container stores application data, and whose volume is deleted with
/// the Pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataMount<'a> {
    /// An `emptyDir` or a generic ephemeral volume.
    pub(crate) volume: &'a Volume<'a>,
    mount: ContainerMount<'a, 'a>,
    /// The reason why the path contains data: a verb phrase such as "stores MySQL databases".
    reason: &'a str,
}

/// A data directory at or inside which a container mounts a volume.
struct MountedDirectory<'a> {
    directory: &'a DataDirectory,
    /// The locations of the data. For each location, the depth and index of the mount that serves
    /// it (see [`data_mounts`]); `None` if there is no such mount.
    serving: Vec<(&'a PathPattern, Option<(usize, usize)>)>,
    /// Whether a volume that outlives the Pod is mounted at or inside the directory, or the object
    /// sets another data path. If the location of the data is unknown, the data is then assumed to
    /// be in this volume or at this path.
    has_other_location: bool,
}

/// Returns the writable mounts of `emptyDir` volumes that serve application data, one per volume.
pub(crate) fn empty_dir_data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    data_mounts(cx, |volume| !is_generic_ephemeral(volume))
}

/// Returns the writable mounts of generic ephemeral volumes that serve application data, one per
/// volume.
pub(crate) fn generic_ephemeral_data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    data_mounts(cx, is_generic_ephemeral)
}

/// Returns the writable mounts of the matching ephemeral volumes that serve application data, one
/// per volume.
///
/// In each container, the mount with the longest path at or above the data serves it. Mounts of
/// other containers are irrelevant.
fn data_mounts<'a>(cx: &Context<'a>, matches: fn(&Volume<'_>) -> bool) -> Vec<DataMount<'a>> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let ephemeral = ephemeral_volumes(cx, pod);
    if !ephemeral.values().any(|volume| matches(volume)) {
        return Vec::new();
    }
    let containers = pod.containers.iter();
    let mut mounts: Vec<_> =
        containers.flat_map(|container| data_mounts_of(container, pod, &ephemeral, cx.options)).collect();
    // Prefer the mounts of the main containers, which run the application.
    mounts.sort_by_key(|data| data.mount.container.list != ContainerList::Main);
    let mut seen = HashSet::new();
    mounts.retain(|data| matches(data.volume) && seen.insert(&*data.volume.name));
    mounts
}

fn is_generic_ephemeral(volume: &Volume<'_>) -> bool {
    matches!(volume.source(), Some(VolumeSource::Ephemeral(_)))
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
    let data_mount = |index: usize, reason| {
        let mount = &container.volume_mounts[index];
        Some(DataMount {
            volume: volume_of(mount)?,
            mount: ContainerMount { container, mount, index },
            reason,
        })
    };
    let data = ContainerData::new(container, options);
    if data.as_ref().is_some_and(|data| data.role == Role::Stateless) {
        return Vec::new();
    }
    let mut found: Vec<DataMount<'_>> = Vec::new();
    if let Some(data) = &data {
        let serving = serving_mounts(container, data.paths()).into_iter();
        found.extend(serving.filter_map(|(index, _)| data_mount(index, &*data.image.reason)));
    }
    let listed = served_directories(container, pod, ephemeral, options, data.as_ref()).into_iter();
    found.extend(listed.filter_map(|(index, directory)| data_mount(index, &*directory.directory.reason)));
    found
}

/// Returns the data directories that writable mounts of ephemeral volumes serve, with the indices
/// of the mounts.
fn served_directories<'a>(
    container: &Container<'_>,
    pod: &Pod<'_>,
    ephemeral: &HashMap<&str, &Volume<'_>>,
    options: &'a Options,
    data: Option<&ContainerData<'_>>,
) -> Vec<(usize, &'a DataDirectory)> {
    // Paths are parsed again for each step, because keeping thousands of them takes much memory.
    let mounts = || container.volume_mounts.iter().enumerate();
    let is_ephemeral = |mount: &VolumeMount<'_>| ephemeral.contains_key(&*mount.name);
    let ephemeral_mounts = mounts().filter(|(_, mount)| is_ephemeral(mount) && !mount.is_read_only());
    let mut candidates: Vec<(usize, &DataDirectory)> = ephemeral_mounts
        .filter_map(|(index, mount)| {
            Some((index, options.data_directories.find_containing(&path_of(mount))?))
        })
        .collect();
    let mut directories: Vec<MountedDirectory<'_>> = Vec::new();
    for (_, directory) in &candidates {
        if !directories.iter().any(|known| ptr::eq(known.directory, *directory)) {
            directories.push(MountedDirectory::new(directory, data));
        }
    }
    if directories.is_empty() {
        return candidates;
    }
    for (index, mount) in mounts() {
        let path = path_of(mount);
        let is_persistent = !is_ephemeral(mount) && outlives_pod(pod, &mount.name);
        directories.iter_mut().for_each(|directory| directory.add(index, &path, is_persistent));
    }
    candidates.retain(|(index, directory)| {
        let known = directories.iter().find(|known| ptr::eq(known.directory, *directory));
        known.is_some_and(|known| known.is_served_by(*index, &container.volume_mounts[*index]))
    });
    candidates
}

impl<'a> MountedDirectory<'a> {
    /// Creates a directory without mounts. Omits the locations that the paths in `data` replace.
    fn new(directory: &'a DataDirectory, data: Option<&ContainerData<'_>>) -> Self {
        let is_current = |location: &&PathPattern| !data.is_some_and(|data| data.replaces(location));
        let serving = directory.data.iter().filter(is_current).map(|location| (location, None)).collect();
        Self { directory, serving, has_other_location: data.is_some_and(ContainerData::is_configured) }
    }

    /// Takes a mount of the container into account.
    fn add(&mut self, index: usize, path: &HostPath, is_persistent: bool) {
        for (location, serving) in &mut self.serving {
            let covers = match path.relation(location) {
                Relation::Equal | Relation::Ancestor => true,
                // Some images store the data in this subdirectory.
                Relation::Descendant => path.depth() == location.depth() + 1 && path.name() == Some("data"),
                Relation::Unrelated => false,
            };
            if covers && serving.is_none_or(|(depth, _)| depth <= path.depth()) {
                *serving = Some((path.depth(), index));
            }
        }
        let relation = path.relation(&self.directory.directory.pattern);
        self.has_other_location |=
            is_persistent && matches!(relation, Relation::Equal | Relation::Descendant);
    }

    /// Checks whether the mount `index` serves the data. If the locations of the data are unknown,
    /// any mount in the directory may contain the data, except mounts of scratch files. This does
    /// not apply if [`Self::has_other_location`] is set.
    fn is_served_by(&self, index: usize, mount: &VolumeMount<'_>) -> bool {
        if self.directory.data.is_empty() {
            return !self.has_other_location && !self.is_scratch(&path_of(mount));
        }
        self.serving.iter().any(|(_, serving)| serving.is_some_and(|(_, serving)| serving == index))
    }

    /// Checks whether a path inside the directory is for scratch files, according to its name.
    fn is_scratch(&self, path: &HostPath) -> bool {
        let depth = self.directory.directory.pattern.depth();
        path.depth() > depth && path.name().is_some_and(|name| SCRATCH_NAMES.contains(&name))
    }
}

/// The names of subdirectories for scratch files and configuration.
const SCRATCH_NAMES: &[&str] = &[
    "cache",
    "caches",
    "certs",
    "conf",
    "config",
    "dashboards",
    "log",
    "logs",
    "plugins",
    "run",
    "secrets",
    "temp",
    "tmp",
    "workspace",
];

fn path_of(mount: &VolumeMount<'_>) -> HostPath {
    HostPath::in_container(&mount.mount_path)
}

/// Returns the mount of a container with the longest path at or above `path`, or `None` if there is
/// no such mount.
pub(crate) fn serving_mount<'a>(
    container: &'a Container<'a>,
    path: &HostPath,
) -> Option<ContainerMount<'a, 'a>> {
    let (index, _) = *serving_mounts(container, std::iter::once(path)).first()?;
    Some(ContainerMount { container, mount: &container.volume_mounts[index], index })
}

/// Returns the index of the mount with the longest path at or above each of `paths`. Omits paths
/// without such a mount.
pub(crate) fn serving_mounts<'p>(
    container: &Container<'_>,
    paths: impl Iterator<Item = &'p HostPath>,
) -> Vec<(usize, &'p HostPath)> {
    // For each path, the depth and the index of the mount.
    let mut serving: Vec<(&HostPath, Option<(usize, usize)>)> = paths.map(|path| (path, None)).collect();
    if serving.is_empty() {
        return Vec::new();
    }
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let mount_path = path_of(mount);
        for (path, found) in &mut serving {
            let covers = matches!(mount_path.relation_to(path), Relation::Equal | Relation::Ancestor);
            if covers && found.is_none_or(|(depth, _)| depth <= mount_path.depth()) {
                *found = Some((mount_path.depth(), index));
            }
        }
    }
    serving.into_iter().filter_map(|(path, found)| Some((found?.1, path))).collect()
}

/// Returns the volumes that are writable and deleted with the Pod, by name.
pub(crate) fn ephemeral_volumes<'a>(cx: &Context<'a>, pod: &'a Pod<'a>) -> HashMap<&'a str, &'a Volume<'a>> {
    let claims = pod.volumes.iter().filter(|volume| is_generic_ephemeral(volume));
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
            .path(path_of(mount));
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
