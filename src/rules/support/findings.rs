//! Constructors for findings that several rules report.

use super::catalog::Entry;
use super::context::{Context, HostPathAccess, HostPathVolume};
use super::wording::{self, container, quoted};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{ContainerMount, HostPath, HostPathForm, Relation};

/// The maximum number of other mounts among the related locations. A volume may have thousands of
/// mounts.
const MAX_OTHER_MOUNTS: usize = 9;

/// Directories in which provisioners create PersistentVolumes.
const PROVISIONER_DIRECTORIES: &[&str] =
    &["/var/lib/rancher/k3s/storage", "/var/snap/microk8s/common/default-storage"];

/// Checks whether `entry` is the directory of a provisioner, and `path` is inside that directory.
pub(crate) fn is_provisioner_directory(entry: &Entry, path: &HostPath) -> bool {
    PROVISIONER_DIRECTORIES.contains(&&*entry.path) && path.relation(&entry.pattern) == Relation::Descendant
}

/// Creates a finding about one access to a host path. Its primary location is the path of the
/// volume. The mount of the access and other mounts of the volume are related locations.
///
/// The fingerprint contains the volume, and the path and mode (read or write) of `access`, but not
/// the container. Of several such findings about a volume, the engine keeps the most severe one of
/// each family.
pub(crate) fn host_path_finding(
    rule: RuleId,
    severity: Severity,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    message: String,
) -> Finding {
    let finding = Finding::new(rule, severity, volume.path_field(), message)
        .label(wording::volume(volume))
        .volume(volume.name)
        .host_path(&access.path)
        .access(access.effective);
    let others = volume.accesses.iter().filter(|other| !std::ptr::eq(*other, access)).take(MAX_OTHER_MOUNTS);
    std::iter::once(access)
        .chain(others)
        .filter_map(|access| Some((access.mount?, access)))
        .fold(finding, |finding, (mount, access)| finding.related(mount.path(), mount_label(mount, access)))
}

/// Adds the advice to use an `emptyDir`. Also adds the fix if the host path is in a `hostPath`
/// volume of a pod, and each mounted path can be a directory and is not in the catalog (see
/// [`PathClass::is_in_catalog`](super::catalog::PathClass::is_in_catalog)).
pub(crate) fn with_empty_dir_fix(host_volume: &HostPathVolume<'_>, finding: Finding) -> Finding {
    let finding = finding.help("use an `emptyDir`, which is private to the Pod and deleted with it");
    let is_replaceable =
        host_volume.accesses.iter().all(|access| access.can_be_directory() && !access.class.is_in_catalog());
    let is_replaceable = is_replaceable && host_volume.form() == HostPathForm::Volume;
    let Some(volume) = host_volume.volume.filter(|_| is_replaceable) else { return finding };
    let edits = vec![
        Edit::Remove(volume.path.key("hostPath")),
        Edit::Set(volume.path.key("emptyDir"), EditValue::EmptyMapping),
    ];
    finding.fix(Fix::unsafe_edits("replace the `hostPath` with an `emptyDir`", edits))
}

/// Returns the advice about access to a socket: `help`, unless a HostProcess container mounts a
/// named pipe.
pub(crate) fn socket_help(cx: &Context<'_>, access: &HostPathAccess<'_>, help: String) -> String {
    let is_host_process = || {
        let mount = access.mount.zip(cx.pod());
        mount.is_some_and(|(mount, pod)| pod.is_host_process(mount.container))
    };
    match access.path.is_named_pipe() && is_host_process() {
        true => {
            "remove the volume: a HostProcess container cannot mount named pipes, and can open every pipe of \
             the node by its path"
                .to_owned()
        }
        false => help,
    }
}

/// Returns the fix that makes a mount read-only.
pub(crate) fn read_only_fix(mount: ContainerMount<'_, '_>) -> Fix {
    let edit = Edit::Set(mount.path().key("readOnly"), EditValue::Bool(true));
    Fix::unsafe_edits("set `readOnly: true`", vec![edit])
}

/// Returns the label of a mount of the volume that a finding is about.
fn mount_label(mount: ContainerMount<'_, '_>, access: &HostPathAccess<'_>) -> String {
    let part = match mount.mount.sub_path_entry() {
        None => "it".to_owned(),
        Some((_, sub_path)) => format!("sub path {}", quoted(sub_path)),
    };
    let mode = if access.is_read_only { "read-only" } else { "writable" };
    format!("{} mounts {part} here, {mode}", container(mount.container))
}
