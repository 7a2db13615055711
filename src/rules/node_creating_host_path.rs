//! A `hostPath` volume creates a path that should already exist.
//!
//! ## What it does
//!
//! Reports a mounted volume or a PersistentVolume with `type: DirectoryOrCreate` or
//! `type: FileOrCreate` in two cases:
//!
//! - The path is at or inside a system directory of the node: `/etc`, `/usr`, `/boot`, `/dev`,
//!   `/proc`, `/sys` or `C:\Windows`.
//! - All mounts of the volume are read-only, so no container can fill the directory or file that
//!   the kubelet creates. Incomplete objects, such as patches, are skipped in this case.
//!
//! These paths are not reported:
//!
//! - directories where plugins create files, and paths inside them: `/var/lib/kubelet`, the
//!   FlexVolume directories, `/etc/cni`, and the provider directory of the Secrets Store CSI driver
//! - paths in `/run`, because `/run` is empty after each reboot and programs have to create their
//!   directories there again
//! - an agent's own directory in `/etc`, such as `/etc/amazon/efs`, if a container can write to it
//!   and the type is `DirectoryOrCreate`
//!
//! The rule also reports each mount inside a writable mount of a host path, with severity info.
//! This includes the mount of the ServiceAccount token, which the API server adds below `/var/run`.
//! In Pods on Windows nodes, such mounts are not reported. The inner mount is not reported if its
//! mount point is one of these paths of the node, which already exist:
//!
//! - a path whose type is in volcheck's host path catalog, such as `/var/lib/kubelet`
//! - a parent directory of a catalog entry whose path contains no `*`
//! - a well-known device, or a path whose name ends in `.sock`
//! - the path of a `hostPath` volume that a container of the Pod mounts, or a parent directory of
//!   this path
//!
//! ## Why is this bad?
//!
//! The kubelet creates a missing path as root on every node where the Pod runs, and nothing removes
//! the path. In a system directory, programs on the node may read it: even an empty file in `/etc`
//! can change their configuration. If all containers only read the path, its content must come from
//! somewhere else. If the path is missing, the Pod should fail to start instead of reading an empty
//! file or directory.
//!
//! The container runtime creates missing mount points. If a mount point is inside a writable mount
//! of a host path, the runtime creates it on the node, as an empty directory or file.
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
//! Some agents install files on the node, such as drivers in `/usr/local/nvidia`. Exempt them by
//! namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use std::cell::LazyCell;

use super::support::host_path_type::{self, RequestedType, with_article};
use super::support::nested_mounts::{InnerMount, NestedMount, exists_on_node, nested_mounts, token_help};
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, quoted};
use super::{
    Check, Context, FixClass, Group, HostPathType, HostPathVolume, MatchKey, ObjectKinds, PathClass, Rule,
};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{HostPath, Relation, VolumeMount};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("node-creating-host-path"),
    summary: "a `hostPath` volume creates a path that should already exist",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[CATALOG],
    match_keys: &MatchKey::ALL,
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("node_creating_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.host_path_volumes().iter().filter(|volume| volume.is_mounted()) {
        let requested = RequestedType::of_volume(volume).filter(|requested| requested.creates);
        let Some(requested) = requested else { continue };
        let is_expected = find_enclosing(&volume.clean, CREATABLE_DIRECTORIES).is_some()
            || is_own_directory(cx, volume, requested);
        if !is_expected {
            out.extend(finding(cx, volume, requested));
        }
    }
    out.extend(mount_point_findings(cx));
}

/// System directories of the node. Their content comes from packages or the kernel.
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

/// Directories in `/etc` that belong to the system or to a package of the node and are not in the
/// host path catalog. `is_own_directory` also treats names that end in `.d` as shared, because
/// programs read all files in such a directory.
const SHARED_DIRECTORIES: &[&str] = &[
    "NetworkManager",
    "apparmor",
    "apt",
    "audit",
    "chrony",
    "cloud",
    "dbus-1",
    "default",
    "firewalld",
    "fonts",
    "init",
    "iptables",
    "iscsi",
    "kernel",
    "lvm",
    "modules",
    "multipath",
    "netplan",
    "network",
    "opt",
    "polkit-1",
    "security",
    "selinux",
    "skel",
    "sysconfig",
    "udev",
    "yum",
];

