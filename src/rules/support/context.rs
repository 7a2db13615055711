//! The input of volume rules: a pod, PersistentVolume or claim, with its host paths resolved once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::catalog::{EntryClass, HostPathType, PathClass};
use super::devices::device_type;
use super::options::Options;
use crate::finding::Access;
use crate::model::{
    ClaimSpec, Container, ContainerMount, FieldPath, HostPath, HostPathForm, KubernetesVersion, Object, Os,
    PersistentVolumeSpec, Piece, Pod, Relation, Volume, VolumeMount, is_built_in, pieces,
};
use crate::rules::subject::{ClaimedVolume, NodeVolume};

/// The subject of a rule about volumes.
#[derive(Clone, Copy, Debug)]
pub enum VolumeSubject<'a> {
    /// A pod: the object itself, or one that it creates.
    Pod(&'a Pod<'a>),
    /// The spec of the object, which is a PersistentVolume.
    PersistentVolume(&'a PersistentVolumeSpec<'a>),
    /// The spec of the object, which is a PersistentVolumeClaim.
    Claim(&'a ClaimSpec<'a>),
}

/// The input of a rule about volumes.
#[derive(Debug)]
pub struct Context<'a> {
    pub object: &'a Object<'a>,
    /// The part of the object that is checked.
    pub subject: VolumeSubject<'a>,
    pub options: &'a Options,
    /// The operating system of the pod's nodes; `None` if unknown.
    pub os: Option<Os>,
    /// The volumes of the pod that come from claims, resolved with the other objects in the input.
    pub claimed_volumes: Vec<&'a ClaimedVolume>,
    host_path_volumes: Vec<HostPathVolume<'a>>,
}

/// A volume with a host path: a `hostPath` volume of a pod, or the `hostPath` or `local` source of
/// a PersistentVolume.
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
    /// The fields in `source` that contain the path and the type.
    form: HostPathForm,
    /// The path, cleaned and with aliases resolved.
    pub clean: HostPath,
    /// The accesses through the mounts, most harmful first. If there are no mounts, the list
    /// contains a single access to the path of the volume. For a volume of a pod, that access is
    /// writable only if the path is used without a mount, for example by KubeVirt's `hostDisk`. If
    /// the object is a PersistentVolume, the access is writable.
    pub accesses: Vec<HostPathAccess<'a>>,
}

/// An access to a host path. Usually, this is the access of one container through one mount.
#[derive(Clone, Debug)]
pub struct HostPathAccess<'a> {
    /// The mount; `None` if the object is a PersistentVolume, or if no container mounts the volume.
    pub mount: Option<ContainerMount<'a, 'a>>,
    /// The effective path: the path of the volume joined with the `subPath` of the mount.
    pub path: HostPath,
    pub class: PathClass<'a>,
    /// The type of the file at the path, according to the `type` of the volume, the catalog or, for
    /// sockets and devices, the name; `None` if unknown.
    pub file_type: Option<HostPathType>,
    /// Whether the mount is read-only.
    pub is_read_only: bool,
    /// The effective access. Sockets are writable even through a read-only mount, and so are
    /// devices that the container can open, unless the catalog lists them as harmless.
    pub effective: Access,
}

