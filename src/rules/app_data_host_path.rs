//! A container stores application data in a host path.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of a Pod that is mounted at or inside a directory where a
//! well-known image stores its data, such as `/var/lib/postgresql`. This is an error. Any other
//! `hostPath` volume that a container can write to is a warning, unless its path is in the host
//! path catalog or the workload is a DaemonSet. Sockets are not reported.
//!
//! ## Why is this bad?
//!
//! The data stays on one node. If the Pod is rescheduled to another node, it finds no data or the
//! data of another Pod. If the node is removed, the data is lost. Nothing limits the size of the
//! data, takes snapshots of it or deletes it.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: db
//! spec:
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
//! Allow it on clusters that will always have a single node. Exempt the etcd of a control plane by
//! namespace, name and path: it runs before the cluster can provide PersistentVolumeClaims.
//!
//! ## References
//!
//! - [Kubernetes: PersistentVolumes](https://kubernetes.io/docs/concepts/storage/persistent-volumes/)

use super::support::findings::host_path_finding;
use super::support::wording::{container, host_path, quoted};
use super::{Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, ListedPath, Rule};
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
    lint_only: None,
    source: include_str!("app_data_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount.filter(|_| !access.is_socket()) else { continue };
        let mount_path = HostPath::in_container(&mount.mount.mount_path);
        if let Some(directory) = cx.options.data_directories.find_containing(&mount_path) {
            out.push(data_directory_finding(volume, access, mount, directory));
        } else if access.effective == Access::Write
            && !access.class.is_in_catalog()
            && !cx.is_possibly_daemon_set()
        {
            out.push(storage_finding(volume, access, mount));
        }
    }
}

fn data_directory_finding(
    volume: &HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
    mount: ContainerMount<'_, '_>,
    directory: &ListedPath,
) -> Finding {
    let message = format!(
        "{} is the data directory {} of {}",
        host_path(volume, access),
        quoted(&mount.mount.mount_path),
        container(mount.container)
    );
    let why = format!(
        "{} {}, and data in a host path stays on one node",
        quoted(&directory.path),
        directory.reason
    );
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
        .why("the data stays on one node, and is missing if the Pod runs on another one")
        .help("use a `persistentVolumeClaim`, or an `emptyDir` for data that can be lost")
}
