//! The input of volume rules: one pod or PersistentVolume, with its host paths resolved once.

use std::borrow::Cow;

use super::catalog::{EntryClass, HostPathType, PathClass};
use super::options::Options;
use crate::finding::Access;
use crate::model::{
    ContainerMount, FieldPath, HostPath, Object, PersistentVolumeSpec, Piece, Pod, Relation, Volume,
    VolumeMount, is_built_in, pieces,
};
use crate::rules::subject::{ClaimedVolume, NodeVolume};

/// The subject of a rule about volumes.
#[derive(Clone, Copy, Debug)]
pub enum VolumeSubject<'a> {
    /// A pod: the object itself, or one that it creates.
    Pod(&'a Pod<'a>),
    /// The spec of the object, which is a PersistentVolume.
    PersistentVolume(&'a PersistentVolumeSpec<'a>),
}

/// The input of a rule about volumes.
#[derive(Debug)]
pub struct Context<'a> {
    pub object: &'a Object<'a>,
    /// The part of the object that is checked.
    pub subject: VolumeSubject<'a>,
    pub options: &'a Options,
    host_path_volumes: Vec<HostPathVolume<'a>>,
}

/// A volume with a host path: a `hostPath` volume, or the `local` source of a PersistentVolume.
#[derive(Clone, Debug)]
pub struct HostPathVolume<'a> {
    /// The volume of the pod; `None` for a PersistentVolume.
    pub volume: Option<&'a Volume<'a>>,
    /// The name of the volume or of the PersistentVolume.
    pub name: &'a str,
    /// The field path of `hostPath` or `local`.
    pub source: FieldPath,
    /// The path as written in the manifest.
    pub path: &'a str,
    /// The `hostPath.type` as written; `None` if absent. Kubernetes treats an empty type as absent.
    pub declared_type: Option<&'a str>,
    /// Whether the source supports a `type`: `hostPath` does, and `local` does not.
    pub supports_type: bool,
    /// The path, cleaned and with aliases resolved.
    pub clean: HostPath,
    /// The accesses through the mounts, most harmful first. If there are no mounts, the list
    /// contains a single access to the path of the volume. It is read-only for a volume of a pod,
    /// and writable for a PersistentVolume.
    pub accesses: Vec<HostPathAccess<'a>>,
}

/// The access of one container to a host path.
#[derive(Clone, Debug)]
pub struct HostPathAccess<'a> {
    /// The mount; `None` for a PersistentVolume, and for a volume that no container mounts.
    pub mount: Option<ContainerMount<'a, 'a>>,
    /// The effective path: the path of the volume joined with the `subPath` of the mount.
    pub path: HostPath,
    pub class: PathClass<'a>,
    /// The type of the file at the path, according to the `type` of the volume, the catalog or, for
    /// sockets, the name; `None` if unknown.
    pub file_type: Option<HostPathType>,
    /// Whether the mount is read-only.
    pub is_read_only: bool,
    /// The effective access: sockets and devices are writable even through a read-only mount.
    pub effective: Access,
}

impl<'a> HostPathAccess<'a> {
    fn through_mount(self, mount: ContainerMount<'a, 'a>, is_read_only: bool) -> Self {
        let is_effective = is_read_only && self.read_only_bypass().is_none();
        let effective = if is_effective { Access::Read } else { Access::Write };
        Self { mount: Some(mount), is_read_only, effective, ..self }
    }

    /// Checks whether the path is a socket. The kubelet accepts a socket for `type: File`, so a
    /// path with that type is a socket if its name suggests one.
    pub fn is_socket(&self) -> bool {
        match self.file_type {
            Some(HostPathType::Socket) => true,
            Some(HostPathType::File) => self.path.is_socket(),
            _ => false,
        }
    }

    /// Returns the type of the file if a container can write to it through a read-only mount.
    /// Returns `None` if it cannot, or if the catalog lists the file as harmless, such as
    /// `/dev/null`.
    pub fn read_only_bypass(&self) -> Option<HostPathType> {
        // A socket in a harmless directory, such as /dev/shm, is not harmless.
        let is_harmless = matches!(self.class, PathClass::Inside(entry)
            if entry.class == EntryClass::Harmless && entry.file_type == self.file_type);
        self.file_type.filter(|file_type| file_type.bypasses_read_only() && !is_harmless)
    }

    /// Checks whether the path can be a directory. If not, an `emptyDir` cannot replace it.
    pub fn can_be_directory(&self) -> bool {
        matches!(self.file_type, None | Some(HostPathType::Directory))
    }

