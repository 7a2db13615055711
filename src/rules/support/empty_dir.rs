//! Code that the emptyDir rules share: which volumes are emptyDirs, and which contain application data.

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

/// The option for the size that the fix of an unbounded emptyDir writes.
pub(crate) const DEFAULT_SIZE: RuleOption =
    RuleOption { name: "defaultSize", summary: "the `sizeLimit` that the fix writes; `1Gi` by default" };

/// A volume that is an emptyDir.
#[derive(Clone, Debug)]
pub(crate) struct EmptyDir<'a> {
    pub(crate) volume: &'a Volume<'a>,
    /// The fields of `emptyDir`; the defaults if it is implied.
    pub(crate) source: EmptyDirSource<'a>,
}

/// The storage medium of an emptyDir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    Memory,
    HugePages,
    /// A value that the kubelet does not know.
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
    /// Returns the field path of `emptyDir`, which the API server adds if it is implied.
    pub(crate) fn path(&self) -> FieldPath {
        self.volume.path.key("emptyDir")
    }

    pub(crate) fn medium(&self) -> Medium {
        Medium::parse(&self.source.medium)
    }

    /// Checks whether it has a `sizeLimit`. The kubelet treats 0 as absent.
    pub(crate) fn has_size_limit(&self) -> bool {
        self.source.size_limit.is_some_and(|limit| limit.is_positive())
    }

    /// Returns the field path of `sizeLimit`.
    pub(crate) fn size_limit_field(&self) -> FieldPath {
        self.path().key("sizeLimit")
    }

    /// Creates a finding about an emptyDir without a size limit.
    pub(crate) fn unbounded_finding(
        &self,
        rule: RuleId,
        severity: Severity,
        message: String,
        cx: &Context<'_>,
    ) -> Finding {
        let place = match self.source.size_limit {
            Some(_) => self.size_limit_field(),
            None => self.path(),
        };
        let finding =
            Finding::new(rule, severity, place, message).label("no size limit").volume(&self.volume.name);
        // An implied `emptyDir` has no mapping in which to set a key.
        let Some(VolumeSource::EmptyDir(_)) = self.volume.source() else { return finding };
        let size = cx.options.default_size(rule).to_owned();
        let title = format!("set `sizeLimit: {size}`");
        let edit = Edit::Set(self.size_limit_field(), EditValue::Str(size));
        finding.fix(Fix::unsafe_edits(title, vec![edit]))
    }
}

/// Returns the emptyDirs of the pod, written out or implied by the absence of every other source.
///
/// Absence implies an emptyDir only in a complete manifest. A fragment may have its source elsewhere, and the
/// API server writes implied emptyDirs out, so in admission a volume without a known source has a newer one.
pub(crate) fn empty_dirs<'a>(cx: &Context<'a>) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_manifest = cx.object.origin == Origin::Manifest;
    let implies = cx.pod().is_some_and(|pod| pod.is_complete && is_manifest);
    cx.pod().into_iter().flat_map(|pod| &pod.volumes).filter_map(move |volume| {
        let source = volume.empty_dir()?;
        (implies || volume.source().is_some()).then_some(EmptyDir { volume, source })
    })
}

/// Returns the emptyDirs in `medium` that neither a `sizeLimit` nor a limit of the pod bounds. A fragment of a
/// pod has none, since its limits may be elsewhere.
pub(crate) fn unbounded<'a>(
    cx: &Context<'a>,
    medium: Medium,
    limit: fn(&Pod<'a>) -> Option<Quantity>,
) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_unlimited = cx.pod().is_some_and(|pod| pod.is_complete && limit(pod).is_none());
    let empty_dirs = is_unlimited.then(|| empty_dirs(cx)).into_iter().flatten();
    empty_dirs.filter(move |empty_dir| empty_dir.medium() == medium && !empty_dir.has_size_limit())
}

/// A mount through which a container writes application data to a volume that is deleted with the Pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataMount<'a> {
    /// An emptyDir or a generic ephemeral volume.
    pub(crate) volume: &'a Volume<'a>,
    of: ContainerMount<'a, 'a>,
    /// The data directory at or above the mount path.
    directory: &'a ListedPath,
}

