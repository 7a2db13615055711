//! A container keeps the old version of a mounted file or socket when the node replaces it.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume from which a container mounts a single file or socket. For a
//! mount without a sub path, volcheck takes the type of the mounted path from the first of these
//! sources that is available:
//!
//! - the `type` of the volume, such as `File`, `FileOrCreate` or `Socket`
//! - the type in volcheck's host path catalog
//! - the name of the path, such as `*.conf` or `*.sock`
//!
//! For a mount with a sub path, volcheck uses only the type in the catalog and the name `*.sock`.
//!
//! These files are not reported:
//!
//! - lock files, and files that the host path catalog lists as harmless, such as `/etc/localtime`
//!   and `/etc/machine-id`
//! - files that nothing replaces while the node runs: those of the kernel in `/proc` and `/sys`,
//!   and the instance ID of cloud-init
//! - files that only init containers other than sidecars mount, because these containers end before
//!   the main containers start
//! - files on Windows nodes
//!
//! ## Why is this bad?
//!
//! A mount of a file is bound to the file's inode, not to its name. Many programs replace a file:
//! they write a new file and rename it to the old name. A daemon creates a new socket when it
//! starts. In both cases, the container keeps the old file or socket until the container is
//! restarted. For example, it does not see rotated credentials, writes to a log that is no longer
//! read, or fails to connect. A mount of the directory shows the new file.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata:
//!   name: proxy
//! spec:
//!   selector:
//!     matchLabels: {app: proxy}
//!   template:
//!     metadata:
//!       labels: {app: proxy}
//!     spec:
//!       containers:
//!       - name: proxy
//!         image: proxy
//!         volumeMounts:
//!         - name: kubeconfig
//!           mountPath: /etc/proxy/kubeconfig
//!           readOnly: true
//!       volumes:
//!       - name: kubeconfig
//!         hostPath:
//!           path: /opt/proxy/kubeconfig # finding
//!           type: File
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata:
//!   name: proxy
//! spec:
//!   selector:
//!     matchLabels: {app: proxy}
//!   template:
//!     metadata:
//!       labels: {app: proxy}
//!     spec:
//!       containers:
//!       - name: proxy
//!         image: proxy
//!         volumeMounts:
//!         - name: settings
//!           mountPath: /etc/proxy
//!           readOnly: true
//!       volumes:
//!       - name: settings
//!         hostPath:
//!           path: /opt/proxy
//!           type: Directory
//! ```
//!
//! ## Fix
//!
//! Advice only: mount the directory. If the directory contains more than the container needs, such
//! as `/run` or `/etc/kubernetes`, mount the file and restart the Pod when the file is replaced.
//!
//! ## When to allow it
//!
//! Allow it if programs never replace the file while the Pod runs, or change it only in place.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [Docker: bind mounts of files](https://docs.docker.com/engine/storage/bind-mounts/)
//! - [cloud-init: the files of an
//!   instance](https://github.com/canonical/cloud-init/blob/main/cloudinit/stages.py)

use super::support::findings::host_path_finding;
use super::support::host_path_type::{self, RequestedType};
use super::support::options::CATALOG;
use super::support::wording::{container, quoted, written_path};
use super::{
    Check, Context, EntryClass, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume, MatchKey,
    ObjectKinds, PathClass, Rule,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-file-mount"),
    summary: "a container keeps the old version of a mounted file or socket when the node replaces it",
    group: Group::HostPaths,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("stale_file_mount.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.host_path_volumes() {
        let stale = volume.accesses.iter().find_map(|access| {
            let mount = access.mount.filter(|mount| !mount.container.ends_before_main())?;
            Some((access, mount, replaceable_type(cx, volume, access)?))
        });
        out.extend(stale.map(|(access, mount, file_type)| finding(cx, volume, access, mount, file_type)));
    }
}

/// Paths at or below which no file is replaced while the node runs. cloud-init writes the instance
/// ID once per boot.
const CONSTANT_PATHS: &[&str] = &["/proc", "/sys", "/var/lib/cloud/data/instance-id"];

fn is_constant(path: &HostPath) -> bool {
    let is_inside = |constant: &&str| {
        matches!(path.relation_to(&HostPath::new(constant)), Relation::Equal | Relation::Descendant)
    };
    CONSTANT_PATHS.iter().any(is_inside)
}

/// Returns the type of the accessed path if it is a file or socket that a program may replace.
fn replaceable_type(
    cx: &Context<'_>,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
) -> Option<HostPathType> {
    let path = &access.path;
    let is_harmless = matches!(access.class, PathClass::Inside(entry) if entry.class == EntryClass::Harmless);
    let is_lock = || path.name().is_some_and(|name| name.ends_with(".lock"));
    if path.is_windows() || is_harmless || is_lock() || is_constant(path) {
        return None;
    }
    let file_type = match RequestedType::of_volume(volume) {
        _ if *path != volume.clean => access.file_type,
        Some(requested) => Some(requested.file_type),
        None if volume.declared_type.is_none_or(str::is_empty) => {
            host_path_type::probable_type(&cx.options.catalog, volume)
        }
        None => None,
    };
    file_type.filter(|file_type| matches!(file_type, HostPathType::File | HostPathType::Socket))
}

fn finding(
    cx: &Context<'_>,
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    file_type: HostPathType,
) -> Finding {
    let (noun, path) = (file_type.noun(), written_path(volume, access));
    let message = format!("{} keeps the old {noun} when {path} is replaced", container(mount.container));
    let help = match replacement(cx, volume, access) {
        Some(directory) => format!("mount the directory {} instead", quoted(&directory)),
        None => format!(
            "restart the Pod when the {noun} is replaced (mounting its directory would expose more files)"
        ),
    };
    host_path_finding(RULE.id, Severity::Info, volume, access, message)
        .why(format!("the mount is bound to the {noun} that exists when the container starts"))
        .help(help)
}

/// Returns the directory of the file, as written in the manifest, if it is not more sensitive than
/// the file: neither is in the catalog, or both belong to the catalog entry of an agent's sockets.
fn replacement(cx: &Context<'_>, volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> Option<String> {
    if access.path != volume.clean {
        return None;
    }
    let written = HostPath::simplify(volume.path);
    let (directory, _) = written.rsplit_once('/')?;
    let path = HostPath::new(directory);
    let is_equivalent = match (access.class, cx.options.catalog.classify(&path)) {
        // A directory such as `/srv` is shared by applications.
        (PathClass::Unlisted, PathClass::Unlisted) => path.depth() > 1,
        (PathClass::Inside(entry), PathClass::Inside(of_directory)) => {
            entry.class == EntryClass::AgentSocket && std::ptr::eq(entry, of_directory)
        }
        _ => false,
    };
    is_equivalent.then(|| directory.to_owned())
}
