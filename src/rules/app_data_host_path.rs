//! A container keeps application data in a path of the node.
//!
//! ## What it does
//!
//! Reports each `hostPath` volume of a Pod that is mounted at or inside a directory where a well-known image
//! keeps its data, such as `/var/lib/postgresql`: that is an error. Any other hostPath volume that a
//! container can write is a warning, unless its path is the node's own (in the catalogue of host paths) or
//! the workload is a DaemonSet.
//!
//! ## Why is this bad?
//!
//! The data stays on one node. When the Pod comes up on another one, it finds none or those of another Pod;
//! when the node goes, so does the data. Nobody bounds it, takes snapshots of it or cleans it up.
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
//! Use a claim:
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
//! A single node that will stay one. The etcd of a control plane, which runs before there are claims: exempt
//! it by namespace, name and path.
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
    summary: "a container keeps application data in a path of the node",
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
    for (host, used) in cx.host_path_accesses() {
        let Some(of) = used.mount.filter(|_| !used.is_socket()) else { continue };
        let at = HostPath::in_container(&of.mount.mount_path);
        if let Some(directory) = cx.options.data_directories.find_containing(&at) {
            out.push(data(host, used, of, directory));
        } else if used.effective == Access::Write
            && !used.class.is_catalogued()
            && !cx.is_possibly_daemon_set()
        {
            out.push(storage(host, used, of));
        }
    }
}

fn data(
    host: &HostPathVolume<'_>,
    used: &HostPathAccess<'_>,
    of: ContainerMount<'_, '_>,
    directory: &ListedPath,
) -> Finding {
    let message = format!(
        "{} is the data directory {} of {}",
        host_path(host, used),
        quoted(&of.mount.mount_path),
        container(of.container)
    );
    host_path_finding(RULE.id, Severity::Error, host, used, message)
        .why(format!("{}, and what is in a host path stays on one node", directory.reason))
        .help("use a `persistentVolumeClaim`; in a StatefulSet, `volumeClaimTemplates`")
}

fn storage(host: &HostPathVolume<'_>, used: &HostPathAccess<'_>, of: ContainerMount<'_, '_>) -> Finding {
    let message = format!("{} serves {} as storage", host_path(host, used), container(of.container));
    host_path_finding(RULE.id, Severity::Warning, host, used, message)
        .why("what the container writes stays on one node: a Pod on another one does not find it")
        .help("use a `persistentVolumeClaim`, or an `emptyDir` for what may go with the Pod")
}
