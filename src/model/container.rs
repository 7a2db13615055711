//! Containers and their use of volumes.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::expression::expand;
use super::field_path::FieldPath;
use super::quantity::Quantity;
use super::value::{List, Map, Str, nullable};

/// A container list of a pod spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerList {
    /// `initContainers`: run one at a time before the main containers, except for sidecars
    /// (`restartPolicy: Always`), which keep running.
    Init,
    /// `containers`.
    #[default]
    Main,
    /// `ephemeralContainers`: added to a running Pod.
    Ephemeral,
}

/// A container of any list of a pod spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    pub image: Str<'a>,
    /// `Always` makes an init container a sidecar.
    #[serde(borrow)]
    pub restart_policy: Str<'a>,
    #[serde(borrow)]
    pub command: List<Str<'a>>,
    #[serde(borrow)]
    pub args: List<Str<'a>>,
    #[serde(borrow)]
    pub env: List<EnvVar<'a>>,
    pub env_from: List<EnvFrom>,
    #[serde(borrow)]
    pub volume_mounts: List<VolumeMount<'a>>,
    #[serde(borrow)]
    pub volume_devices: List<VolumeDevice<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub security_context: SecurityContext,
    #[serde(borrow, deserialize_with = "nullable")]
    pub resources: Resources<'a>,
    /// The path of the file for the termination message; empty for `/dev/termination-log`.
    #[serde(borrow)]
    pub termination_message_path: Str<'a>,
    /// The list that the container is in.
    #[serde(skip)]
    pub list: ContainerList,
    /// The path of the container in the object.
    #[serde(skip)]
    pub path: FieldPath,
}

impl<'a> Container<'a> {
    /// Checks whether this is an init container that keeps running next to the main containers.
    pub fn is_sidecar(&self) -> bool {
        self.list == ContainerList::Init && &*self.restart_policy == "Always"
    }

    /// Checks whether this is an init container that ends before the main containers start.
    pub fn ends_before_main(&self) -> bool {
        self.list == ContainerList::Init && !self.is_sidecar()
    }

    /// Returns the field path of entry `index` of `volumeMounts`.
    pub fn mount_field(&self, index: usize) -> FieldPath {
        let own = self.volume_mounts.get(index).and_then(|mount| mount.path.clone());
        own.unwrap_or_else(|| self.path.key("volumeMounts").index(index))
    }

    /// Returns the field path of entry `index` of `volumeDevices`.
    pub fn device_field(&self, index: usize) -> FieldPath {
        self.path.key("volumeDevices").index(index)
    }

    /// Returns the expanded values of the environment variables, by name.
    ///
    /// Omits a variable if its value is empty, not literal or longer than 4 KiB. Omits all
    /// variables after the first 1 MiB of values.
    pub fn env_values(&self) -> HashMap<&str, String> {
        let mut values = HashMap::new();
        let mut remaining = MAX_ENV_VALUES_LEN;
        for variable in self.env.iter() {
            let value = expand(&variable.value, |name| values.get(name).map(String::as_str));
            remaining = remaining.saturating_sub(value.as_ref().map_or(0, String::len));
            match value.filter(|value| !value.is_empty() && remaining > 0) {
                Some(value) => values.insert(&*variable.name, value),
                None => values.remove(&*variable.name),
            };
        }
        values
    }

    /// Iterates over all references from the container to volumes: mounts, then devices, then
    /// environment variables.
    pub fn volume_uses(&self) -> impl Iterator<Item = VolumeUse<'_, 'a>> {
        let volume_use =
            |kind, index, volume, target| VolumeUse { container: self, kind, index, volume, target };
        let mounts = self.volume_mounts.iter().enumerate();
        let devices = self.volume_devices.iter().enumerate();
        let variables = self.env.iter().enumerate().filter_map(|(index, variable)| {
            let source = variable.value_from.as_ref()?.file_key_ref.as_ref()?;
            Some((index, &*source.volume_name, &*variable.name))
        });
        mounts
            .map(move |(index, mount)| volume_use(UseKind::Mount, index, &*mount.name, &*mount.mount_path))
            .chain(devices.map(move |(index, device)| {
                volume_use(UseKind::Device, index, &*device.name, &*device.device_path)
            }))
            .chain(
                variables
                    .map(move |(index, volume, name)| volume_use(UseKind::Variable, index, volume, name)),
            )
    }
}

/// The maximum total length of the expanded environment variables of a container, in bytes. Without
/// this limit, thousands of variables could each refer to a variable with a long value.
const MAX_ENV_VALUES_LEN: usize = 1 << 20;

/// The way in which a container uses a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKind {
    /// An entry of `volumeMounts`.
    Mount,
    /// An entry of `volumeDevices`: a raw block device.
    Device,
    /// An environment variable whose value is read from a file in the volume (`fileKeyRef`).
    Variable,
}

/// A reference from a container to a volume.
#[derive(Clone, Copy, Debug)]
pub struct VolumeUse<'p, 'a> {
    pub container: &'p Container<'a>,
    pub kind: UseKind,
    /// The index of the mount, device or environment variable in its list.
    pub index: usize,
    /// The name of the volume.
    pub volume: &'p str,
    /// `mountPath`, `devicePath` or the name of the variable.
    pub target: &'p str,
}

impl VolumeUse<'_, '_> {
    /// Returns the field path of the volume's name. If the name is absent, returns the path of the
    /// mount, device or environment variable.
    pub fn volume_field(&self) -> FieldPath {
        match self.kind {
            _ if self.volume.is_empty() => self.path(),
            UseKind::Mount | UseKind::Device => self.path().key("name"),
            UseKind::Variable => self.path().key("valueFrom").key("fileKeyRef").key("volumeName"),
        }
    }

