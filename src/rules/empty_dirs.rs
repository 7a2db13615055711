//! What the rules about emptyDir share: which volumes are one, and which hold the data of an application.

use super::words::{container, quoted};
use super::{Context, NamedPath};
use crate::finding::{Edit, EditValue, Finding, Fix, Safety, Severity};
use crate::model::{EmptyDirSource, FieldPath, HostPath, MountOf, Origin, Pod, Quantity, Source, Volume, VolumeMount};

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
                Some(size) if !size.is_nothing() => Self::HugePages,
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
        self.source.size_limit.is_some_and(|limit| !limit.is_nothing())
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
        let finding = Finding::new(rule, severity, place, message).label("no size limit").volume(&self.volume.name);
        // Where `emptyDir` isn't written out, there is nothing to set a key of.
        let Some(Source::EmptyDir(_)) = self.volume.source() else { return finding };
        let size = EditValue::Str(cx.options.default_size_limit.clone());
        finding.fix(Fix { safety: Safety::Unsafe, edits: vec![Edit::Set(self.size_limit_field(), size)] })
    }
}

/// The emptyDirs of the pod, written out or implied by the absence of every other source.
///
/// Absence implies nothing where the source may stand elsewhere, nor in what an API server hands on: that has
/// its emptyDir written out, and a source that isn't known here is one that is newer.
pub(super) fn empty_dirs<'a>(cx: &Context<'a>) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_manifest = cx.object.origin == Origin::Manifest;
    let implies = cx.pod().is_some_and(|pod| pod.is_whole && is_manifest);
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
    let may_grow = cx.pod().is_some_and(|pod| pod.is_whole && limit(pod).is_none());
    let empty_dirs = may_grow.then(|| empty_dirs(cx)).into_iter().flatten();
    empty_dirs.filter(move |empty_dir| empty_dir.medium() == medium && !empty_dir.has_size_limit())
}

/// A mount where a well-known image keeps the data of an application.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataMount<'a> {
    /// The mount.
    pub(super) of: MountOf<'a, 'a>,
    /// The directory that it is, or is inside of.
    pub(super) directory: &'a NamedPath,
}

impl<'a> DataMount<'a> {
    /// The first mount of `volume` that an application's data is written through, where no volume that outlives
    /// the Pod is mounted at or inside the same directory: the data is there then, and scratch files here.
    pub(super) fn find(cx: &Context<'a>, volume: &'a Volume<'a>) -> Option<Self> {
        let pod = cx.pod()?;
        let writable = pod.mounts_of(&volume.name).filter(|of| !pod.is_read_only(of.mount));
        let at_data = writable.filter_map(|of| {
            let directory = NamedPath::around(&cx.options.data_directories, &path(of.mount))?;
            Some(Self { of, directory })
        });
        at_data.into_iter().find(|data| !is_kept_elsewhere(cx, pod, data.directory))
    }

    /// A finding of `rule` at `place` about it: the data is in `what`, by the name of the volume.
    pub(super) fn finding(self, rule: &'static str, severity: Severity, place: FieldPath, what: &str) -> Finding {
        let MountOf { mount, container: mounting, .. } = self.of;
        let message = format!(
            "application data in {what} {}: {} mounts it at {}",
            quoted(&mount.name),
            container(mounting),
            quoted(&mount.mount_path)
        );
        self.related(Finding::new(rule, severity, place, message)).volume(&mount.name).path(path(mount))
    }

    /// The finding, with what is kept there beside the path.
    pub(super) fn related(self, finding: Finding) -> Finding {
        finding.related(self.of.path().key("mountPath"), self.directory.reason.clone())
    }
}

fn path(mount: &VolumeMount<'_>) -> HostPath {
    HostPath::of_container(&mount.mount_path)
}

fn is_kept_elsewhere(cx: &Context<'_>, pod: &Pod<'_>, directory: &NamedPath) -> bool {
    let directory = std::slice::from_ref(directory);
    let inside = |mount: &VolumeMount<'_>| NamedPath::around(directory, &path(mount)).is_some();
    pod.mounts().any(|of| inside(of.mount) && outlives_pod(cx, pod, &of.mount.name))
}

/// Whether the volume `name` outlives the Pod; what isn't known here is taken to do so, since it may.
fn outlives_pod(cx: &Context<'_>, pod: &Pod<'_>, name: &str) -> bool {
    let source = pod.volume(name).and_then(Volume::source);
    let goes = matches!(source, Some(Source::Ephemeral(_) | Source::ReadOnly | Source::Projected(_)));
    !goes && empty_dirs(cx).all(|empty_dir| &*empty_dir.volume.name != name)
}