    /// Checks whether the policy's allow list allows the path with this access.
    pub fn is_allowed(&self, options: &Options) -> bool {
        let entries = options.allowed_host_paths.iter().flatten();
        let mut covering = entries.filter(|entry| entry.covers(&self.path));
        covering.any(|entry| self.is_read_only || !entry.is_read_only)
    }

    /// Returns the name of the container; empty if the access has no mount.
    pub fn container_name(&self) -> &str {
        self.mount.map_or("", |mount| &mount.container.name)
    }
}

impl<'a> Context<'a> {
    pub fn for_pod(object: &'a Object<'a>, pod: &'a Pod<'a>, options: &'a Options) -> Self {
        let volumes = pod.volumes.iter().filter_map(|volume| host_path_volume(pod, volume, options));
        let host_path_volumes = volumes.collect();
        Self { object, subject: VolumeSubject::Pod(pod), options, host_path_volumes }
    }

    pub fn for_persistent_volume(
        object: &'a Object<'a>,
        spec: &'a PersistentVolumeSpec<'a>,
        options: &'a Options,
    ) -> Self {
        let path = FieldPath::from_keys(&["spec"]);
        let name = object.id.name.as_str();
        let volume = |key, source_path: &'a str, declared_type| {
            let mut volume = HostPathVolume::new(None, name, path.key(key), source_path, declared_type);
            volume.supports_type = key == "hostPath";
            // Any Pod can use the volume with write access, because neither `hostPath` nor `local`
            // has a `readOnly` field.
            let mut access = volume.access_to(volume.clean.clone(), options);
            if is_disk(&*spec.volume_mode == "Block", key, &access.path, access.file_type) {
                access.class = PathClass::Unlisted;
            }
            volume.accesses.push(access);
            volume
        };
        let host_path = spec.host_path.iter();
        let host_path =
            host_path.map(|source| volume("hostPath", &source.path, source.host_path_type.as_deref()));
        let local = spec.local.iter().map(|source| volume("local", &source.path, None));
        let host_path_volumes = host_path.chain(local).collect();
        Self { object, subject: VolumeSubject::PersistentVolume(spec), options, host_path_volumes }
    }

    /// Returns the pod; `None` for a PersistentVolume.
    pub fn pod(&self) -> Option<&'a Pod<'a>> {
        match self.subject {
            VolumeSubject::Pod(pod) => Some(pod),
            VolumeSubject::PersistentVolume(_) => None,
        }
    }

    /// Checks whether the object is a DaemonSet or may create one. An object of a kind outside of
    /// Kubernetes may create one if its pod is incomplete.
    pub fn can_be_daemon_set(&self) -> bool {
        let id = &self.object.id;
        let is_complete = self.pod().is_some_and(|pod| pod.is_complete);
        self.object.workload.is_daemon_set() || !(is_complete || is_built_in(&id.group, &id.kind))
    }

    /// Returns the volumes with a host path.
    pub fn host_path_volumes(&self) -> &[HostPathVolume<'a>] {
        &self.host_path_volumes
    }

    /// Iterates over the accesses to host paths, each with its volume.
    pub fn host_path_accesses(&self) -> impl Iterator<Item = (&HostPathVolume<'a>, &HostPathAccess<'a>)> {
        let volumes = self.host_path_volumes.iter();
        volumes.flat_map(|volume| volume.accesses.iter().map(move |access| (volume, access)))
    }
}

/// Checks whether `path` in the source `key` of a PersistentVolume is a disk of the node: in block
/// mode, or as `local`. Containers get such a disk as a device, or the filesystem on it. This is
/// the documented use of a disk.
pub(crate) fn is_disk(is_block: bool, key: &str, path: &HostPath, file_type: Option<HostPathType>) -> bool {
    (is_block || key == "local")
        && path.relation_to(&HostPath::new("/dev")) == Relation::Descendant
        && matches!(file_type, None | Some(HostPathType::BlockDevice))
}

/// Resolves a volume of a pod. Returns `None` if it is not a `hostPath` volume.
fn host_path_volume<'a>(
    pod: &'a Pod<'a>,
    volume: &'a Volume<'a>,
    options: &'a Options,
) -> Option<HostPathVolume<'a>> {
    let source = volume.host_path()?;
    let field = volume.path.key("hostPath");
    let mut host_path = HostPathVolume::new(
        Some(volume),
        &volume.name,
        field,
        &source.path,
        source.host_path_type.as_deref(),
    );
    host_path.add_accesses(pod, options, |mount| mount.is_read_only());
    Some(host_path)
}

