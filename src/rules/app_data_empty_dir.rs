//! A container stores application data in an `emptyDir` volume.
//!
//! ## What it does
//!
//! Reports each `emptyDir` volume in which a container stores application data. A volume without a
//! source counts as an `emptyDir`, unless the manifest contains only a part of the Pod. Each volume
//! is reported once, as an error in a StatefulSet and as a warning in other objects.
//!
//! volcheck knows the data paths of well-known images, such as images of databases, message brokers
//! and registries. It determines each data path of a container from the first of these sources that
//! exists:
//!
//! 1. an argument such as `--dbpath`, if the image name is known
//! 2. an environment variable such as `PGDATA`, if the image name is known
//! 3. the default path of the image, if the image name and its repository are known, and the path
//!    does not depend on an unknown version of the image
//! 4. a well-known data directory, such as `/var/lib/mysql`, if a volume is mounted at or inside it
//!
//! Arguments in scripts are recognized too, as in `sh -c "mongod --dbpath /x"`. If the argument or
//! variable contains a relative path with a slash, such as `./data`, the data path is unknown, and
//! the rule reports nothing for this container. For Redis and compatible servers, the default path
//! counts only if an argument sets `--appendonly yes`, because many of them are only caches.
//!
//! The data is in the volume that the container mounts at the data path. If no volume is mounted
//! there, the data is in the volume that is mounted at the nearest parent directory. The rule
//! reports this volume if it is an `emptyDir` and the mount is writable. Mounts at subdirectories
//! of the data path, such as `/var/lib/grafana/plugins`, are not reported. The subdirectory `data`
//! of a well-known data directory is an exception, because some images store their data there.
//!
//! In some well-known directories, the path of the data differs between images. For such a
//! directory, the rule reports each `emptyDir` with a writable mount at or inside the directory,
//! except in these cases:
//!
//! - The mount is at a subdirectory with a name such as `tmp` or `logs`.
//! - The container also mounts a volume that outlives the Pod at or inside the directory.
//! - An argument or environment variable sets another data path.
//!
//! The rule ignores containers of well-known images that store no data according to the manifest:
//!
//! - containers that run only a client, such as `mysqldump`, or a utility, such as `chown`
//! - servers in a role without data, such as `loki -target=read` or a Consul agent without
//!   `-server`
//! - servers that store their data in another system, such as a registry with `REGISTRY_STORAGE=s3`
//!
//! ## Why is this bad?
//!
//! An `emptyDir` volume survives container crashes, but is deleted with its Pod. When the Pod is
//! evicted, replaced by a rollout or lost with its node, the data is lost. The loss is worse in a
//! StatefulSet, whose Pods are expected to keep their data.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: db
//! spec:
//!   containers:
//!   - name: db
//!     image: postgres:17
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/postgresql/data
//!   volumes:
//!   - name: data
//!     emptyDir: {} # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: StatefulSet
//! metadata:
//!   name: db
//! spec:
//!   serviceName: db
//!   selector:
//!     matchLabels: {app: db}
//!   template:
//!     metadata:
//!       labels: {app: db}
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
//!         requests: {storage: 10Gi}
//! ```
//!
//! ## When to allow it
//!
//! Allow it for a database in tests or demos, for a replica that can fetch all its data again, or
//! for an image that stores only a cache in the directory.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: stable storage of
//!   StatefulSets](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage)

use super::support::data_mounts::empty_dir_data_mounts;
use super::support::empty_dir::is_stateful_set;
use super::support::options::DATA_DIRECTORIES;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("app-data-empty-dir"),
    summary: "a container stores application data in an `emptyDir` volume",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[DATA_DIRECTORIES],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("app_data_empty_dir.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let severity = if is_stateful_set(cx) { Severity::Error } else { Severity::Warning };
    out.extend(empty_dir_data_mounts(cx).into_iter().map(|mount| {
        let finding = mount.finding(cx, RULE.id, "emptyDir", "`emptyDir` volume");
        Finding { severity, ..finding }
    }));
}
