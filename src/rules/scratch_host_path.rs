//! A host path is used as scratch space.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume that a container mounts with write access, in two cases:
//!
//! - The mount path in the container is a common scratch directory, such as `/tmp`, `/var/tmp`,
//!   `/cache` or `/scratch`.
//! - The mounted directory is at or inside `/tmp` or `/var/tmp` on the node.
//!
//! Paths in volcheck's host path catalog, sockets, devices and files are not reported.
//!
//! ## Why is this bad?
//!
//! Scratch files do not need a host path. In a host path, they outlive the Pod, mix with the files
//! of other Pods and can fill the node's disk. The node's `/tmp` and `/var/tmp` are also open to
//! every program on the node.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: tmp
//!       mountPath: /tmp
//!   volumes:
//!   - name: tmp
//!     hostPath:
//!       path: /tmp/worker # finding
//!       type: DirectoryOrCreate
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: tmp
//!       mountPath: /tmp
//!   volumes:
//!   - name: tmp
//!     emptyDir:
//!       sizeLimit: 1Gi
//! ```
//!
//! ## Fix
//!
//! Replaces the `hostPath` with `emptyDir: {}`. Unsafe: the container loses access to the existing
//! files in the path and to the files of other Pods. There is no fix if a container mounts a file
//! of the volume or a path in the host path catalog.
//!
//! ## When to allow it
//!
//! A cache can be worth the disk space that it uses on every node. Exempt such a cache by
//! namespace, name and path.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)

use super::support::findings::{host_path_finding, with_empty_dir_fix};
use super::support::options::SCRATCH_DIRECTORIES;
use super::support::wording::{container, host_path, quoted};
use super::{
    Check, Context, FixClass, Group, HostPathAccess, ListedPath, MatchKey, ObjectKinds, Options, Rule,
};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::HostPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("scratch-host-path"),
    summary: "a host path is used as scratch space",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Unsafe,
    options: &[SCRATCH_DIRECTORIES],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("scratch_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|_| access.effective == Access::Write) else { continue };
        let mount_path = HostPath::in_container(&mount.mount.mount_path);
        let Some(directory) = scratch_directory(cx.options, access, &mount_path) else { continue };
        let message = format!(
            "{} is scratch space at {} in {}",
            host_path(volume, access),
            quoted(&mount.mount.mount_path),
            container(mount.container)
        );
        let why = format!(
            "{} {}; files in a host path outlive the Pod and mix with other files",
            quoted(&directory.path),
            directory.reason
        );
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message).why(why);
        out.push(with_empty_dir_fix(volume, finding));
    }
}

/// Returns the scratch directory because of which the access is reported: the mount path, or a
/// directory of the node that contains the effective path. Returns `None` if there is no such
/// directory, or if an `emptyDir` cannot replace the host path.
fn scratch_directory<'o>(
    options: &'o Options,
    access: &HostPathAccess<'_>,
    mount_path: &HostPath,
) -> Option<&'o ListedPath> {
    if !access.can_be_directory() || access.class.is_in_catalog() || mount_path.is_socket() {
        return None;
    }
    let in_container = options.scratch_directories.find_equal(mount_path);
    in_container.or_else(|| options.node_scratch_directories.find_containing(&access.path))
}
