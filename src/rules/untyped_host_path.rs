//! A `hostPath` volume has no `type`.
//!
//! ## What it does
//!
//! Reports a `hostPath` of a volume or a PersistentVolume whose `type` is absent, null or empty.
//! Kubernetes treats all three the same. Windows named pipes are not reported, because the kubelet
//! supports no type for them.
//!
//! ## Why is this bad?
//!
//! Without a type, nothing checks the path, and the container runtime creates a missing path and
//! its parents as directories owned by root. It does so even if all mounts are read-only. A
//! misspelled path causes no error: it becomes an empty directory on every node where the Pod runs,
//! and nothing removes it. If the path should be a socket or a file, the directory prevents other
//! programs from creating it.
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log # finding
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets the type that the path suggests. The first match determines it:
//!
//! - the type in volcheck's host path catalog, if the catalog has one for the path
//! - `Directory`, if the path is above a catalog entry without a wildcard
//! - the type of a well-known path below `/dev`, such as `CharDevice` for `/dev/nvidia0`
//! - `Socket`, if the name ends in `.sock`
//! - `Directory`, if the path ends in a slash, or if a mount of the volume has a sub path
//! - `File`, if the name is `kubeconfig` or has a common file extension, or if the path is in a
//!   program directory such as `/usr/bin`
//! - `Directory` otherwise
//!
//! The fix sets `DirectoryOrCreate` or `FileOrCreate` instead if both conditions are met:
//!
//! - A container can write to the path, and the path is a directory or a lock, log, PID or database
//!   file.
//! - Nothing else creates the path on a new node. The rule assumes this for most paths in `/run`
//!   and in plugin directories. It also assumes this for other paths that are neither in a system
//!   directory of the node nor in the host path catalog.
//!
//! The kubelet does not create the parent directories of a `FileOrCreate` file. If they may be
//! missing, the fix sets `File`. In this case, it is better to mount the directory with
//! `DirectoryOrCreate`.
//!
//! Unsafe: the Pod no longer starts if the path has another type. With a type other than
//! `DirectoryOrCreate` and `FileOrCreate`, it also does not start if the path is missing. There is
//! no fix for an unknown name below `/dev`, unless the path ends in a slash, or a mount of the
//! volume has a sub path.
//!
//! ## When to allow it
//!
//! Allow it if the kubelet runs in a container, as on Talos. The kubelet checks the type in its own
//! filesystem, so the check can fail although the path exists on the node.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)
//! - [kubernetes/kubernetes#34058](https://github.com/kubernetes/kubernetes/pull/34058), which introduced the type

use super::node_creating_host_path::should_create;
use super::support::host_path_type::{self, RequestedType};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathType, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("untyped-host-path"),
    summary: "a `hostPath` volume has no `type`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("untyped_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let untyped = cx
        .host_path_volumes()
        .iter()
        .filter(|volume| volume.supports_type && volume.declared_type.is_none_or(str::is_empty));
    // The API server rejects an empty path; `relative-host-path` reports it.
    for volume in untyped.filter(|volume| !volume.path.is_empty() && !volume.clean.is_named_pipe()) {
        out.push(finding(volume, suggested_type(cx, volume)));
    }
}

/// Returns the type to suggest for the volume; `None` if no type is probable.
fn suggested_type(cx: &Context<'_>, volume: &HostPathVolume<'_>) -> Option<RequestedType> {
    let file_type = host_path_type::probable_type(&cx.options.catalog, volume)?;
    let creates = is_creatable(file_type, volume)
        && host_path_type::is_useful_when_empty(file_type, &volume.clean)
        && should_create(cx, volume);
    Some(RequestedType { file_type, creates })
}

/// Checks whether the kubelet can create the path. The kubelet creates a directory with its
/// parents, but a file only in an existing directory.
fn is_creatable(file_type: HostPathType, volume: &HostPathVolume<'_>) -> bool {
    let path = volume.clean.to_string();
    let parent = path.rsplit_once('/').map(|(parent, _)| parent);
    file_type == HostPathType::Directory || parent.is_some_and(|parent| PARENTS.contains(&parent))
}

/// Directories that exist on every Linux node, in which programs create files. The empty string is
/// the root directory.
const PARENTS: &[&str] = &[
    "",
    "/home",
    "/mnt",
    "/opt",
    "/run",
    "/run/lock",
    "/srv",
    "/tmp",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/tmp",
];

fn finding(volume: &HostPathVolume<'_>, suggested: Option<RequestedType>) -> Finding {
    let label = match volume.declared_type {
        None => "no `type` set",
        Some(_) => "empty, which is the same as absent",
    };
    let message = format!("host path {} has no type", quoted(volume.path));
    let finding = Finding::new(RULE.id, Severity::Error, volume.type_field(), message)
        .label(label)
        .why(why(volume, suggested))
        .volume(volume.name)
        .host_path(&volume.clean);
    let Some(suggested) = suggested else {
        return finding.help("set `type: CharDevice`, `BlockDevice` or `Directory`");
    };
    let name = suggested.name();
    let help = match suggested.creates {
        true => format!(
            "set `type: {name}`, or `type: {}` if the path must already exist",
            suggested.file_type.name()
        ),
        false if should_mount_directory(volume, suggested) => {
            format!(
                "mount the directory of the file with `type: DirectoryOrCreate`, or set `type: {name}` if the file exists"
            )
        }
        false => format!("set `type: {name}` (the Pod does not start if the path is missing)"),
    };
    let set = Edit::Set(volume.source.key("type"), EditValue::Str(name.to_owned()));
    finding.help(help).fix(Fix::unsafe_edits(format!("set `type: {name}`"), vec![set]))
}

/// Checks whether the volume is a file that a container may have to create, in a directory that may
/// be missing.
fn should_mount_directory(volume: &HostPathVolume<'_>, suggested: RequestedType) -> bool {
    volume.has_writable_mount()
        && !is_creatable(suggested.file_type, volume)
        && host_path_type::is_useful_when_empty(suggested.file_type, &volume.clean)
}

fn why(volume: &HostPathVolume<'_>, suggested: Option<RequestedType>) -> String {
    // Windows has no user `root`.
    let owner = if volume.clean.is_windows() { "" } else { " owned by root" };
    let mut accesses = volume.accesses.iter();
    let is_only_read = accesses.all(|access| access.mount.is_some() && access.is_read_only);
    let despite = if is_only_read { ", despite `readOnly`" } else { "" };
    let instead = match suggested {
        Some(RequestedType { file_type: HostPathType::Directory, creates: true }) => {
            return "the path is not checked, and if it is missing, the container runtime decides what happens"
                .to_owned();
        }
        None | Some(RequestedType { file_type: HostPathType::Directory, .. }) => String::new(),
        Some(suggested) => format!(" instead of {}", host_path_type::with_article(suggested.file_type)),
    };
    format!("the path is not checked, and a missing path becomes an empty directory{owner}{instead}{despite}")
}
