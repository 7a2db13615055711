//! A `hostPath` volume creates a path that should already exist.
//!
//! ## What it does
//!
//! Reports a mounted volume with `type: DirectoryOrCreate` or `type: FileOrCreate` in two cases:
//!
//! - The path is at or inside a system directory of the node: `/etc`, `/usr`, `/boot`, `/dev`,
//!   `/proc`, `/sys` or `C:\Windows`.
//! - Every container mounts the volume read-only, so none of them can fill the directory or file
//!   that the kubelet creates.
//!
//! Paths in directories where plugins create files are not reported: `/var/lib/kubelet`, the
//! FlexVolume directories, `/etc/cni`, and the provider directory of the Secrets Store CSI driver.
//! Paths in `/run` are not reported either, because `/run` is empty after each reboot and programs
//! have to create their directories there again.
//!
//! ## Why is this bad?
//!
//! The kubelet creates the missing path as root on every node where the Pod runs, and nothing
//! removes it. In a system directory, programs on the node may read it: even an empty file in
//! `/etc` can change the configuration. If all containers only read the path, its content must come
//! from somewhere else. If the path is missing, the Pod should fail to start instead of reading an
//! empty file or directory.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: audit
//!       mountPath: /audit
//!       readOnly: true
//!   volumes:
//!   - name: audit
//!     hostPath:
//!       path: /etc/audit
//!       type: DirectoryOrCreate # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: audit
//!       mountPath: /audit
//!       readOnly: true
//!   volumes:
//!   - name: audit
//!     hostPath:
//!       path: /etc/audit
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Removes `OrCreate` from the type. If the path is known to have another type, sets that type
//! instead. Unsafe: if the path is missing, the Pod no longer starts.
//!
//! ## When to allow it
//!
//! Some agents install files on the node, such as a CSI driver that stores its settings in
//! `/etc/amazon/efs`. Exempt them by namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::{self, RequestedType, with_article};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, PathClass, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("node-creating-host-path"),
    summary: "a `hostPath` volume creates a path that should already exist",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("node_creating_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.host_path_volumes().iter().filter(|volume| volume.is_mounted()) {
        let requested = RequestedType::of_volume(volume).filter(|requested| requested.creates);
        let Some(requested) = requested else { continue };
        if find_enclosing(&volume.clean, CREATABLE_DIRECTORIES).is_none() {
            out.extend(finding(cx, volume, requested));
        }
    }
}

/// System directories of the node, whose content belongs to its packages or its kernel.
const SYSTEM_DIRECTORIES: &[&str] = &["/etc", "/usr", "/boot", "/dev", "/proc", "/sys", r"C:\Windows"];

/// Directories in which Pods are expected to create paths.
const CREATABLE_DIRECTORIES: &[&str] = &[
    "/run",
    "/var/lib/kubelet",
    "/usr/libexec/kubernetes/kubelet-plugins",
    "/etc/cni",
    "/etc/kubernetes/secrets-store-csi-providers",
    "/etc/kubernetes/volumeplugins",
    r"C:\var\lib\kubelet",
];

fn finding(cx: &Context<'_>, volume: &HostPathVolume<'_>, requested: RequestedType) -> Option<Finding> {
    let path = quoted(volume.path);
    let (message, why) = match find_enclosing(&volume.clean, SYSTEM_DIRECTORIES) {
        Some(directory) => (
            format!("host path {path} is created in system directory {} if missing", quoted(directory)),
            "the kubelet creates it, programs on the node may read it, and nothing removes it",
        ),
        None if has_only_read_only_mounts(cx, volume) => (
            format!("host path {path} is created if missing, but no container can write to it"),
            "a missing path is created empty, and the Pod starts instead of failing",
        ),
        None => return None,
    };
    // Removing `OrCreate` is not enough if the path is known to have another type.
    let known = host_path_type::known_type(&cx.options.catalog, &volume.clean);
    let name = known.unwrap_or(requested.file_type).name();
    let set = Edit::Set(volume.type_field(), EditValue::Str(name.to_owned()));
    // Windows has no user `root`.
    let owner = if volume.clean.is_windows() { "" } else { " owned by root" };
    let finding = Finding::new(RULE.id, Severity::Warning, volume.type_field(), message)
        .label(format!("creates {}{owner}", with_article(requested.file_type)))
        .why(why)
        .help(format!("set `type: {name}` (the Pod does not start if the path is missing)"))
        .fix(Fix::unsafe_edits(format!("set `type: {name}`"), vec![set]))
        .volume(volume.name)
        .path(&volume.clean)
        .access(volume.accesses.iter().map(|access| access.effective).max().unwrap_or(Access::Read));
    Some(finding)
}

/// Checks whether the volume should use an `OrCreate` type: a container writes to the path, and
/// nothing else creates it on a new node.
pub(super) fn should_create(cx: &Context<'_>, volume: &HostPathVolume<'_>) -> bool {
    let catalog = &cx.options.catalog;
    let is_written = volume.accesses.iter().any(|access| access.mount.is_some() && !access.is_read_only);
    is_written
        && match (find_enclosing(&volume.clean, CREATABLE_DIRECTORIES), catalog.classify(&volume.clean)) {
            (_, PathClass::SocketParent(_)) => false,
            // The kubelet itself creates the paths in its directory that are in the catalog.
            (Some(directory), _) if directory.ends_with("kubelet") => {
                catalog.file_type(&volume.clean).is_none()
            }
            (Some(_), _) => true,
            (None, class) => {
                !class.is_in_catalog() && find_enclosing(&volume.clean, SYSTEM_DIRECTORIES).is_none()
            }
        }
}

/// Checks whether all mounts of the volume are read-only. Returns false for an incomplete pod,
/// because its other mounts are unknown.
fn has_only_read_only_mounts(cx: &Context<'_>, volume: &HostPathVolume<'_>) -> bool {
    cx.pod().is_some_and(|pod| pod.is_complete)
        && volume.accesses.iter().all(|access| access.mount.is_some() && access.is_read_only)
}

/// Returns the first of `directories` that is at or above `path`.
fn find_enclosing(path: &HostPath, directories: &[&'static str]) -> Option<&'static str> {
    let encloses = |directory: &&str| {
        matches!(path.relation_to(&HostPath::new(directory)), Relation::Equal | Relation::Descendant)
    };
    directories.iter().copied().find(encloses)
}
