//! A container stores application data in a host path.
//!
//! ## What it does
//!
//! Reports a `hostPath` volume of a Pod in these cases:
//!
//! - A container mounts it with write access at or inside the data directory of a well-known image,
//!   such as `/var/lib/postgresql`, or at a data path from its environment variables or arguments,
//!   such as `PGDATA` or `--dbpath`. This is an error.
//! - A container mounts it with write access at any other path. This is a warning. DaemonSets and
//!   objects of unknown kinds, which may create DaemonSets, are not reported.
//!
//! Paths in the host path catalog, such as the node's `/var/lib/etcd`, and sockets are not
//! reported.
//!
//! ## Why is this bad?
//!
//! The data stays on one node. If the Pod is replaced by a Pod on another node, the data is missing
//! there, or the new Pod finds data of a different Pod. If the node is removed, the data is lost.
//! Kubernetes neither limits the size of the data nor takes snapshots of it, and never deletes it.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: db
//! spec:
//!   selector: {matchLabels: {app: a}}
//!   template:
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql/data
//!       volumes:
//!       - name: data
//!         hostPath:
//!           path: /srv/postgres # finding
//!           type: Directory
//! ```
//!
//! Use a PersistentVolumeClaim instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   selector: {matchLabels: {app: a}}
//!   template:
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres
//!         volumeMounts:
//!         - name: data
//!           mountPath: /var/lib/postgresql/data
//!   volumeClaimTemplates:
//!   - metadata:
//!       name: data
//!     spec:
//!       accessModes: [ReadWriteOnce]
//!       resources:
//!         requests:
//!           storage: 10Gi
//! ```
//!
//! ## When to allow it
//!
//! Allow it in clusters that always have a single node.
//!
//! ## References
//!
//! - [Kubernetes: PersistentVolumes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/)

use super::support::container_data::{ContainerData, Role};
use super::support::data_mounts::serving_mount;
use super::support::findings::host_path_finding;
use super::support::wording::{container, host_path, quoted};
use super::{
    Check, Context, DataDirectory, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds,
    Rule,
};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::{ContainerMount, HostPath};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-host-path"),
    summary: "a container stores application data in a host path",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("app_data_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|_| !access.is_socket()) else { continue };
        // Other rules report paths in the host path catalog, which belong to the node.
        if access.effective == Access::Read || access.class.is_in_catalog() {
            continue;
        }
        let mount_path = HostPath::in_container(&mount.mount.mount_path);
        let data = ContainerData::new(mount.container, cx.options);
        let served = data.as_ref().and_then(|data| Some((served_path(data, mount)?, &*data.image.reason)));
        let is_stateless = data.as_ref().is_some_and(|data| data.role == Role::Stateless);
        let listed = || cx.options.data_directories.find_containing(&mount_path).filter(|_| !is_stateless);
        if let Some((path, reason)) = served {
            out.push(data_directory_finding(volume, access, mount, &path.to_string(), reason));
        } else if let Some(DataDirectory { directory, .. }) = listed() {
            out.push(data_directory_finding(volume, access, mount, &directory.path, &directory.reason));
        } else if !cx.can_be_daemon_set() {
            out.push(storage_finding(volume, access, mount));
        }
    }
}

/// Returns a data path of the container that `mount` serves.
fn served_path<'d>(data: &'d ContainerData<'_>, mount: ContainerMount<'_, '_>) -> Option<&'d HostPath> {
    let is_served = |path: &&HostPath| {
        serving_mount(mount.container, path).is_some_and(|serving| serving.index == mount.index)
    };
    data.paths().find(is_served)
}

/// Creates a finding about a mount of the data at `path`. `reason` is a verb phrase that follows
/// the path.
fn data_directory_finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    path: &str,
    reason: &str,
) -> Finding {
    let message = format!(
        "{} mounts {} at data directory {}",
        container(mount.container),
        host_path(volume, access),
        quoted(&mount.mount.mount_path)
    );
    let why = format!("{} {reason}, and data in a host path stays on one node", quoted(path));
    host_path_finding(RULE.id, Severity::Error, volume, access, message)
        .why(why)
        .help("use a `persistentVolumeClaim` or, in a StatefulSet, `volumeClaimTemplates`")
}

fn storage_finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
) -> Finding {
    let message = format!("{} stores data of {}", host_path(volume, access), container(mount.container));
    host_path_finding(RULE.id, Severity::Warning, volume, access, message)
        .why("the data stays on one node and is not available on other nodes")
        .help("use a `persistentVolumeClaim`, or an `emptyDir` for temporary data")
}
