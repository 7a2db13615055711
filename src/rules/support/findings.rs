//! Findings that several rules build in the same way.

use super::context::{HostPathAccess, HostPathVolume};
use super::wording::{container, quoted, volume};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::ContainerMount;

/// The number of other mounts of a volume to list as related: a volume may have thousands.
const MAX_OTHER_MOUNTS: usize = 9;

/// Creates a finding about one access to a host path. Its primary location is the path of the volume; the
/// mount and the other mounts of the volume are related.
///
/// The finding belongs to the volume, not to a container: it stays the same until an access to another path,
/// or with more rights, becomes the most harmful.
pub(crate) fn host_path_finding(
    rule: RuleId,
    severity: Severity,
    host: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    message: String,
) -> Finding {
    let finding = Finding::new(rule, severity, host.path_field(), message)
        .label(volume(host))
        .volume(host.name)
        .path(&access.path)
        .access(access.effective);
    let others = host.accesses.iter().filter(|other| !std::ptr::eq(*other, access)).take(MAX_OTHER_MOUNTS);
    std::iter::once(access)
        .chain(others)
        .filter_map(|access| Some((access.mount?, access)))
        .fold(finding, |finding, (of, access)| finding.related(of.path(), mount_label(of, access)))
}

/// Adds the advice to use an `emptyDir` instead and, if no mount needs a path of the node, the fix.
pub(crate) fn with_empty_dir_fix(host: &HostPathVolume<'_>, finding: Finding) -> Finding {
    let finding = finding.help("use an `emptyDir`: each Pod has its own, and its files go with the Pod");
    let is_replaceable =
        host.accesses.iter().all(|access| access.can_be_directory() && !access.class.is_catalogued());
    let Some(volume) = host.volume.filter(|_| is_replaceable) else { return finding };
    let edits = vec![
        Edit::Remove(volume.path.key("hostPath")),
        Edit::Set(volume.path.key("emptyDir"), EditValue::EmptyMapping),
    ];
    finding.fix(Fix::unsafe_edits("replace the `hostPath` with an `emptyDir`", edits))
}

/// Returns the label of a mount of the volume that a finding is about.
fn mount_label(of: ContainerMount<'_, '_>, access: &HostPathAccess<'_>) -> String {
    let part = match (&*of.mount.sub_path, &*of.mount.sub_path_expr) {
        ("", "") => "it".to_owned(),
        (sub_path, "") | (_, sub_path) => format!("{} of it", quoted(sub_path)),
    };
    let mode = if access.is_read_only { "read-only" } else { "writable" };
    format!("{} mounts {part} here, {mode}", container(of.container))
}
