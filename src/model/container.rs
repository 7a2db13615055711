//! Containers, and how they mount volumes.

use std::collections::HashMap;

use serde::Deserialize;

use super::expression::expand;
use super::field_path::FieldPath;
use super::quantity::Quantity;
use super::value::{List, Map, Str, nullable};

/// Which of a pod's lists a container stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerList {
    /// `initContainers`: run before the others, one by one; those with `restartPolicy: Always` are sidecars.
    Init,
    /// `containers`.
    #[default]
    Main,
    /// `ephemeralContainers`: added to a running Pod.
    Ephemeral,
}

/// A container of any of a pod's lists.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container<'a> {
    /// Its name in the pod.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Its image. No rule looks at it; a value that is no string is refused here as there.
    #[serde(borrow)]
    pub image: Str<'a>,
    /// `Always` makes a sidecar of an init container.
    #[serde(borrow)]
    pub restart_policy: Str<'a>,
    /// Its environment.
    #[serde(borrow)]
    pub env: List<EnvVar<'a>>,
    /// Whole ConfigMaps and Secrets as its environment.
    pub env_from: List<EnvFrom>,
    /// Its mounts.
    #[serde(borrow)]
    pub volume_mounts: List<VolumeMount<'a>>,
    /// The volumes that it has as raw block devices.
    #[serde(borrow)]
    pub volume_devices: List<VolumeDevice<'a>>,
    /// Its privileges.
    #[serde(deserialize_with = "nullable")]
    pub security_context: SecurityContext,
    /// What it may use.
    #[serde(borrow, deserialize_with = "nullable")]
    pub resources: Resources<'a>,
    /// Which list it stands in.
    #[serde(skip)]
    pub list: ContainerList,
    /// Where it stands in the object.
    #[serde(skip)]
    pub path: FieldPath,
}

impl<'a> Container<'a> {
    /// Whether it is an init container that goes on beside the others.
    pub fn is_sidecar(&self) -> bool {
        self.list == ContainerList::Init && &*self.restart_policy == "Always"
    }

    /// The place of its mount `index`.
    pub fn mount_path(&self, index: usize) -> FieldPath {
        self.path.key("volumeMounts").index(index)
    }

    /// The place of its device `index`.
    pub fn device_path(&self, index: usize) -> FieldPath {
        self.path.key("volumeDevices").index(index)
    }

    /// The values of its variables, as far as they are written out in it, and not too long in all.
    pub fn values(&self) -> HashMap<&str, String> {
        let mut values = HashMap::new();
        let mut left = LONGEST_VALUES;
        for variable in self.env.iter() {
            let value = expand(&variable.value, |name| values.get(name).map(String::as_str));
            left = left.saturating_sub(value.as_ref().map_or(0, String::len));
            match value.filter(|value| !value.is_empty() && left > 0) {
                Some(value) => values.insert(&*variable.name, value),
                None => values.remove(&*variable.name),
            };
        }
        values
    }

    /// Every place where it names a volume.
    pub fn volume_uses(&self) -> impl Iterator<Item = VolumeUse<'_, 'a>> {
        let used = |kind, index, volume, at| VolumeUse { container: self, kind, index, volume, at };
        let mounts = self.volume_mounts.iter().enumerate();
        let devices = self.volume_devices.iter().enumerate();
        let variables = self.env.iter().enumerate().filter_map(|(index, variable)| {
            let source = variable.value_from.as_ref()?.file_key_ref.as_ref()?;
            Some((index, &*source.volume_name, &*variable.name))
        });
        mounts
            .map(move |(index, mount)| used(UseKind::Mount, index, &*mount.name, &*mount.mount_path))
            .chain(devices.map(move |(index, device)| {
                used(UseKind::Device, index, &*device.name, &*device.device_path)
            }))
            .chain(variables.map(move |(index, volume, name)| used(UseKind::Variable, index, volume, name)))
    }
}

/// What the values of a container's variables may have in all, in bytes: a few of them can stand in each of thousands.
const LONGEST_VALUES: usize = 1 << 20;

/// How a container uses a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKind {
    /// As a folder or a file.
    Mount,
    /// As a raw block device.
    Device,
    /// As a variable's value, without mounting it.
    Variable,
}