/// Checks whether the path is an agent's own directory in `/etc`: a container writes to it, and
/// neither the system nor another package reads it.
fn is_own_directory(cx: &Context<'_>, volume: &HostPathVolume<'_>, requested: RequestedType) -> bool {
    let path = volume.clean.to_string();
    let Some(name) = path.strip_prefix("/etc/").and_then(|path| path.split('/').next()) else { return false };
    let class = cx.options.catalog.classify(&volume.clean);
    volume.has_writable_mount()
        && requested.file_type == HostPathType::Directory
        && !name.ends_with(".d")
        && !SHARED_DIRECTORIES.contains(&name)
        && matches!(class, PathClass::Inside(entry) if entry.path == "/etc")
}

/// Returns the findings about mount points that the container runtime creates in host paths.
fn mount_point_findings(cx: &Context<'_>) -> Vec<Finding> {
    let Some(pod) = cx.pod() else { return Vec::new() };
    let is_writable_host_path = |mount: &VolumeMount<'_>| {
        !mount.is_read_only() && pod.volume(&mount.name).is_some_and(|volume| volume.host_path().is_some())
    };
    let accesses = LazyCell::new(|| cx.accesses_by_mount());
    let mut findings = Vec::new();
    for nested in nested_mounts(cx, is_writable_host_path) {
        let access = accesses.get(&nested.outer.path()).filter(|access| access.can_be_directory());
        let Some(point) = access.map(|access| access.path.join(&nested.relative)) else { continue };
        if !exists_on_node(cx, &point) {
            findings.extend(mount_point_finding(&nested, &point));
        }
    }
    findings
}

fn mount_point_finding(nested: &NestedMount<'_>, point: &HostPath) -> Option<Finding> {
    let outer = &nested.outer;
    let owner = container(outer.container);
    let (mount, what, help) = match &nested.inner {
        InnerMount::Volume(inner) => (
            inner,
            format!("mount path {} of {owner}", quoted(&inner.mount.mount_path)),
            format!(
                "mount volume {} outside of {}",
                quoted(&inner.mount.name),
                quoted(&outer.mount.mount_path)
            ),
        ),
        InnerMount::Token => (outer, format!("the ServiceAccount token mount of {owner}"), token_help()),
        // The termination log is usually a file in `/dev`, whose content is lost at each reboot.
        InnerMount::TerminationLog => return None,
    };
    let finding = Finding::new(
        RULE.id,
        Severity::Info,
        mount.path().key("mountPath"),
        format!("{what} creates {} on the node", quoted(&point.to_string())),
    )
    .related(outer.path(), format!("volume {} is mounted writable here", quoted(&outer.mount.name)))
    .why("the runtime creates a missing mount point as root, and nothing removes it")
    .help(help)
    .volume(&outer.mount.name)
    .container(&outer.container.name)
    .host_path(point)
    .access(Access::Write);
    Some(finding)
}

fn finding(cx: &Context<'_>, volume: &HostPathVolume<'_>, requested: RequestedType) -> Option<Finding> {
    let path = quoted(volume.path);
    let (message, why) = match find_enclosing(&volume.clean, SYSTEM_DIRECTORIES) {
        Some(directory) => {
            let is_alias = volume.path.starts_with('/')
                && !volume.path.starts_with(directory)
                && !volume.clean.has_backstep()
                && !volume.clean.is_uncertain();
            let resolution = match is_alias {
                true => format!(", which is {},", quoted(&volume.clean.to_string())),
                false => String::new(),
            };
            let directory = quoted(directory);
            (
                format!("host path {path}{resolution} is created in system directory {directory} if missing"),
                "the kubelet creates it, programs on the node may read it, and nothing removes it",
            )
        }
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
        .help(format!("set `type: {name}` (the Pod then does not start if the path is missing)"))
        .fix(Fix::unsafe_edits(format!("set `type: {name}`"), vec![set]))
        .volume(volume.name)
        .host_path(&volume.clean)
        .access(volume.accesses.iter().map(|access| access.effective).max().unwrap_or(Access::Read));
    Some(finding)
}

/// Checks whether the volume should use an `OrCreate` type: a container writes to the path, and
/// nothing else creates it on a new node.
pub(super) fn should_create(cx: &Context<'_>, volume: &HostPathVolume<'_>) -> bool {
    let catalog = &cx.options.catalog;
    volume.has_writable_mount()
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
