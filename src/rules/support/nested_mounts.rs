//! Mount points inside other mounts of the same container.

use super::context::Context;
use super::host_path_type::known_type;
use crate::model::{
    Container, ContainerList, ContainerMount, HostPath, Os, Pod, Relation, Volume, VolumeMount,
};

/// The path where the API server mounts a token of the ServiceAccount, except in ephemeral
/// containers (`DefaultAPITokenMountPath` in `plugin/pkg/admission/serviceaccount`).
pub(crate) const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// [`TOKEN_PATH`] in most images, where `/var/run` is a symbolic link to `/run`.
const RESOLVED_TOKEN_PATH: &str = "/run/secrets/kubernetes.io/serviceaccount";

/// The default of `terminationMessagePath`.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// A mount point inside another mount of the same container. If the volume of the outer mount does
/// not contain the mount point, the container runtime creates it there.
#[derive(Clone, Debug)]
pub(crate) struct NestedMount<'a> {
    /// The nearest mount above the mount point.
    pub(crate) outer: ContainerMount<'a, 'a>,
    pub(crate) inner: InnerMount<'a>,
    /// The mount point relative to the outer mount, such as `conf/tls`.
    pub(crate) relative: String,
}

/// The mount at a mount point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InnerMount<'a> {
    /// A mount in the manifest.
    Volume(ContainerMount<'a, 'a>),
    /// The ServiceAccount token. The API server adds this mount.
    Token,
    /// The file for the termination message. The kubelet adds this mount.
    TerminationLog,
}

/// Returns the mount points inside the mounts for which `is_outer` returns true.
///
/// Only the nearest mount above a mount point counts. The runtime mounts volumes from the outermost
/// to the innermost, regardless of their order in the manifest. Returns nothing for pods on
/// Windows, where container runtimes do not create mount points in this way.
pub(crate) fn nested_mounts<'a>(
    cx: &Context<'a>,
    is_outer: impl Fn(&VolumeMount<'_>) -> bool,
) -> Vec<NestedMount<'a>> {
    let Some(pod) = cx.pod().filter(|_| cx.os != Some(Os::Windows)) else { return Vec::new() };
    let mut nested = Vec::new();
    for container in &pod.containers {
        if container.volume_mounts.iter().any(&is_outer) {
            add_nested(&mut nested, mount_points(cx, pod, container), &is_outer);
        }
    }
    nested
}

/// A path in a container and the mount at it.
type MountPoint<'a> = (HostPath, InnerMount<'a>);

/// Returns the mount points of a container. Each mount point comes after the mount points above it.
fn mount_points<'a>(cx: &Context<'_>, pod: &Pod<'_>, container: &'a Container<'a>) -> Vec<MountPoint<'a>> {
    let is_token = |name: &str| pod.volume(name).is_some_and(Volume::is_kube_api_access);
    let termination_log = match &*container.termination_message_path {
        "" => TERMINATION_LOG,
        path => path,
    };
    let mut points = Vec::new();
    if pod.is_complete {
        points.push((HostPath::in_container(termination_log), InnerMount::TerminationLog));
    }
    let mut has_token = pod.is_complete
        && pod.automounts_token != Some(false)
        && container.list != ContainerList::Ephemeral
        && !cx.is_static_pod();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        if is_token(&mount.name) || mount.mount_path.is_empty() {
            continue;
        }
        has_token &= !matches!(&*mount.mount_path, TOKEN_PATH | RESOLVED_TOKEN_PATH);
        let path = HostPath::in_container(&mount.mount_path);
        points.push((path, InnerMount::Volume(ContainerMount { container, mount, index })));
    }
    if has_token {
        points.extend(
            [TOKEN_PATH, RESOLVED_TOKEN_PATH].map(|path| (HostPath::in_container(path), InnerMount::Token)),
        );
    }
    points.sort_by(|(a, _), (b, _)| a.cmp(b));
    points
}

fn add_nested<'a>(
    nested: &mut Vec<NestedMount<'a>>,
    points: Vec<MountPoint<'a>>,
    is_outer: impl Fn(&VolumeMount<'_>) -> bool,
) {
    let mut above: Vec<MountPoint<'a>> = Vec::new();
    for (path, inner) in points {
        while above.pop_if(|(outer, _)| path.relation_to(outer) != Relation::Descendant).is_some() {}
        if let Some((outer_path, InnerMount::Volume(outer))) = above.last()
            && is_outer(outer.mount)
        {
            let relative = relative_to(&path, outer_path);
            nested.push(NestedMount { outer: *outer, inner, relative });
        }
        // A container with a mount at its root directory never starts.
        if !path.is_root() {
            above.push((path, inner));
        }
    }
}

/// Checks whether the kubelet creates the mount points of other mounts in the volume
/// (`MakeNestedMountpoints` in `pkg/volume/util/nested_volumes.go`). Such volumes are read-only.
pub(crate) fn creates_mount_points(volume: &Volume<'_>) -> bool {
    matches!(volume.source_key(), Some("configMap" | "downwardAPI" | "projected" | "secret"))
}

/// Checks whether another container can write to the volume of the mount, and starts before or
/// alongside the container with the mount.
pub(crate) fn has_earlier_writer(pod: &Pod<'_>, outer: &ContainerMount<'_, '_>) -> bool {
    let is_earlier = |other: &Container<'_>| {
        let position = |container| pod.containers.iter().position(|known| std::ptr::eq(known, container));
        match (other.list, outer.container.list) {
            _ if std::ptr::eq(other, outer.container) => false,
            (ContainerList::Main, ContainerList::Main) => true,
            _ => position(other) < position(outer.container),
        }
    };
    let mut mounts = pod.mounts_of(&outer.mount.name);
    mounts.any(|mount| !pod.is_read_only(mount.mount) && is_earlier(mount.container))
}

/// Returns the help for a volume that is mounted above the ServiceAccount token.
pub(crate) fn token_help() -> String {
    "mount the volume outside of `/var/run` and `/run`, or set `automountServiceAccountToken: false`"
        .to_owned()
}

/// Checks whether the mount point `path`, a path on the node, exists there. It exists if
/// [`known_type`] knows its type. It also exists if a mounted volume has this host path or one
/// below it, because the kubelet or the container runtime checks or creates the path of such a
/// volume.
pub(crate) fn exists_on_node(cx: &Context<'_>, path: &HostPath) -> bool {
    let is_inside =
        |inner: &HostPath| matches!(inner.relation_to(path), Relation::Equal | Relation::Descendant);
    let mut mounted = cx.host_path_volumes().iter().filter(|volume| volume.is_mounted());
    known_type(&cx.options.catalog, path).is_some() || mounted.any(|volume| is_inside(&volume.clean))
}

/// Returns the part of `path` after its ancestor `outer`.
fn relative_to(path: &HostPath, outer: &HostPath) -> String {
    let (path, outer) = (path.to_string(), outer.to_string());
    path[outer.len()..].trim_start_matches(['/', '\\']).to_owned()
}