/// The devices that a container can open without being privileged (`AllowedDevices` in
/// `libcontainer/specconv/spec_linux.go` of runc 1.4).
const ALLOWED_DEVICES: &[&str] = &[
    "/dev/full",
    "/dev/net/tun",
    "/dev/null",
    "/dev/ptmx",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

impl<'a> HostPathAccess<'a> {
    fn through_mount(self, mount: ContainerMount<'a, 'a>, is_read_only: bool) -> Self {
        let mut access = Self { mount: Some(mount), is_read_only, ..self };
        let is_effective = is_read_only && access.read_only_bypass().is_none();
        access.effective = if is_effective { Access::Read } else { Access::Write };
        access
    }

    /// Checks whether the path is a socket. Older kubelets accept a socket for `type: File`, so
    /// a path with that type is a socket if its name suggests one.
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
        let is_writable = !self.is_harmless_file() && !self.is_denied_device();
        self.file_type.filter(|file_type| file_type.bypasses_read_only() && is_writable)
    }

    /// Returns the noun for the file if a container can write to it through a read-only mount (see
    /// [`read_only_bypass`](Self::read_only_bypass)).
    pub fn read_only_bypass_noun(&self) -> Option<&'static str> {
        let file_type = self.read_only_bypass()?;
        Some(if file_type == HostPathType::Socket { self.socket_noun() } else { file_type.noun() })
    }

    /// Returns the noun for a socket at the path, which is a named pipe on Windows.
    pub fn socket_noun(&self) -> &'static str {
        if self.path.is_named_pipe() { "named pipe" } else { "socket" }
    }

    /// Checks whether the catalog lists the file itself as harmless. A socket in a harmless
    /// directory, such as `/dev/shm`, is not harmless.
    pub fn is_harmless_file(&self) -> bool {
        matches!(self.class, PathClass::Inside(entry)
            if entry.class == EntryClass::Harmless && entry.file_type == self.file_type)
    }

    /// Checks whether the path is a device that the container cannot open. The device cgroup of a
    /// container that is not privileged allows only a few devices.
    pub fn is_denied_device(&self) -> bool {
        let is_unprivileged = self.mount.is_some_and(|mount| !mount.container.security_context.privileged);
        let is_device = matches!(self.file_type, Some(HostPathType::CharDevice | HostPathType::BlockDevice));
        is_device && is_unprivileged && !ALLOWED_DEVICES.iter().any(|path| self.path == HostPath::new(path))
    }

    /// Checks whether the path can be a directory. If not, an `emptyDir` cannot replace it.
    pub fn can_be_directory(&self) -> bool {
        matches!(self.file_type, None | Some(HostPathType::Directory))
    }

    /// Checks whether the policy's allow list allows the path with this access. If several entries
    /// cover the path, the most specific one decides. Returns false if no entry covers the path.
    pub fn is_allowed(&self, options: &Options) -> bool {
        let entries = options.allowed_host_paths.iter().flatten();
        let covering = entries.filter(|entry| entry.covers(&self.path));
        let deciding = covering.max_by_key(|entry| entry.precedence());
        deciding.is_some_and(|entry| self.is_read_only || !entry.is_read_only)
    }

    /// Returns the name of the container; empty if the access has no mount.
    pub fn container_name(&self) -> &str {
        self.mount.map_or("", |mount| &mount.container.name)
    }
}

impl<'a> Context<'a> {
    pub fn for_pod(object: &'a Object<'a>, pod: &'a Pod<'a>, options: &'a Options) -> Self {
        let os = pod.os();
        let volumes = pod.volumes.iter().filter_map(|volume| host_path_volume(pod, volume, options));
        let host_path_volumes = volumes.collect();
        let subject = VolumeSubject::Pod(pod);
        Self { object, subject, options, os, claimed_volumes: Vec::new(), host_path_volumes }
    }

    pub fn for_persistent_volume(
        object: &'a Object<'a>,
        spec: &'a PersistentVolumeSpec<'a>,
        options: &'a Options,
    ) -> Self {
        let path = FieldPath::from_keys(&["spec"]);
        let name = object.id.name.as_str();
        let volume = |key, source_path: &'a str, declared_type| {
            let clean = HostPath::new(source_path);
            let mut volume =
                HostPathVolume::new(None, name, path.key(key), source_path, clean, declared_type);
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
        let subject = VolumeSubject::PersistentVolume(spec);
        Self { object, subject, options, os: None, claimed_volumes: Vec::new(), host_path_volumes }
    }

