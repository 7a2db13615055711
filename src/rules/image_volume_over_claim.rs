//! A volume mounted at a parent directory of an image's `VOLUME` does not store the data.
//!
//! ## What it does
//!
//! Reports a mount of a volume that outlives the Pod if all of these conditions are true:
//!
//! - The image of the container is well-known, and declares a `VOLUME` below the mount path. Some
//!   images stopped doing so: `postgres` declares `/var/lib/postgresql/data` only before version
//!   18. Such an image is reported only if its tag starts with a version.
//! - Nothing is mounted at or inside the declared path.
//! - No environment variable or argument, such as `PGDATA`, moves the data to another path.
//!
//! The severity is error in a StatefulSet, and warning in other workloads.
//!
//! ## Why is this bad?
//!
//! The container runtime mounts an anonymous volume at the declared path. The data is written to
//! the anonymous volume instead of the volume of the Pod, and the runtime deletes it with the
//! container. The data is lost at the first restart of the container, even if the Pod stays.
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
//! Mount the volume at the declared path instead:
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
//! Allow it if the image has a well-known name but does not declare the volume.
//!
//! ## References
//!
//! - [Dockerfile reference: VOLUME](https://docs.docker.com/reference/dockerfile/#volume)
//! - [Docker Official Images: postgres](https://hub.docker.com/_/postgres)

use std::cell::LazyCell;

use super::support::data_mounts::{configured_data, ephemeral_volumes, outlives_pod, serving_mount};
use super::support::empty_dir::is_stateful_set;
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Container, HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("image-volume-over-claim"),
    summary: "a volume is mounted at a parent directory of an image's `VOLUME`",
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
    let Some(pod) = cx.pod() else { return };
    let ephemeral = LazyCell::new(|| ephemeral_volumes(cx, pod));
    let is_persistent = |name: &str| !ephemeral.contains_key(name) && outlives_pod(pod, name);
    for container in pod.containers.iter().filter(|container| !container.volume_mounts.is_empty()) {
        out.extend(findings(cx, container, &is_persistent));
    }
}

fn findings(cx: &Context<'_>, owner: &Container<'_>, is_persistent: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let Some(image) = cx.options.image_data(&owner.image) else { return Vec::new() };
    let volumes: Vec<_> = image.volumes(&owner.image).collect();
    if volumes.is_empty() {
        return Vec::new();
    }
    let configured = configured_data(owner, image);
    let is_inside = |path: &HostPath, volume: &HostPath| {
        matches!(path.relation_to(volume), Relation::Equal | Relation::Descendant)
    };
    let finding = |volume_path: &str| {
        let volume = HostPath::in_container(volume_path);
        let is_moved = !configured.is_empty() && !configured.iter().any(|data| is_inside(data, &volume));
        let is_mounted = || {
            let mut mounts = owner.volume_mounts.iter();
            mounts.any(|mount| is_inside(&HostPath::in_container(&mount.mount_path), &volume))
        };
        if is_moved || is_mounted() {
            return None;
        }
        let mount = serving_mount(owner, &volume)?;
        let name = &*mount.mount.name;
        if !is_persistent(name) {
            return None;
        }
        let severity = if is_stateful_set(cx) { Severity::Error } else { Severity::Warning };
        let message = format!(
            "volume {} does not contain the data of {} in {}",
            quoted(name),
            container(owner),
            quoted(volume_path)
        );
        let help = match image.variables.first() {
            Some(variable) => format!(
                "mount the volume at {}, or set {} to a path outside that directory",
                quoted(volume_path),
                quoted(variable)
            ),
            None => format!("mount the volume at {}", quoted(volume_path)),
        };
        let finding = Finding::new(RULE.id, severity, mount.path().key("mountPath"), message)
            .label("a parent directory of a volume of the image")
            .why("the image declares a volume there, and the runtime deletes that volume with the container")
            .help(help)
            .volume(name)
            .container(&owner.name)
            .path(volume);
        Some(finding)
    };
    volumes.iter().filter_map(|volume| finding(&volume.path)).collect()
}
