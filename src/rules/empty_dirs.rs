//! What the rules about emptyDir share: which volumes are one, and which hold the data of an application.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::words::{container, quoted};
use super::{Context, NamedPath, OptionMeta};
use crate::finding::{Edit, EditValue, Finding, Fix, Safety, Severity};
use crate::model::{
    ContainerList, ContainerMount, EmptyDirSource, FieldPath, HostPath, Origin, Pod, Quantity, Volume,
    VolumeMount, VolumeSource,
};

/// What the fix of an unbounded emptyDir writes.
pub(super) const DEFAULT_SIZE: OptionMeta =
    OptionMeta { name: "defaultSize", summary: "the `sizeLimit` that the fix writes; `1Gi` by default" };

/// A volume that is an emptyDir.
#[derive(Clone, Debug)]
pub(super) struct EmptyDir<'a> {
    /// The volume.
    pub(super) volume: &'a Volume<'a>,
    /// What is said of it; nothing where it is implied.
    pub(super) source: EmptyDirSource<'a>,
}

/// Where an emptyDir lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Disk,
    Memory,
    HugePages,
    /// Nothing that the kubelet knows.
    Unknown,
}

impl Medium {
    /// What the kubelet makes of `text`.
    pub(super) fn of(text: &str) -> Self {
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
    /// Where `emptyDir` stands in the object, or will once the API server has written it.
    pub(super) fn path(&self) -> FieldPath {
        self.volume.path.key("emptyDir")
    }

    /// Where it lives.
    pub(super) fn medium(&self) -> Medium {
        Medium::of(&self.source.medium)
    }

    /// Whether it has a size of its own; a `sizeLimit` of 0 is none to the kubelet.
    pub(super) fn has_size_limit(&self) -> bool {
        self.source.size_limit.is_some_and(|limit| limit.is_positive())
    }

    /// Where its `sizeLimit` stands, or would stand.
    pub(super) fn size_limit_field(&self) -> FieldPath {
        self.path().key("sizeLimit")
    }

    /// A finding of `rule` about what bounds it, where it has no size.
    pub(super) fn unbounded_finding(
        &self,
        rule: &'static str,
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
        // Where `emptyDir` isn't written out, there is nothing to set a key of.
        let Some(VolumeSource::EmptyDir(_)) = self.volume.source() else { return finding };
        let size = EditValue::Str(cx.options.default_size(rule).to_owned());
        finding.fix(Fix { safety: Safety::Unsafe, edits: vec![Edit::Set(self.size_limit_field(), size)] })
    }
}

/// The emptyDirs of the pod, written out or implied by the absence of every other source.
///
/// Absence implies nothing where the source may stand elsewhere, nor in what an API server hands on: that has
/// its emptyDir written out, and a source that isn't known here is one that is newer.
pub(super) fn empty_dirs<'a>(cx: &Context<'a>) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_manifest = cx.object.origin == Origin::Manifest;
    let implies = cx.pod().is_some_and(|pod| pod.is_complete && is_manifest);
    cx.pod().into_iter().flat_map(|pod| &pod.volumes).filter_map(move |volume| {
        let source = volume.empty_dir()?;
        (implies || volume.source().is_some()).then_some(EmptyDir { volume, source })
    })
}

/// The emptyDirs in `medium` that neither a size of their own bounds nor a limit of their pod; of a pod that is
/// all there, since else its limits may stand elsewhere.
pub(super) fn unbounded<'a>(
    cx: &Context<'a>,
    medium: Medium,
    limit: fn(&Pod<'a>) -> Option<Quantity>,
) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let may_grow = cx.pod().is_some_and(|pod| pod.is_complete && limit(pod).is_none());
    let empty_dirs = may_grow.then(|| empty_dirs(cx)).into_iter().flatten();
    empty_dirs.filter(move |empty_dir| empty_dir.medium() == medium && !empty_dir.has_size_limit())
}

/// A mount through which an application's data is written to a volume that goes with the Pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataMount<'a> {
    /// The volume: an emptyDir, or a generic ephemeral claim.
    pub(super) volume: &'a Volume<'a>,
    of: ContainerMount<'a, 'a>,
    /// The directory that it is, or is inside of.
    directory: &'a NamedPath,
}

