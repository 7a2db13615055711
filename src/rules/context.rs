//! What a rule sees of an object: one pod or PersistentVolume, with its host paths worked out once.

use super::catalog::{Class, EntryClass, HostPathType};
use super::lists::Options;
use crate::finding::Access;
use crate::model::{
    ContainerMount, FieldPath, HostPath, HostPathSource, Object, PersistentVolumeSpec, Piece, Pod, Str,
    Volume, VolumeMount, is_built_in, pieces,
};

/// What a rule judges at a time.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// One pod that the object is or makes.
    Pod(&'a Pod<'a>),
    /// The PersistentVolume that the object is.
    PersistentVolume(&'a PersistentVolumeSpec<'a>),
}

/// All that a rule may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The object.
    pub object: &'a Object<'a>,
    /// The part of it that is judged.
    pub subject: Subject<'a>,
    /// What the policy says.
    pub options: &'a Options,
    host_volumes: Vec<HostVolume<'a>>,
}

/// A volume that is a path of the node.
#[derive(Clone, Debug)]
pub struct HostVolume<'a> {
    /// The volume; none for a PersistentVolume, which the object itself is.
    pub volume: Option<&'a Volume<'a>>,
    /// The volume's name; of a PersistentVolume its own.
    pub name: &'a str,
    /// Where `hostPath` or `local` stands in the object.
    pub source: FieldPath,
    /// Its path, as the user wrote it.
    pub path: &'a str,
    /// Its type, as the user wrote it: none where it is absent; empty counts as absent to Kubernetes.
    pub host_path_type: Option<&'a str>,
    /// Whether it can have a type at all: `local` can't.
    pub has_type: bool,
    /// The path, cleaned and without aliases.
    pub clean: HostPath,
    /// Each mount of it, the worst first; where there is none, the path itself, read-only.
    pub uses: Vec<HostUse<'a>>,
}

/// One container's way to a path of the node.
#[derive(Clone, Debug)]
pub struct HostUse<'a> {
    /// The mount; none where nothing mounts the volume, and for a PersistentVolume.
    pub mount: Option<ContainerMount<'a, 'a>>,
    /// The path that the container reaches: the volume's and the mount's `subPath` in one.
    pub path: HostPath,
    /// What that is to the node.
    pub class: Class<'a>,
    /// What is there, by the volume's type or the catalogue, else a socket by its name.
    pub file_type: Option<HostPathType>,
    /// Whether the mount is read-only.
    pub is_read_only: bool,
    /// What the container can do there: a socket and a device can be written through a read-only mount.
    pub access: Access,
}

impl<'a> HostUse<'a> {
    /// The same by a mount.
    fn by(self, of: ContainerMount<'a, 'a>) -> Self {
        let is_read_only = of.mount.is_read_only();
        let access = if is_read_only && self.opens().is_none() { Access::Read } else { Access::Write };
        Self { mount: Some(of), is_read_only, access, ..self }
    }

    /// Whether a socket is there. `type: File` takes one, too, so there the name decides.
    pub fn is_socket(&self) -> bool {
        match self.file_type {
            Some(HostPathType::Socket) => true,
            Some(HostPathType::File) => self.path.is_socket(),
            _ => false,
        }
    }

    /// What is there, where a read-only mount doesn't keep the container from using it; none for what is of no
    /// use to anyone, such as `/dev/null`.
    pub fn opens(&self) -> Option<HostPathType> {
        // What is put into a harmless folder, such as /dev/shm, is another matter.
        let is_harmless = matches!(self.class, Class::Inside(entry)
            if entry.class == EntryClass::Harmless && entry.file_type == self.file_type);
        self.file_type.filter(|file_type| file_type.ignores_read_only() && !is_harmless)
    }

    /// Whether a folder may be there, so that an `emptyDir` can take its place.
    pub fn may_be_folder(&self) -> bool {
        matches!(self.file_type, None | Some(HostPathType::Directory))
    }

    /// The name of the container; empty where there is none.
    pub fn container(&self) -> &str {
        self.mount.map_or("", |of| &of.container.name)
    }
}

impl<'a> Context<'a> {
    /// The context of one pod of `object`.
    pub fn of_pod(object: &'a Object<'a>, pod: &'a Pod<'a>, options: &'a Options) -> Self {
        let host_volumes = pod.volumes.iter().filter_map(|volume| of_volume(pod, volume, options)).collect();
        Self { object, subject: Subject::Pod(pod), options, host_volumes }
    }

    /// The context of the PersistentVolume that `object` is.
    pub fn of_persistent_volume(
        object: &'a Object<'a>,
        spec: &'a PersistentVolumeSpec<'a>,
        options: &'a Options,
    ) -> Self {
        let path = FieldPath::from_keys(&["spec"]);
        let name = object.id.name.as_str();
        let of = |key, source: &'a HostPathSource<'a>| {
            let host_path_type = source.host_path_type.as_deref();
            persistent(HostVolume::new(None, name, path.key(key), &source.path, host_path_type), options)
        };
        let mut host_volumes: Vec<_> = spec.host_path.iter().map(|source| of("hostPath", source)).collect();
        host_volumes.extend(spec.local.iter().map(|source| {
            let mut volume = HostVolume::new(None, name, path.key("local"), &source.path, None);
            volume.has_type = false;
            persistent(volume, options)
        }));
        Self { object, subject: Subject::PersistentVolume(spec), options, host_volumes }
    }

