//! Shared code of the `emptyDir` rules: the `emptyDir` volumes of a pod, and the mounts with
//! application data.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::context::Context;
use super::options::ListedPath;
use super::wording::{container, quoted};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{
    ContainerList, ContainerMount, EmptyDirSource, FieldPath, HostPath, Origin, Pod, Quantity, Volume,
    VolumeMount, VolumeSource,
};
use crate::rules::RuleOption;

/// The option for the size limit that a fix sets.
pub(crate) const DEFAULT_SIZE: RuleOption =
    RuleOption { name: "defaultSize", summary: "the `sizeLimit` that the fix sets; `1Gi` by default" };

/// An `emptyDir` volume, explicit or implied.
#[derive(Clone, Debug)]
pub(crate) struct EmptyDir<'a> {
    pub(crate) volume: &'a Volume<'a>,
    /// The fields of `emptyDir`, or their defaults if the `emptyDir` is implied.
    pub(crate) source: EmptyDirSource<'a>,
}

/// The storage medium of an `emptyDir` volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    Memory,
    HugePages,
    /// A value that the kubelet rejects.
    Unknown,
}

impl Medium {
    /// Parses `emptyDir.medium` as the kubelet does.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "" => Self::Disk,
            "Memory" => Self::Memory,
            "HugePages" => Self::HugePages,
            _ => match text.strip_prefix("HugePages-").and_then(Quantity::parse) {
                Some(size) if size.is_positive() => Self::HugePages,
                _ => Self::Unknown,
            },
        }
    }
}

impl EmptyDir<'_> {
    /// Returns the field path of `emptyDir`. If it is implied, the API server adds the field.
    pub(crate) fn path(&self) -> FieldPath {
        self.volume.path.key("emptyDir")
    }

    pub(crate) fn medium(&self) -> Medium {
        Medium::parse(&self.source.medium)
    }

    /// Checks whether the volume has a `sizeLimit`. The kubelet treats 0 as absent.
    pub(crate) fn has_size_limit(&self) -> bool {
        self.source.size_limit.is_some_and(|limit| limit.is_positive())
    }

    /// Returns the field path of `sizeLimit`.
    pub(crate) fn size_limit_field(&self) -> FieldPath {
        self.path().key("sizeLimit")
    }

    /// Creates a finding about an `emptyDir` volume without a size limit.
    pub(crate) fn unbounded_finding(
        &self,
        rule: RuleId,
        severity: Severity,
        message: String,
        cx: &Context<'_>,
    ) -> Finding {
        let field = match self.source.size_limit {
            Some(_) => self.size_limit_field(),
            None => self.path(),
        };
        let finding =
            Finding::new(rule, severity, field, message).label("no size limit").volume(&self.volume.name);
        // An implied `emptyDir` has no mapping to add the key to.
        let Some(VolumeSource::EmptyDir(_)) = self.volume.source() else { return finding };
        let size = cx.options.default_size(rule).to_owned();
        let title = format!("set `sizeLimit: {size}`");
        let edit = Edit::Set(self.size_limit_field(), EditValue::Str(size));
        finding.fix(Fix::unsafe_edits(title, vec![edit]))
    }
}

/// Iterates over the `emptyDir` volumes of the pod, explicit or implied. A volume without a source
/// is an implied `emptyDir`.
///
/// An `emptyDir` is implied only in a complete manifest. In a fragment, the source may be defined
/// elsewhere. In an admission request, the API server has already added the `emptyDir`, so a volume
/// without a known source has a source that this version of volcheck does not know.
pub(crate) fn empty_dirs<'a>(cx: &Context<'a>) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_manifest = cx.object.origin == Origin::Manifest;
    let can_imply = cx.pod().is_some_and(|pod| pod.is_complete && is_manifest);
    cx.pod().into_iter().flat_map(|pod| &pod.volumes).filter_map(move |volume| {
        let source = volume.empty_dir()?;
        (can_imply || volume.source().is_some()).then_some(EmptyDir { volume, source })
    })
}