    pub fn for_claim(object: &'a Object<'a>, spec: &'a ClaimSpec<'a>, options: &'a Options) -> Self {
        let subject = VolumeSubject::Claim(spec);
        let (claimed_volumes, host_path_volumes) = (Vec::new(), Vec::new());
        Self { object, subject, options, os: None, claimed_volumes, host_path_volumes }
    }

    /// Returns the pod; `None` if the subject is not a pod.
    pub fn pod(&self) -> Option<&'a Pod<'a>> {
        match self.subject {
            VolumeSubject::Pod(pod) => Some(pod),
            VolumeSubject::PersistentVolume(_) | VolumeSubject::Claim(_) => None,
        }
    }

    /// Returns the PersistentVolume; `None` if the subject is not one.
    pub fn persistent_volume(&self) -> Option<&'a PersistentVolumeSpec<'a>> {
        match self.subject {
            VolumeSubject::PersistentVolume(spec) => Some(spec),
            VolumeSubject::Pod(_) | VolumeSubject::Claim(_) => None,
        }
    }

    /// Checks whether the pod belongs to a DaemonSet or may belong to one. An incomplete pod may
    /// belong to one if the kind of the object is not part of Kubernetes.
    pub fn can_be_daemon_set(&self) -> bool {
        let id = &self.object.id;
        let is_complete = self.pod().is_some_and(|pod| pod.is_complete);
        self.object.workload.is_daemon_set() || !(is_complete || is_built_in(&id.group, &id.kind))
    }

    /// Checks whether the object is probably a static Pod, which the kubelet creates from a file on
    /// its node. Returns true for:
    ///
    /// - a mirror Pod
    /// - a Pod that has no controller, uses the node's network, and either is in a namespace for
    ///   system components or runs a component of the control plane
    pub fn is_static_pod(&self) -> bool {
        let Some(pod) = self.pod() else { return false };
        let id = &self.object.id;
        // The owner of a mirror Pod is its node.
        if id.kind == "Pod" && pod.annotations.get("kubernetes.io/config.mirror").is_some() {
            return true;
        }
        let is_system = || id.namespace == "kube-system" || id.namespace.starts_with("openshift-");
        self.object.workload.kind == "Pod"
            && pod.host_network
            && (is_system() || pod.containers.iter().any(runs_control_plane))
    }

    /// Checks whether the API server supports the field `recursiveReadOnly` of mounts by default
    /// (`RecursiveReadOnlyMounts` in `pkg/features/kube_features.go`).
    pub fn supports_recursive_read_only(&self) -> bool {
        self.options.kubernetes_version >= KubernetesVersion::minor(31)
    }

    /// Returns the accesses through mounts, by the field path of the mount.
    pub fn accesses_by_mount(&self) -> HashMap<FieldPath, &HostPathAccess<'a>> {
        let accesses = self.host_path_accesses();
        accesses.filter_map(|(_, access)| Some((access.mount?.path(), access))).collect()
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

/// Checks whether a container runs the image of a control plane component.
fn runs_control_plane(container: &Container<'_>) -> bool {
    const IMAGES: &[&str] =
        &["etcd", "hyperkube", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let name = container.image.rsplit('/').next().unwrap_or_default();
    IMAGES.contains(&name.split([':', '@']).next().unwrap_or_default())
}

/// Checks whether `path`, from the source `key` of a PersistentVolume, is a disk of the node. The
/// PersistentVolume must be in block mode or have the source `local`. Kubernetes documents both
/// uses: a container gets the disk as a device, or mounts its filesystem.
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
    let field = source.form.source(&volume.path);
    let declared_type = source.host_path_type.as_deref();
    // Use only the operating system that the pod requires. A pod that merely seems to be for
    // Windows may run on Linux, where interpreting the path as a Windows path could hide a
    // sensitive path.
    let clean = HostPath::on(pod.required_os, &source.path);
    let mut host_path =
        HostPathVolume::new(Some(volume), &volume.name, field, &source.path, clean, declared_type);
    host_path.supports_type = source.form.type_key().is_some();
    host_path.form = source.form;
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

/// Checks whether a path is absolute or names a file. Returns false for an empty path, which the
/// API server rejects, and for `.`, which is the working directory of the container runtime.
fn has_names(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|name| !matches!(name, "" | "."))
}

impl<'a> HostPathVolume<'a> {
    fn new(
        volume: Option<&'a Volume<'a>>,
        name: &'a str,
        source: FieldPath,
        path: &'a str,
        clean: HostPath,
        declared_type: Option<&'a str>,
    ) -> Self {
        Self {
            volume,
            name,
            source,
            path,
            declared_type,
            supports_type: true,
            form: HostPathForm::Volume,
            clean,
            accesses: Vec::new(),
        }
    }