/// The mounts through which data is written that goes with the Pod, one per volume.
///
/// Where a volume that outlives the Pod is mounted at or inside the same directory there is none: the data is
/// in that one, and what is here is scratch files.
pub(super) fn data_mounts<'a>(cx: &Context<'a>) -> Vec<DataMount<'a>> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let passing = passing_volumes(cx, pod);
    if passing.is_empty() {
        return Vec::new();
    }
    let directory =
        |of: &ContainerMount<'_, '_>| cx.options.data_directories.find_containing(&path(of.mount));
    let mut found: Vec<_> = pod
        .mounts()
        .filter(|of| !of.mount.is_read_only())
        .filter_map(|of| {
            let volume = passing.get(&*of.mount.name)?;
            Some(DataMount { volume, of, directory: directory(&of)? })
        })
        .collect();
    // Most Pods have none: what would keep their data isn't looked for.
    if !found.is_empty() {
        let name = |of: &ContainerMount<'a, 'a>| &*of.mount.name;
        let lasting =
            pod.mounts().filter(|of| !passing.contains_key(name(of)) && outlives_pod(pod, name(of)));
        let kept: Vec<_> = lasting.filter_map(|of| directory(&of)).collect();
        found.retain(|data| !kept.iter().any(|directory| ptr::eq(*directory, data.directory)));
    }
    // The application itself says more than what prepares it.
    found.sort_by_key(|data| data.of.container.list != ContainerList::Main);
    let mut seen = HashSet::new();
    found.retain(|data| seen.insert(&*data.volume.name));
    found
}

/// The volumes that a container can write to and that go with the Pod, by name.
fn passing_volumes<'a>(cx: &Context<'a>, pod: &'a Pod<'a>) -> HashMap<&'a str, &'a Volume<'a>> {
    let claims =
        pod.volumes.iter().filter(|volume| matches!(volume.source(), Some(VolumeSource::Ephemeral(_))));
    let passing = empty_dirs(cx).map(|empty_dir| empty_dir.volume).chain(claims);
    passing.map(|volume| (&*volume.name, volume)).collect()
}

/// Whether a volume that isn't among the passing ones holds data; what isn't known here may.
fn outlives_pod(pod: &Pod<'_>, name: &str) -> bool {
    let source = pod.volume(name).and_then(Volume::source);
    !matches!(source, Some(VolumeSource::ReadOnly | VolumeSource::Projected(_)))
}

impl DataMount<'_> {
    /// Whether the volume is a generic ephemeral claim.
    pub(super) fn is_claim(&self) -> bool {
        matches!(self.volume.source(), Some(VolumeSource::Ephemeral(_)))
    }

    /// A finding of `rule` about `key`, the source of its volume; `what` names that in the message.
    pub(super) fn finding(
        self,
        cx: &Context<'_>,
        rule: &'static str,
        key: &'static str,
        what: &str,
    ) -> Finding {
        let (mount, volume) = (self.of.mount, self.volume);
        let (name, by) = (quoted(&volume.name), container(self.of.container));
        let message =
            format!("application data in {what} {name}: {by} mounts it at {}", quoted(&mount.mount_path));
        let finding = Finding::new(rule, Severity::Warning, volume.path.key(key), message)
            .at_key()
            .label("deleted with the Pod")
            .why("when the Pod is evicted, replaced or moved to another node, the data is gone")
            .volume(&volume.name)
            .path(path(mount));
        self.shown(if is_of_stateful_set(cx) {
            finding
                .help(format!("drop the volume, and add {name} to the StatefulSet's `volumeClaimTemplates`"))
        } else {
            finding.help("use a `persistentVolumeClaim`, or a StatefulSet with `volumeClaimTemplates`")
        })
    }

    /// The finding, with what is kept there beside the path.
    pub(super) fn shown(self, finding: Finding) -> Finding {
        finding.related(self.of.path().key("mountPath"), self.directory.reason.clone())
    }
}

/// Whether the pod is one of those that are to find their data again.
pub(super) fn is_of_stateful_set(cx: &Context<'_>) -> bool {
    cx.object.workload.kind == "StatefulSet"
}

fn path(mount: &VolumeMount<'_>) -> HostPath {
    HostPath::in_container(&mount.mount_path)
}