/// Returns the mounts through which application data is written to ephemeral volumes, one per volume.
///
/// A mount does not count if a volume that outlives the Pod is mounted at or below the same data directory:
/// then the data is in that volume.
pub(crate) fn data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let ephemeral = ephemeral_volumes(cx, pod);
    if ephemeral.is_empty() {
        return Vec::new();
    }
    let directory =
        |of: &ContainerMount<'_, '_>| cx.options.data_directories.find_containing(&path(of.mount));
    let mut found: Vec<_> = pod
        .mounts()
        .filter(|of| !of.mount.is_read_only())
        .filter_map(|of| {
            let volume = ephemeral.get(&*of.mount.name)?;
            Some(DataMount { volume, of, directory: directory(&of)? })
        })
        .collect();
    // Most Pods have none, so the volumes that outlive the Pod are not searched for first.
    if !found.is_empty() {
        let name = |of: &ContainerMount<'a, 'a>| &*of.mount.name;
        let lasting =
            pod.mounts().filter(|of| !ephemeral.contains_key(name(of)) && outlives_pod(pod, name(of)));
        let kept: Vec<_> = lasting.filter_map(|of| directory(&of)).collect();
        found.retain(|data| !kept.iter().any(|directory| ptr::eq(*directory, data.directory)));
    }
    // The main containers first: they are the application.
    found.sort_by_key(|data| data.of.container.list != ContainerList::Main);
    let mut seen = HashSet::new();
    found.retain(|data| seen.insert(&*data.volume.name));
    found
}

/// Returns the writable volumes that are deleted with the Pod, by name.
fn ephemeral_volumes<'a>(cx: &Context<'a>, pod: &'a Pod<'a>) -> HashMap<&'a str, &'a Volume<'a>> {
    let claims =
        pod.volumes.iter().filter(|volume| matches!(volume.source(), Some(VolumeSource::Ephemeral(_))));
    let ephemeral = empty_dirs(cx).map(|empty_dir| empty_dir.volume).chain(claims);
    ephemeral.map(|volume| (&*volume.name, volume)).collect()
}

/// Checks whether a volume that is not ephemeral can contain data; unknown sources can.
fn outlives_pod(pod: &Pod<'_>, name: &str) -> bool {
    let source = pod.volume(name).and_then(Volume::source);
    !matches!(source, Some(VolumeSource::ReadOnly | VolumeSource::Projected(_)))
}

impl DataMount<'_> {
    /// Whether the volume is a generic ephemeral volume.
    pub(crate) fn is_claim(&self) -> bool {
        matches!(self.volume.source(), Some(VolumeSource::Ephemeral(_)))
    }

    /// Creates a finding at `key`, the source of the volume; `noun` names the source in the message.
    pub(crate) fn finding(self, cx: &Context<'_>, rule: RuleId, key: &'static str, noun: &str) -> Finding {
        let (mount, volume) = (self.of.mount, self.volume);
        let (name, by) = (quoted(&volume.name), container(self.of.container));
        let message =
            format!("application data in {noun} {name}: {by} mounts it at {}", quoted(&mount.mount_path));
        let finding = Finding::new(rule, Severity::Warning, volume.path.key(key), message)
            .at_key()
            .label("deleted with the Pod")
            .why("when the Pod is evicted, replaced or moved to another node, the data is gone")
            .volume(&volume.name)
            .path(path(mount));
        self.with_reason(if is_stateful_set(cx) {
            finding
                .help(format!("drop the volume, and add {name} to the StatefulSet's `volumeClaimTemplates`"))
        } else {
            finding.help("use a `persistentVolumeClaim`, or a StatefulSet with `volumeClaimTemplates`")
        })
    }

    /// Adds the reason why the mount path is a data directory as a related location.
    pub(crate) fn with_reason(self, finding: Finding) -> Finding {
        finding.related(self.of.path().key("mountPath"), self.directory.reason.clone())
    }
}

/// Checks whether the pod belongs to a StatefulSet, whose Pods keep their volumes.
pub(crate) fn is_stateful_set(cx: &Context<'_>) -> bool {
    cx.object.workload.kind == "StatefulSet"
}

fn path(mount: &VolumeMount<'_>) -> HostPath {
    HostPath::in_container(&mount.mount_path)
}