/// Returns the known part of the sub path of a mount. A variable in a `subPathExpr` can expand to
/// any text, so the known part ends at the last slash before the first variable.
fn known_sub_path<'m>(mount: &'m VolumeMount<'_>) -> Cow<'m, str> {
    if mount.sub_path_expr.is_empty() {
        return (&*mount.sub_path).into();
    }
    let mut known = String::new();
    for piece in pieces(&mount.sub_path_expr) {
        match piece {
            Piece::Text(text) => known.push_str(text),
            Piece::Variable(_) => {
                known.truncate(known.rfind('/').unwrap_or(0));
                break;
            }
        }
    }
    known.into()
}

impl<'a> HostPathVolume<'a> {
    fn new(
        volume: Option<&'a Volume<'a>>,
        name: &'a str,
        source: FieldPath,
        path: &'a str,
        declared_type: Option<&'a str>,
    ) -> Self {
        let clean = HostPath::new(path);
        Self { volume, name, source, path, declared_type, supports_type: true, clean, accesses: Vec::new() }
    }

    /// Resolves the path of a PersistentVolume that a volume of a pod is bound to.
    pub fn behind_claim(
        pod: &'a Pod<'a>,
        claimed: &'a ClaimedVolume,
        volume: &'a NodeVolume,
        options: &'a Options,
    ) -> Self {
        let declared_type = volume.host_path_type.as_deref();
        let mut resolved =
            Self::new(None, &claimed.volume, claimed.field.clone(), &volume.path, declared_type);
        resolved.add_accesses(pod, options, |mount| pod.is_read_only(mount));
        resolved
    }

    /// Adds the accesses through the mounts of the pod.
    fn add_accesses(
        &mut self,
        pod: &'a Pod<'a>,
        options: &'a Options,
        is_read_only: impl Fn(&VolumeMount<'_>) -> bool,
    ) {
        // Most mounts have no `subPath`, so the access to the whole volume is computed once.
        let whole = self.access_to(self.clean.clone(), options);
        let access = |mount: ContainerMount<'a, 'a>| {
            let access = match &*known_sub_path(mount.mount) {
                "" => whole.clone(),
                sub_path => self.access_to(self.clean.join(sub_path), options),
            };
            access.through_mount(mount, is_read_only(mount.mount))
        };
        let mut accesses: Vec<_> = pod.mounts_of(self.name).map(access).collect();
        accesses.sort_by(|a, b| a.class.rank().cmp(&b.class.rank()).then(b.effective.cmp(&a.effective)));
        if accesses.is_empty() {
            accesses.push(HostPathAccess { is_read_only: true, effective: Access::Read, ..whole });
        }
        self.accesses = accesses;
    }

    /// Returns the write access to `path`, which is the path of the volume or below it.
    fn access_to(&self, path: HostPath, options: &'a Options) -> HostPathAccess<'a> {
        // Cleaning an empty path results in the root, but the API server rejects such a volume.
        let class = if self.path.is_empty() { PathClass::Unlisted } else { options.catalog.classify(&path) };
        // The declared type applies to the path of the volume, not to paths below it.
        let is_whole = path == self.clean;
        let name = self.declared_type.map(|name| name.strip_suffix("OrCreate").unwrap_or(name));
        let declared =
            HostPathType::ALL.into_iter().find(|declared| is_whole && name == Some(declared.name()));
        let file_type = match (declared, options.catalog.file_type(&path)) {
            (Some(declared), _) if declared.bypasses_read_only() => Some(declared),
            (declared, known) => known.or(declared).or(path.is_socket().then_some(HostPathType::Socket)),
        };
        HostPathAccess { mount: None, path, class, file_type, is_read_only: false, effective: Access::Write }
    }

    /// Checks whether a container mounts the volume. If not, the kubelet neither checks nor creates
    /// the path. A PersistentVolume counts as mounted.
    pub fn is_mounted(&self) -> bool {
        self.is_persistent_volume() || self.accesses.iter().any(|access| access.mount.is_some())
    }

    /// Checks whether the volume is a PersistentVolume, not a volume of a pod.
    pub fn is_persistent_volume(&self) -> bool {
        self.volume.is_none()
    }

    /// Returns the field path of the host path.
    pub fn path_field(&self) -> FieldPath {
        self.source.key("path")
    }

    /// Returns the field path of `type` or, if there is no `type`, of the source.
    pub fn type_field(&self) -> FieldPath {
        match self.declared_type {
            Some(_) => self.source.key("type"),
            None => self.source.clone(),
        }
    }
}