/// Iterates over the `emptyDir` volumes on `medium` that have no `sizeLimit`, if `limit` returns
/// `None` for the pod. Skips fragments of pods, whose limits may be defined elsewhere.
pub(crate) fn unbounded<'a>(
    cx: &Context<'a>,
    medium: Medium,
    limit: fn(&Pod<'a>) -> Option<Quantity>,
) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_unlimited = cx.pod().is_some_and(|pod| pod.is_complete && limit(pod).is_none());
    let empty_dirs = is_unlimited.then(|| empty_dirs(cx)).into_iter().flatten();
    empty_dirs.filter(move |empty_dir| empty_dir.medium() == medium && !empty_dir.has_size_limit())
}

/// A writable mount of an ephemeral volume at or inside a data directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataMount<'a> {
    /// An `emptyDir` or a generic ephemeral volume.
    pub(crate) volume: &'a Volume<'a>,
    mount: ContainerMount<'a, 'a>,
    /// The data directory at or above the mount path.
    directory: &'a ListedPath,
}

/// Returns the writable mounts of ephemeral volumes at or inside data directories, one per volume.
///
/// Skips a mount if a volume that outlives the Pod is mounted at or inside the same data directory,
/// because the data is then in that volume.
pub(crate) fn data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let ephemeral = ephemeral_volumes(cx, pod);
    if ephemeral.is_empty() {
        return Vec::new();
    }
    let directory = |mount: &ContainerMount<'_, '_>| {
        cx.options.data_directories.find_containing(&mount_path(mount.mount))
    };
    let mut mounts: Vec<_> = pod
        .mounts()
        .filter(|mount| !mount.mount.is_read_only())
        .filter_map(|mount| {
            let volume = ephemeral.get(&*mount.mount.name)?;
            Some(DataMount { volume, mount, directory: directory(&mount)? })
        })
        .collect();
    // Most Pods have no such mount, so look for volumes that outlive the Pod only if there is one.
    if !mounts.is_empty() {
        let is_persistent = |name: &str| !ephemeral.contains_key(name) && outlives_pod(pod, name);
        let persistent = pod.mounts().filter(|mount| is_persistent(&mount.mount.name));
        let persistent: Vec<_> = persistent.filter_map(|mount| directory(&mount)).collect();
        mounts.retain(|data| !persistent.iter().any(|directory| ptr::eq(*directory, data.directory)));
    }
    // Prefer the mounts of the main containers, which run the application.
    mounts.sort_by_key(|data| data.mount.container.list != ContainerList::Main);
    let mut seen = HashSet::new();
    mounts.retain(|data| seen.insert(&*data.volume.name));
    mounts
}

/// Returns the volumes that are writable and deleted with the Pod, by name.
fn ephemeral_volumes<'a>(cx: &Context<'a>, pod: &'a Pod<'a>) -> HashMap<&'a str, &'a Volume<'a>> {
    let claims =
        pod.volumes.iter().filter(|volume| matches!(volume.source(), Some(VolumeSource::Ephemeral(_))));
    let ephemeral = empty_dirs(cx).map(|empty_dir| empty_dir.volume).chain(claims);
    ephemeral.map(|volume| (&*volume.name, volume)).collect()
}

/// Checks whether the volume `name`, which is not ephemeral, can store data that outlives the Pod.
/// A volume with an unknown source can.
fn outlives_pod(pod: &Pod<'_>, name: &str) -> bool {
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
            .path(mount_path(mount));
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
        finding.related(self.mount.path().key("mountPath"), self.directory.reason.clone())
    }
}

/// Checks whether a StatefulSet creates the Pod. It keeps the claims of its `volumeClaimTemplates`
/// when it replaces a Pod.
pub(crate) fn is_stateful_set(cx: &Context<'_>) -> bool {
    cx.object.workload.kind == "StatefulSet"
}

fn mount_path(mount: &VolumeMount<'_>) -> HostPath {
    HostPath::in_container(&mount.mount_path)
}