/// A place where a container names a volume.
#[derive(Clone, Copy, Debug)]
pub struct VolumeUse<'p, 'a> {
    /// The container.
    pub container: &'p Container<'a>,
    /// How it uses the volume.
    pub kind: UseKind,
    /// The index of the mount, the device or the variable in its list.
    pub index: usize,
    /// The volume's name.
    pub volume: &'p str,
    /// The path in the container; of a variable its name.
    pub at: &'p str,
}

impl VolumeUse<'_, '_> {
    /// Where the volume's name stands in the object; where there is none, what lacks it.
    pub fn volume_field(&self) -> FieldPath {
        match self.kind {
            _ if self.volume.is_empty() => self.path(),
            UseKind::Mount | UseKind::Device => self.path().key("name"),
            UseKind::Variable => self.path().key("valueFrom").key("fileKeyRef").key("volumeName"),
        }
    }

    /// Where the path in the container stands in the object; of a variable its name.
    pub fn at_field(&self) -> FieldPath {
        self.path().key(match self.kind {
            UseKind::Mount => "mountPath",
            UseKind::Device => "devicePath",
            UseKind::Variable => "name",
        })
    }

    fn path(&self) -> FieldPath {
        match self.kind {
            UseKind::Mount => self.container.mount_path(self.index),
            UseKind::Device => self.container.device_path(self.index),
            UseKind::Variable => self.container.path.key("env").index(self.index),
        }
    }
}

/// One variable of a container's environment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Its value, where it is written out.
    #[serde(borrow)]
    pub value: Str<'a>,
    /// Where its value comes from else.
    #[serde(borrow)]
    pub value_from: Option<EnvSource<'a>>,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvSource<'a> {
    /// A key of a file in a volume (Kubernetes 1.34, `fileKeyRef`).
    #[serde(borrow)]
    pub file_key_ref: Option<FileKeyRef<'a>>,
}

/// `fileKeyRef`: uses a volume without mounting it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileKeyRef<'a> {
    /// The volume, an emptyDir.
    #[serde(borrow)]
    pub volume_name: Str<'a>,
}

/// An entry of `envFrom`; what it holds isn't in the object.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvFrom {}

/// How a container mounts a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    /// The volume.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Where in the container.
    #[serde(borrow)]
    pub mount_path: Str<'a>,
    /// Which part of the volume; empty for all of it.
    #[serde(borrow)]
    pub sub_path: Str<'a>,
    /// The same, with variables of the container's environment as `$(NAME)`.
    #[serde(borrow)]
    pub sub_path_expr: Str<'a>,
    /// Whether the container may not write, as far as this mount goes. The API server drops `false`.
    pub read_only: Option<bool>,
    /// Whether that holds for what is mounted inside the volume, too; empty is `Disabled`.
    #[serde(borrow)]
    pub recursive_read_only: Str<'a>,
    /// Whether later mounts pass between node and container; empty is `None`.
    #[serde(borrow)]
    pub mount_propagation: Str<'a>,
}

impl VolumeMount<'_> {
    /// Whether the mount itself asks for read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    /// The key and the text of what says which part of the volume it is; none where it is all of it.
    pub fn written_sub_path(&self) -> Option<(&'static str, &str)> {
        match (&*self.sub_path, &*self.sub_path_expr) {
            ("", "") => None,
            (text, "") => Some(("subPath", text)),
            (_, expression) => Some(("subPathExpr", expression)),
        }
    }

    /// Whether mounts that the node makes later appear in it, writable.
    pub fn propagates(&self) -> bool {
        matches!(&*self.mount_propagation, "HostToContainer" | "Bidirectional")
    }
}

/// A volume as a raw block device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeDevice<'a> {
    /// The volume.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Where in the container.
    #[serde(borrow)]
    pub device_path: Str<'a>,
}

/// What a container may do.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    /// May do what root on the node may.
    #[serde(deserialize_with = "nullable")]
    pub privileged: bool,
    /// May not write outside of its mounts.
    #[serde(deserialize_with = "nullable")]
    pub read_only_root_filesystem: bool,
}

/// What a container or a pod may use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources<'a> {
    /// The upper bounds, by resource.
    #[serde(borrow)]
    pub limits: Map<'a, Quantity>,
}

impl Resources<'_> {
    /// The upper bound of `resource`; one of 0 bounds nothing.
    pub fn limit(&self, resource: &str) -> Option<Quantity> {
        self.limits.get(resource).copied().filter(|limit| !limit.is_nothing())
    }
}