    /// Returns the field path of [`Self::target`].
    pub fn target_field(&self) -> FieldPath {
        self.path().key(match self.kind {
            UseKind::Mount => "mountPath",
            UseKind::Device => "devicePath",
            UseKind::Variable => "name",
        })
    }

    fn path(&self) -> FieldPath {
        match self.kind {
            UseKind::Mount => self.container.mount_field(self.index),
            UseKind::Device => self.container.device_field(self.index),
            UseKind::Variable => self.container.path.key("env").index(self.index),
        }
    }
}

/// An environment variable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar<'a> {
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The literal value.
    #[serde(borrow)]
    pub value: Str<'a>,
    /// The source of a value that is not literal.
    #[serde(borrow)]
    pub value_from: Option<EnvSource<'a>>,
}

/// `valueFrom` of an environment variable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvSource<'a> {
    #[serde(borrow)]
    pub file_key_ref: Option<FileKeyRef<'a>>,
}

/// `fileKeyRef` (since Kubernetes 1.34): a key in a file of a volume. The container need not mount
/// the volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileKeyRef<'a> {
    /// The name of the volume, which must be an `emptyDir`.
    #[serde(borrow)]
    pub volume_name: Str<'a>,
}

/// An entry of `envFrom`, which refers to the variables in another object.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvFrom {}

/// An entry of `volumeMounts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    /// The name of the volume.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The path in the container.
    #[serde(borrow)]
    pub mount_path: Str<'a>,
    /// The path inside the volume; empty for the whole volume.
    #[serde(borrow)]
    pub sub_path: Str<'a>,
    /// Like `sub_path`, but with `$(NAME)` references to environment variables of the container.
    #[serde(borrow)]
    pub sub_path_expr: Str<'a>,
    /// Whether this mount is read-only. The API server does not store `false`.
    pub read_only: Option<bool>,
    /// Whether mounts inside the volume are read-only too; empty means `Disabled`.
    #[serde(borrow)]
    pub recursive_read_only: Str<'a>,
    /// Whether later mounts propagate between node and container; empty means `None`.
    #[serde(borrow)]
    pub mount_propagation: Str<'a>,
    /// The path of the mount in the object, if it is not in `volumeMounts` of its container.
    #[serde(skip)]
    pub path: Option<FieldPath>,
    /// The field that makes the mount read-only.
    #[serde(skip)]
    pub read_only_field: ReadOnlyField,
}

/// The field that makes a mount read-only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReadOnlyField {
    /// `readOnly`, which must be true.
    #[default]
    ReadOnly,
    /// `writable`, which must be false, as in kubeadm before 1.13.
    Writable,
    /// The field at this path, which must be the string `true`, as in the configuration of Spark.
    Text(FieldPath),
}

impl VolumeMount<'_> {
    /// Checks whether the mount itself sets `readOnly: true`.
    pub fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    /// Returns the key and value of `subPathExpr` or, if it is not set, of `subPath`. Returns
    /// `None` if neither is set.
    pub fn sub_path_entry(&self) -> Option<(&'static str, &str)> {
        match (&*self.sub_path, &*self.sub_path_expr) {
            ("", "") => None,
            (text, "") => Some(("subPath", text)),
            (_, expression) => Some(("subPathExpr", expression)),
        }
    }

    /// Checks whether later mounts on the node propagate into this mount. They are writable even if
    /// this mount is read-only.
    pub fn propagates(&self) -> bool {
        matches!(&*self.mount_propagation, "HostToContainer" | "Bidirectional")
    }
}

/// An entry of `volumeDevices`: a volume as a raw block device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeDevice<'a> {
    /// The name of the volume.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The path in the container.
    #[serde(borrow)]
    pub device_path: Str<'a>,
}

/// `securityContext` of a container.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    /// Whether the container is privileged, which is equivalent to root on the node.
    #[serde(deserialize_with = "nullable")]
    pub privileged: bool,
    /// Whether the root filesystem of the container is read-only, so that it can write only to its
    /// mounts.
    #[serde(deserialize_with = "nullable")]
    pub read_only_root_filesystem: bool,
    /// The settings for containers on Windows; `None` if absent.
    pub windows_options: Option<WindowsOptions>,
}

/// `windowsOptions` of a pod or a container.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WindowsOptions {
    /// Whether the container is a HostProcess container, which runs directly on the node.
    pub host_process: Option<bool>,
}

/// `resources` of a container or a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources<'a> {
    #[serde(borrow)]
    pub limits: Map<'a, Quantity>,
    /// The requested resources, without their amounts.
    #[serde(borrow)]
    pub requests: Map<'a, IgnoredAny>,
}

impl Resources<'_> {
    /// Iterates over the names of the requested resources. A limit counts as a request, because the
    /// API server sets a missing request to the limit (`SetDefaults_Pod` in
    /// `pkg/apis/core/v1/defaults.go`).
    pub fn requested(&self) -> impl Iterator<Item = &str> {
        let limited = self.limits.iter().map(|(name, _)| &**name);
        self.requests.iter().map(|(name, _)| &**name).chain(limited)
    }

    /// Returns the limit of `resource`, or `None` if there is none or it is not positive.
    pub fn limit(&self, resource: &str) -> Option<Quantity> {
        self.limits.get(resource).copied().filter(|limit| limit.is_positive())
    }
}
