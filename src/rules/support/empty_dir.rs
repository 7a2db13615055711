//! The `emptyDir` volumes of a pod.

use super::context::Context;
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{EmptyDirSource, FieldPath, Origin, Os, Pod, Quantity, Volume, VolumeSource};
use crate::rules::RuleOption;

/// The option for the size limit that a fix sets.
pub(crate) const DEFAULT_SIZE: RuleOption = RuleOption {
    name: "defaultSize",
    summary: "the `sizeLimit` that the fix sets; `1Gi` by default",
    is_policy_key: false,
};

/// An `emptyDir` volume. It is explicit, or implied by a volume without a source.
#[derive(Clone, Debug)]
pub(crate) struct EmptyDir<'a> {
    pub(crate) volume: &'a Volume<'a>,
    /// The fields of `emptyDir`, or their defaults if the `emptyDir` is implied.
    pub(crate) source: EmptyDirSource<'a>,
    /// The operating system of the Pod's nodes; `None` if unknown.
    os: Option<Os>,
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
    /// Returns the field path of `emptyDir`. If the `emptyDir` is implied, the API server adds this
    /// field.
    pub(crate) fn path(&self) -> FieldPath {
        self.volume.path.key("emptyDir")
    }

    /// Returns the medium that the kubelet uses. On Windows, a volume with `medium: Memory` is on
    /// disk.
    pub(crate) fn medium(&self) -> Medium {
        match Medium::parse(&self.source.medium) {
            Medium::Memory if self.os == Some(Os::Windows) => Medium::Disk,
            medium => medium,
        }
    }

    /// Checks whether the volume has a `sizeLimit`. The kubelet treats 0 as absent.
    pub(crate) fn has_size_limit(&self) -> bool {
        self.source.size_limit.is_some_and(|limit| limit != Quantity::default())
    }

    /// Checks whether a container of `pod` mounts the volume. If not, the volume stays empty. A
    /// volume without a name counts as mounted, because it is incomplete.
    pub(crate) fn is_mounted(&self, pod: &Pod<'_>) -> bool {
        let name = &self.volume.name;
        name.is_empty() || pod.mounts_of(name).next().is_some()
    }

    /// Returns the field path of `medium`.
    pub(crate) fn medium_field(&self) -> FieldPath {
        self.path().key("medium")
    }

    /// Returns the field path of `sizeLimit`.
    pub(crate) fn size_limit_field(&self) -> FieldPath {
        self.path().key("sizeLimit")
    }

    /// Creates a finding about an `emptyDir` volume without a size limit.
    pub(crate) fn unbounded_finding(&self, rule: RuleId, severity: Severity, message: String) -> Finding {
        let field = match self.source.size_limit {
            Some(_) => self.size_limit_field(),
            None => self.path(),
        };
        Finding::new(rule, severity, field, message).label("no size limit").volume(&self.volume.name)
    }

    /// Adds the fix that sets a size limit.
    pub(crate) fn with_size_limit_fix(&self, finding: Finding, cx: &Context<'_>) -> Finding {
        // An implied `emptyDir` has no mapping to add the key to.
        let Some(VolumeSource::EmptyDir(_)) = self.volume.source() else { return finding };
        let size = cx.options.default_size(finding.rule).to_owned();
        let title = format!("set `sizeLimit: {size}`");
        let edit = Edit::Set(self.size_limit_field(), EditValue::Str(size));
        finding.fix(Fix::unsafe_edits(title, vec![edit]))
    }
}

/// Iterates over the `emptyDir` volumes of the pod, explicit or implied.
///
/// A volume without a source implies an `emptyDir` only in a complete manifest. In a fragment, the
/// source may be defined elsewhere. In an admission request, the API server has already added the
/// `emptyDir`. If a volume then seems to have no source, its source is unknown to this version of
/// volcheck.
pub(crate) fn empty_dirs<'a>(cx: &Context<'a>) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_manifest = cx.object.origin != Origin::Admission;
    let can_imply = cx.pod().is_some_and(|pod| pod.is_complete && is_manifest);
    let os = cx.os;
    cx.pod().into_iter().flat_map(|pod| &pod.volumes).filter_map(move |volume| {
        let source = volume.empty_dir()?;
        (can_imply || volume.source().is_some()).then_some(EmptyDir { volume, source, os })
    })
}

/// Iterates over the mounted `emptyDir` volumes on `medium` without a `sizeLimit`. Yields nothing
/// if `limit` returns a limit for the whole pod, or if the pod is a fragment, whose limits may be
/// defined elsewhere.
pub(crate) fn unbounded<'a>(
    cx: &Context<'a>,
    medium: Medium,
    limit: fn(&Pod<'a>) -> Option<Quantity>,
) -> impl Iterator<Item = EmptyDir<'a>> + use<'a> {
    let is_unlimited = cx.pod().is_some_and(|pod| pod.is_complete && limit(pod).is_none());
    let empty_dirs = is_unlimited.then(|| empty_dirs(cx)).into_iter().flatten();
    let pod = cx.pod();
    empty_dirs.filter(move |empty_dir| {
        empty_dir.medium() == medium
            && !empty_dir.has_size_limit()
            && pod.is_some_and(|pod| empty_dir.is_mounted(pod))
    })
}

/// Checks whether a StatefulSet creates the Pod. When a StatefulSet replaces a Pod, it keeps the
/// claims of its `volumeClaimTemplates`.
pub(crate) fn is_stateful_set(cx: &Context<'_>) -> bool {
    cx.object.workload.kind == "StatefulSet"
}
