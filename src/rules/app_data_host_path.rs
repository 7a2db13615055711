//! A container stores application data in a host path.
//!
//! ## What it does
//!
//! Reports `hostPath` volumes that a container mounts with write access. The severity depends on
//! the mount path:
//!
//! - The finding is an error if the mount contains a data path of the container. The argument
//!   `--dbpath` or the variable `PGDATA`, for example, sets such a path. The rule finds data paths
//!   in the same way as the rule `app-data-empty-dir`.
//! - The finding is also an error if the mount path is at or inside the data directory of a
//!   well-known image, such as `/var/lib/postgresql`. A container that stores no data, for example
//!   because it runs only a client, gets no error.
//! - In all other cases, the finding is a warning. DaemonSets and static Pods get no warning,
//!   because their data usually belongs to the node. A custom resource gets no warning either if
//!   volcheck does not know its kind, or if it contains only a part of a Pod template, because it
//!   may create a DaemonSet.
//!
//! The rule reports neither sockets nor paths at, above or below an entry of volcheck's host path
//! catalog, such as `/var/lib/etcd`. The catalog is volcheck's list of paths that belong to the
//! node. Common data directories such as `/srv` are an exception: they are reported although they
//! are above an entry.
//!
//! ## Why is this bad?
//!
//! The data stays on one node. If the Pod is replaced by a Pod on another node, the new Pod finds
//! no data there, or the data of a different Pod. If the node is removed, the data is lost.
//! Kubernetes does not limit the size of the data, take snapshots of it, or delete it when the
//! workload is deleted.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: db
//! spec:
//!   selector: {matchLabels: {app: db}}
//!   template:
//!     metadata: {labels: {app: db}}
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres:17
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
//! Use a StatefulSet with a claim template instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   selector: {matchLabels: {app: db}}
//!   template:
//!     metadata: {labels: {app: db}}
//!     spec:
//!       containers:
//!       - name: db
//!         image: postgres:17
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

use std::collections::HashMap;

use super::support::container_data::{ContainerData, Role};
use super::support::data_mounts::serving_mounts;
use super::support::findings::host_path_finding;
use super::support::policy_keys::{CATALOG, DATA_DIRECTORIES};
use super::support::wording::{container, host_path, quoted};
use super::{
    Check, Context, DataDirectory, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds,
    Rule,
};
use crate::finding::{Access, Family, Finding, RuleId, Severity};
use crate::model::{Container, ContainerMount, HostPath};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-host-path"),
    summary: "a container stores application data in a host path",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Usage),
    fix: FixClass::Hint,
    options: &[DATA_DIRECTORIES, CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::WriteAccess],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("app_data_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut known: HashMap<*const Container<'_>, Option<ServedData<'_>>> = HashMap::new();
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|_| !access.is_socket()) else { continue };
        // Other rules report paths in the host path catalog, which belong to the node.
        if access.effective == Access::Read || access.class.is_in_catalog() {
            continue;
        }
        let mount_path = HostPath::in_container(&mount.mount.mount_path);
        let served = known.entry(mount.container).or_insert_with(|| ServedData::new(cx, mount.container));
        let is_stateless = served.as_ref().is_some_and(|served| served.is_stateless);
        let path = served.as_ref().and_then(|served| Some((served.paths.get(&mount.index)?, served.reason)));
        let listed = || cx.options.data_directories.find_containing(&mount_path).filter(|_| !is_stateless);
        if let Some((path, reason)) = path {
            out.push(data_directory_finding(volume, access, mount, path, reason));
        } else if let Some(DataDirectory { directory, .. }) = listed() {
            out.push(data_directory_finding(volume, access, mount, &directory.path, &directory.reason));
        } else if !cx.can_be_daemon_set() && !cx.is_static_pod() {
            out.push(storage_finding(volume, access, mount));
        }
    }
}

/// The data of a container with a well-known image.
struct ServedData<'a> {
    is_stateless: bool,
    /// The reason why the paths contain data.
    reason: &'a str,
    /// The first data path that each mount contains, by the index of the mount.
    paths: HashMap<usize, String>,
}

impl<'a> ServedData<'a> {
    fn new(cx: &Context<'a>, container: &Container<'_>) -> Option<Self> {
        let data = ContainerData::new(container, cx.options)?;
        let mut paths = HashMap::new();
        for (index, path) in serving_mounts(container, data.paths()) {
            paths.entry(index).or_insert_with(|| path.to_string());
        }
        Some(Self { is_stateless: data.role == Role::Stateless, reason: &data.image.reason, paths })
    }
}

/// Creates a finding about a mount that contains the data at `path`. `reason` is a verb phrase with
/// the path as its subject.
fn data_directory_finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    path: &str,
    reason: &str,
) -> Finding {
    let message = format!(
        "{} stores application data in {} mounted at {}",
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
