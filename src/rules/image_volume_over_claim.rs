//! A volume is mounted at a parent of an image's `VOLUME`, so the data goes to an anonymous volume.
//!
//! ## What it does
//!
//! Reports a mount of a volume that outlives the Pod, such as a claim, if all of these conditions
//! are true:
//!
//! - The image of the container is a well-known image, such as `postgres`, or an image that is
//!   known to be built from one, such as `pgvector/pgvector`. Images of other publishers with the
//!   same name are not reported.
//! - The image declares a `VOLUME` below the mount path. If the declared path depends on the
//!   version of the image, the tag must contain the version. For example, `postgres` declares
//!   `/var/lib/postgresql/data` before version 18, and `/var/lib/postgresql` since then.
//! - Nothing is mounted at or inside the declared path.
//! - The container runs the server. It does not run a client, such as `pg_dump`, or a script in a
//!   file, whose commands are unknown.
//! - No environment variable or argument, such as `PGDATA` or `--dbpath`, moves the data out of the
//!   declared path.
//! - No such variable or argument has an unknown value. For example, a value from a ConfigMap is
//!   unknown.
//! - The path of the data is certain. This is the case if a variable or argument sets it. It is
//!   also the case for the default path, unless a configuration file (`--config` of `mongod`) or an
//!   unknown argument (`$OPTIONS`) may set another path.
//!
//! Init containers other than sidecars are not reported. Incomplete objects, such as patches, and
//! objects of unknown kinds are skipped.
//!
//! The finding is an error in a StatefulSet, and a warning in other workloads. If the container has
//! `envFrom`, the finding is always a warning, because a ConfigMap or Secret may move the data.
//!
//! ## Why is this bad?
//!
//! containerd mounts an anonymous volume at the declared path. The server writes the data to the
//! anonymous volume instead of the volume of the Pod. If the container restarts, it gets a new
//! anonymous volume, and the old one is deleted. The data is lost at the first restart of the
//! container, even if the Pod stays.
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
//!     image: postgres:16
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/postgresql # finding
//!   volumes:
//!   - name: data
//!     persistentVolumeClaim:
//!       claimName: db
//! ```
//!
//! Mount the volume at the declared path instead. Here, `subPath` provides an empty directory,
//! which `postgres` needs for a new database:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: db
//! spec:
//!   containers:
//!   - name: db
//!     image: postgres:16
//!     volumeMounts:
//!     - name: data
//!       mountPath: /var/lib/postgresql/data
//!       subPath: data
//!   volumes:
//!   - name: data
//!     persistentVolumeClaim:
//!       claimName: db
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the data of the container may be lost.
//!
//! ## References
//!
//! - [Dockerfile reference: VOLUME](https://docs.docker.com/reference/dockerfile/#volume)
//! - [Docker Official Images: postgres](https://hub.docker.com/_/postgres)

use std::cell::LazyCell;

use super::support::container_data::{ContainerData, Role};
use super::support::data_mounts::{ephemeral_volumes, outlives_pod, serving_mount};
use super::support::empty_dir::is_stateful_set;
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, ContainerList, ContainerMount, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("image-volume-over-claim"),
    summary: "a volume is mounted at a parent of an image's `VOLUME`, so the data goes to an anonymous volume",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("image_volume_over_claim.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // The other parts of an incomplete pod may set further mounts, arguments and variables.
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let ephemeral = LazyCell::new(|| ephemeral_volumes(cx, pod));
    let is_persistent = |name: &str| !ephemeral.contains_key(name) && outlives_pod(pod, name);
    // An init container that is not a sidecar must exit, so it does not run a server.
    let runs_server =
        |container: &&Container<'_>| container.list != ContainerList::Init || container.is_sidecar();
    for container in pod.containers.iter().filter(runs_server) {
        if container.volume_mounts.is_empty() {
            continue;
        }
        let Some(data) = ContainerData::new(container, cx.options) else { continue };
        if data.role == Role::Server && !data.has_unknown_path() {
            let hidden =
                data.volumes().into_iter().filter_map(|volume| hidden_volume(container, &data, volume));
            let hidden = hidden.filter(|hidden| is_persistent(&hidden.mount.mount.name));
            out.extend(hidden.map(|hidden| finding(cx, &data, &hidden)));
        }
    }
}

/// A volume that an image declares. It contains the data instead of the volume that the Pod mounts
/// at a parent directory.
struct HiddenVolume<'a> {
    /// The path that the image declares.
    path: String,
    mount: ContainerMount<'a, 'a>,
}

/// Returns the volume that the image declares at `path` if the container stores data there, nothing
/// is mounted at or inside the path, and another volume is mounted above it.
fn hidden_volume<'a>(
    container: &'a Container<'a>,
    data: &ContainerData<'_>,
    path: String,
) -> Option<HiddenVolume<'a>> {
    let volume = HostPath::in_container(&path);
    let is_inside =
        |path: &HostPath| matches!(path.relation_to(&volume), Relation::Equal | Relation::Descendant);
    let mut mounts = container.volume_mounts.iter();
    let is_mounted = mounts.any(|mount| is_inside(&HostPath::in_container(&mount.mount_path)));
    if is_mounted || !data.paths().any(is_inside) {
        return None;
    }
    let mount = serving_mount(container, &volume)?;
    Some(HiddenVolume { path, mount })
}

fn finding(cx: &Context<'_>, data: &ContainerData<'_>, hidden: &HiddenVolume<'_>) -> Finding {
    let HiddenVolume { path, mount } = hidden;
    let name = &*mount.mount.name;
    // A ConfigMap or Secret can set the path of the data.
    let has_unknown_variables = !mount.container.env_from.is_empty();
    let is_certain = is_stateful_set(cx) && !has_unknown_variables;
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let message = format!(
        "{} stores data in {}, which is not part of volume {}",
        container(mount.container),
        quoted(path),
        quoted(name)
    );
    let volume = HostPath::in_container(path);
    let help = match data.variable(&volume) {
        Some(variable) => format!(
            "mount volume {} at {}, or set {} to a directory that is in the volume, such as {}",
            quoted(name),
            quoted(path),
            quoted(variable),
            quoted(&format!("{}/files", mount.mount.mount_path.trim_end_matches('/')))
        ),
        None => format!("mount volume {} at {}", quoted(name), quoted(path)),
    };
    Finding::new(RULE.id, severity, mount.path().key("mountPath"), message)
        .label("a parent directory of the image's `VOLUME`")
        .why(format!(
            "containerd mounts an anonymous volume at {}, and deletes it with the container",
            quoted(path)
        ))
        .help(help)
        .volume(name)
        .container(&mount.container.name)
        .path(volume)
}