    /// Resolves the path of a PersistentVolume for a volume of a pod. The claim of that volume is
    /// bound to the PersistentVolume, or can be bound to it.
    pub fn behind_claim(
        pod: &'a Pod<'a>,
        claimed: &'a ClaimedVolume,
        volume: &'a NodeVolume,
        options: &'a Options,
    ) -> Self {
        let declared_type = volume.host_path_type.as_deref();
        let clean = HostPath::on(pod.required_os, &volume.path);
        let mut resolved =
            Self::new(None, &claimed.volume, claimed.field.clone(), &volume.path, clean, declared_type);
        resolved.supports_type = volume.source == "hostPath";
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
            accesses.push(match self.form.is_read_only_without_mount() {
                true => HostPathAccess { is_read_only: true, effective: Access::Read, ..whole },
                false => whole,
            });
        }
        self.accesses = accesses;
    }

    /// Returns a writable access to `path`, which is at or below the path of the volume.
    fn access_to(&self, path: HostPath, options: &'a Options) -> HostPathAccess<'a> {
        let class = match has_names(self.path) {
            true => options.catalog.classify(&path),
            false => PathClass::Unlisted,
        };
        // The declared type applies to the path of the volume, not to paths below it.
        let is_whole = path == self.clean;
        let name = self.declared_type.map(|name| name.strip_suffix("OrCreate").unwrap_or(name));
        let declared =
            HostPathType::ALL.into_iter().find(|declared| is_whole && name == Some(declared.name()));
        let file_type = match (declared, options.catalog.file_type(&path)) {
            (Some(declared), _) if declared.bypasses_read_only() => Some(declared),
            (declared, known) => known
                .or(declared)
                .or_else(|| device_type(&path))
                .or(path.is_socket().then_some(HostPathType::Socket)),
        };
        HostPathAccess { mount: None, path, class, file_type, is_read_only: false, effective: Access::Write }
    }

    /// Checks whether a container mounts the volume. If not, the kubelet neither checks nor creates
    /// the path. A PersistentVolume counts as mounted.
    pub fn is_mounted(&self) -> bool {
        self.is_persistent_volume() || self.accesses.iter().any(|access| access.mount.is_some())
    }

    /// Checks whether a container mounts the volume without `readOnly`.
    pub fn has_writable_mount(&self) -> bool {
        self.accesses.iter().any(|access| access.mount.is_some() && !access.is_read_only)
    }

    /// Checks whether the volume is a PersistentVolume, not a volume of a pod.
    pub fn is_persistent_volume(&self) -> bool {
        self.volume.is_none()
    }

    /// Returns the form in which the object declares the host path.
    pub fn form(&self) -> HostPathForm {
        self.form
    }

    /// Returns the field path of the host path.
    pub fn path_field(&self) -> FieldPath {
        self.form.path_field(&self.source)
    }

    /// Returns the field path of `type` or, if there is no `type`, of the source.
    pub fn type_field(&self) -> FieldPath {
        match self.form.type_key().filter(|_| self.declared_type.is_some()) {
            Some(key) => self.source.key(key),
            None => self.source.clone(),
        }
    }
}