    /// The pod, where it is one.
    pub fn pod(&self) -> Option<&'a Pod<'a>> {
        match self.subject {
            Subject::Pod(pod) => Some(pod),
            Subject::PersistentVolume(_) => None,
        }
    }

    /// Whether its Pods may run one to a node, each with what is there: those of a DaemonSet do, and of a
    /// custom kind that makes other workloads nobody can tell.
    pub fn may_be_daemon_set(&self) -> bool {
        let id = &self.object.id;
        let is_whole = self.pod().is_some_and(|pod| pod.is_complete);
        self.object.workload.is_daemon_set() || !(is_whole || is_built_in(&id.group, &id.kind))
    }

    /// The volumes that are paths of the node.
    pub fn host_volumes(&self) -> &[HostVolume<'a>] {
        &self.host_volumes
    }

    /// Every way to a path of the node, with its volume.
    pub fn host_uses(&self) -> impl Iterator<Item = (&HostVolume<'a>, &HostUse<'a>)> {
        self.host_volumes.iter().flat_map(|volume| volume.uses.iter().map(move |used| (volume, used)))
    }
}

fn of_volume<'a>(pod: &'a Pod<'a>, volume: &'a Volume<'a>, options: &'a Options) -> Option<HostVolume<'a>> {
    let source = volume.host_path()?;
    let host_path_type = source.host_path_type.as_deref();
    let mut host = HostVolume::new(
        Some(volume),
        &volume.name,
        volume.path.key("hostPath"),
        &source.path,
        host_path_type,
    );
    // Most mounts reach all of the volume.
    let whole = host.used(host.clean.clone(), options);
    host.uses = pod
        .mounts_of(&volume.name)
        .map(|of| {
            let inside = reached(of.mount);
            let used = match &*inside {
                "" => whole.clone(),
                inside => host.used(host.clean.join(inside), options),
            };
            used.by(of)
        })
        .collect();
    host.uses.sort_by(|a, b| a.class.rank().cmp(&b.class.rank()).then(b.access.cmp(&a.access)));
    if host.uses.is_empty() {
        host.uses.push(HostUse { is_read_only: true, access: Access::Read, ..whole });
    }
    Some(host)
}

/// A PersistentVolume's path is reached by whoever claims it, and nothing in it says how.
fn persistent<'a>(mut host: HostVolume<'a>, options: &'a Options) -> HostVolume<'a> {
    host.uses.push(host.used(host.clean.clone(), options));
    host
}

/// The part of a volume that a mount reaches. What a variable holds isn't known here: anything below.
fn reached<'m>(mount: &'m VolumeMount<'_>) -> std::borrow::Cow<'m, str> {
    let expression: &Str<'_> = &mount.sub_path_expr;
    if expression.is_empty() {
        return (&*mount.sub_path).into();
    }
    let mut known = String::new();
    for piece in pieces(expression) {
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

impl<'a> HostVolume<'a> {
    fn new(
        volume: Option<&'a Volume<'a>>,
        name: &'a str,
        source: FieldPath,
        path: &'a str,
        host_path_type: Option<&'a str>,
    ) -> Self {
        let clean = HostPath::new(path);
        Self { volume, name, source, path, host_path_type, has_type: true, clean, uses: Vec::new() }
    }

    /// A use of `path`, which is its own or inside of that, by whoever: with nothing that makes it read-only.
    fn used(&self, path: HostPath, options: &'a Options) -> HostUse<'a> {
        // No path at all is refused; to the path algebra it would be the root.
        let class = if self.path.is_empty() { Class::Unlisted } else { options.catalog.classify(&path) };
        let whole = path == self.clean;
        // The type speaks of the volume's path, not of what a `subPath` reaches in it.
        let word = self.host_path_type.map(|word| word.strip_suffix("OrCreate").unwrap_or(word));
        let stated = HostPathType::ALL.into_iter().find(|file_type| whole && word == Some(file_type.word()));
        let file_type = match (stated, options.catalog.file_type(&path)) {
            (Some(stated), _) if stated.ignores_read_only() => Some(stated),
            (stated, known) => known.or(stated).or(path.is_socket().then_some(HostPathType::Socket)),
        };
        HostUse { mount: None, path, class, file_type, is_read_only: false, access: Access::Write }
    }

    /// Whether a container mounts it: the kubelet leaves alone what none does. Whoever claims a
    /// PersistentVolume mounts it.
    pub fn is_mounted(&self) -> bool {
        self.volume.is_none() || self.uses.iter().any(|used| used.mount.is_some())
    }

    /// Where its path stands in the object.
    pub fn path_field(&self) -> FieldPath {
        self.source.key("path")
    }

    /// Where its type stands, or would stand: where it is absent, the mapping that lacks it.
    pub fn type_field(&self) -> FieldPath {
        match self.host_path_type {
            Some(_) => self.source.key("type"),
            None => self.source.clone(),
        }
    }
}
