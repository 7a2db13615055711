//! A mount hides a system directory of the container.
//!
//! ## What it does
//!
//! Reports mounts at certain directories and files that exist in nearly every container. The
//! finding is an error for these mounts, with which the container never starts:
//!
//! - a mount at `/`
//! - a mount at `/dev`, if the container is not privileged
//! - a `configMap`, `secret`, `downwardAPI` or `projected` volume at `/etc`
//! - a read-only mount of an `emptyDir` at `/etc`, unless another container that starts before or
//!   alongside this one can write to the `emptyDir` (in an incomplete object, such as a patch, the
//!   finding is a warning)
//! - a mount at `/proc`
//! - a mount inside `/proc`, except at a few files where runc allows it, such as `/proc/meminfo`
//! - a directory mounted over a file, such as `/dev/termination-log` or `/etc/passwd`
//! - a file, socket or device of the node, or a key of a ConfigMap or Secret, mounted over a
//!   directory, such as `/etc`, `/usr/bin` or `/var/log`
//!
//! For other mounts at `/bin`, `/dev`, `/etc`, `/lib`, `/sys` and `/usr`, the finding is a warning.
//! Other mounts inside these directories are not reported.
//!
//! A directory of the node that is mounted at the same path in the container, such as the node's
//! `/usr` at `/usr`, is reported only at `/` and inside `/proc`. Mounts of Windows containers are
//! not reported.
//!
//! ## Why is this bad?
//!
//! The volume hides everything that the image or the container runtime put in the directory.
//! Without the programs or libraries of the image, the container often does not start. A mount at
//! `/etc` replaces the users, certificates and name resolution settings of the image. If a writable
//! host path is mounted at `/etc`, the runtime also creates the empty files `hosts`, `hostname` and
//! `resolv.conf` in this host path, unless they exist.
//!
//! The container runtime needs devices such as `/dev/null` to start a container that is not
//! privileged. It also mounts files such as `/etc/hosts`, but cannot create their mount points in a
//! read-only volume. For security reasons, runc rejects most mounts at and inside `/proc`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /etc # finding
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /etc/nginx/conf.d
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! ## When to allow it
//!
//! Allow a warning if the image is built for the mount. An example is an image with a single static
//! binary that expects a mounted `/etc`.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)
//! - [kubernetes/kubernetes#63477](https://github.com/kubernetes/kubernetes/issues/63477): a
//!   ConfigMap at `/etc`
//! - [opencontainers/runc#4771](https://github.com/opencontainers/runc/issues/4771) on mounts
//!   inside `/proc`

use std::cell::LazyCell;

use super::support::nested_mounts::{creates_mount_points, has_earlier_writer};
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathType, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, HostPath, Os, Pod, Volume, VolumeSource, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shadowing-mount"),
    summary: "a mount hides a system directory of the container",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("shadowing_mount.rs"),
    check: Check::Volumes(check),
};

/// The directories at which a mount hides files that the container needs, each with the phrase for
/// these files in messages.
const SYSTEM_DIRECTORIES: &[(&str, &str)] = &[
    ("/bin", "the programs of its image"),
    ("/dev", "the devices that the runtime provides"),
    ("/etc", "the settings of its image"),
    ("/lib", "the libraries of its image"),
    ("/sys", "the kernel's device and driver information"),
    ("/usr", "the programs and libraries of its image"),
];

/// Other directories that exist in nearly every image. Mounting a directory over them is common,
/// but mounting a file fails.
const DIRECTORIES: &[&str] = &[
    "/home",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/tmp",
];

/// The files that exist in every container, or in nearly every image.
const FILES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/termination-log",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
    "/etc/group",
    "/etc/passwd",
];

/// The files inside `/proc` that runc allows to mount over (`checkProcMount` in
/// `libcontainer/rootfs_linux.go` of runc 1.4). runc also lists `/proc/net/dev`, but rejects a
/// mount there because `/proc/net` is a symbolic link.
const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// The help for mounts that hide a directory.
const SUBDIRECTORY: &str = "mount it at a subdirectory, or at a path that the image does not use";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|_| cx.os != Some(Os::Windows)) else { return };
    let accesses = LazyCell::new(|| cx.accesses_by_mount());
    for mount in pod.mounts() {
        let (volume, mount_path) = (&mount.mount.name, &mount.mount.mount_path);
        // A volume that the pod does not define may be a host path that equals the mount path,
        // which is not reported.
        let is_known = || pod.volume(volume).is_some() || pod.claim_template(volume).is_some();
        if mount_path.is_empty() || !is_system_path(&clean_container_path(mount_path)) || !is_known() {
            continue;
        }
        out.extend(finding(pod, mount, accesses.get(&mount.path()).copied()));
    }
}

/// Checks whether a mount at this path of a container can be a problem.
fn is_system_path(path: &str) -> bool {
    matches!(path, "/" | "/proc")
        || path.starts_with("/proc/")
        || FILES.contains(&path)
        || is_known_directory(path)
}

/// Checks whether nearly every image has a directory at this path.
fn is_known_directory(path: &str) -> bool {
    DIRECTORIES.contains(&path) || SYSTEM_DIRECTORIES.iter().any(|(directory, _)| *directory == path)
}

fn finding(
    pod: &Pod<'_>,
    mount: ContainerMount<'_, '_>,
    access: Option<&HostPathAccess<'_>>,
) -> Option<Finding> {
    let mount_path = &*mount.mount.mount_path;
    let path = clean_container_path(mount_path);
    let (name, directory) = (quoted(&mount.mount.name), quoted(mount_path));
    let container = container(mount.container);
    let new = |severity, message: String| {
        Finding::new(RULE.id, severity, mount.path().key("mountPath"), message)
            .volume(&mount.mount.name)
            .container(&mount.container.name)
            .path(&path)
    };
    if let Some((why, help)) = obstacle(pod, mount, &path, access) {
        let message = format!("{container} cannot start with volume {name} at {directory}");
        return Some(new(Severity::Error, message).why(why).help(help));
    }
    let (_, content) = SYSTEM_DIRECTORIES.iter().find(|(directory, _)| *directory == path)?;
    if is_same_path(&path, access) {
        return None;
    }
    let why = match access.filter(|access| *path == *"/etc" && !access.is_read_only) {
        Some(_) => format!(
            "the container can no longer see {content}, and the runtime creates empty files such as `hosts` \
             on the node"
        ),
        None => format!("the container can no longer see {content}"),
    };
    let finding = new(Severity::Warning, format!("volume {name} hides {directory} of {container}"))
        .why(why)
        .help(SUBDIRECTORY);
    Some(finding)
}

/// Returns the reason why the container never starts with the mount, and the help; `None` if it can
/// start.
fn obstacle(
    pod: &Pod<'_>,
    mount: ContainerMount<'_, '_>,
    path: &str,
    access: Option<&HostPathAccess<'_>>,
) -> Option<(&'static str, &'static str)> {
    const ELSEWHERE: &str = "mount it at a path outside of `/proc`";
    let is_privileged = mount.container.security_context.privileged;
    match path {
        "/" => Some(("the runtime cannot mount a volume over the container's root directory", SUBDIRECTORY)),
        "/proc" if !is_same_path(path, access) => {
            Some(("the runtime accepts only a proc filesystem at `/proc`", ELSEWHERE))
        }
        "/proc" => None,
        _ if path.starts_with("/proc/") && !PROC_FILES.contains(&path) => {
            Some(("the runtime rejects mounts inside `/proc`, except at a few files", ELSEWHERE))
        }
        "/dev" if !is_same_path(path, access) && !is_privileged => {
            Some(("the runtime needs devices such as `/dev/null`, which the volume hides", SUBDIRECTORY))
        }
        "/etc" if rejects_mount_points(pod, mount) => {
            Some(("the runtime cannot create files such as `/etc/hosts` in a read-only volume", SUBDIRECTORY))
        }
        _ => match is_known_directory(path) {
            true if is_file(pod, mount, access) => Some((
                "the runtime cannot mount a file over a directory",
                "mount it at a path inside the directory",
            )),
            false if is_directory(pod, mount, access) => Some((
                "the runtime cannot mount a directory over a file",
                "mount a single file with `subPath`, or mount the volume at another path",
            )),
            _ => None,
        },
    }
}

/// Checks whether the runtime cannot create files in the volume of the mount. Returns false if
/// another container may already have created them.
fn rejects_mount_points(pod: &Pod<'_>, mount: ContainerMount<'_, '_>) -> bool {
    let Some(volume) = pod.volume(&mount.mount.name) else { return false };
    let is_empty = || volume.empty_dir().is_some() && pod.is_complete && !has_earlier_writer(pod, &mount);
    creates_mount_points(volume) || (mount.mount.is_read_only() && is_empty())
}

/// Checks whether the mount is certain to be a file.
fn is_file(pod: &Pod<'_>, mount: ContainerMount<'_, '_>, access: Option<&HostPathAccess<'_>>) -> bool {
    let source = pod.volume(&mount.mount.name).and_then(Volume::source);
    match (access, source) {
        (Some(access), _) => !access.can_be_directory(),
        (None, Some(VolumeSource::Projected(projected))) => {
            let mut keys =
                projected.sources.iter().flat_map(|part| part.config_map.iter().chain(&part.secret));
            keys.any(|keys| keys.is_file(&mount.mount.sub_path))
        }
        (None, _) => false,
    }
}

/// Checks whether the mount is certain to be a directory.
fn is_directory(pod: &Pod<'_>, mount: ContainerMount<'_, '_>, access: Option<&HostPathAccess<'_>>) -> bool {
    if let Some(access) = access {
        return access.file_type == Some(HostPathType::Directory);
    }
    let has_known_source = |volume: &Volume<'_>| volume.source().is_some() || volume.sources.is_empty();
    mount.mount.sub_path_entry().is_none() && pod.volume(&mount.mount.name).is_none_or(has_known_source)
}

/// Checks whether the volume is a host path that equals the mount path.
fn is_same_path(path: &str, access: Option<&HostPathAccess<'_>>) -> bool {
    access.is_some_and(|access| HostPath::new(path) == access.path)
}
