//! Host paths outside of Kubernetes volumes: mappings with a host path and its mount path, fields
//! that contain only a path, and volumes in the configuration of Spark.

use std::collections::BTreeMap;

use super::container::{Container, ContainerList, ReadOnlyField, VolumeMount};
use super::decode::Node;
use super::field_path::FieldPath;
use super::host_path::{HostPath, Relation};
use super::path_pattern::PathPattern;
use super::pod::Pod;
use super::value::Str;
use super::volume::{HostPathForm, HostPathSource, Volume, VolumeSource};

/// The keys of a mapping with a host path and its mount path.
#[derive(Clone, Copy, Debug)]
pub(super) struct MountForm {
    path: &'static str,
    mount_path: &'static str,
    host_path_type: Option<&'static str>,
    /// Whether the host path may be relative.
    allows_relative: bool,
    /// Whether the mount is read-only unless `writable` is true.
    has_writable: bool,
}

impl MountForm {
    /// `HostPathMount` of kubeadm (`cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go`).
    pub(super) const KUBEADM: Self = Self {
        path: "hostPath",
        mount_path: "mountPath",
        host_path_type: Some("pathType"),
        allows_relative: true,
        has_writable: false,
    };

    /// `HostPathMount` of kubeadm before 1.13 (`cmd/kubeadm/app/apis/kubeadm/v1alpha3/types.go`).
    pub(super) const KUBEADM_ALPHA: Self = Self { has_writable: true, ..Self::KUBEADM };

    /// The forms in kinds outside of Kubernetes and in Helm values. The second form is
    /// `extraVolumeMounts` of the logging operator
    /// (`pkg/sdk/logging/api/v1beta1/fluentbit_types.go`).
    pub(super) const ALL: [Self; 2] =
        [Self::guess("hostPath", "mountPath"), Self::guess("source", "destination")];

    /// A volume in a list `hostPath`, as in applications of KubeVela (the `storage` trait in
    /// `vela-templates/definitions/internal/trait/storage.cue`).
    pub(super) const KUBE_VELA: Self = Self::guess("path", "mountPath");

    const fn guess(path: &'static str, mount_path: &'static str) -> Self {
        Self { path, mount_path, host_path_type: None, allows_relative: false, has_writable: false }
    }
}

/// Decodes a mapping with a host path and its mount path. Returns the volume and its mount, or
/// `None` if the mapping does not have this form.
pub(super) fn decode<'a, N: Node<'a>>(
    node: N,
    path: &FieldPath,
    form: &MountForm,
) -> Option<(Volume<'a>, VolumeMount<'a>)> {
    let (host_path, mount_path) = (text(node, form.path)?, text(node, form.mount_path)?);
    if !form.allows_relative && !is_absolute(&host_path) {
        return None;
    }
    let name = text(node, "name").unwrap_or_else(|| host_path.clone());
    let volume_form = HostPathForm::Mount { path: form.path, host_path_type: form.host_path_type };
    let host_path_type = form.host_path_type.and_then(|key| text(node, key));
    let mut mount = VolumeMount {
        name: name.clone(),
        mount_path,
        path: Some(path.clone()),
        ..node.decode::<VolumeMount<'a>>().unwrap_or_default()
    };
    if form.has_writable {
        mount.read_only = Some(!is_true(node, "writable"));
        mount.read_only_field = ReadOnlyField::Writable;
    }
    Some((volume(name, host_path, host_path_type, volume_form, path.clone()), mount))
}

/// Returns the volume for the mapping at `path`. The field `key` contains the host path, and the
/// field `type_key` its type. Returns `None` if the host path is absent or not absolute.
pub(super) fn unmounted<'a, N: Node<'a>>(
    node: N,
    path: FieldPath,
    key: &'static str,
    type_key: Option<&'static str>,
) -> Option<Volume<'a>> {
    let host_path = text(node, key).filter(|text| is_absolute(text))?;
    let host_path_type = type_key.and_then(|key| text(node, key));
    let form = HostPathForm::Mount { path: key, host_path_type: type_key };
    Some(volume(host_path.clone(), host_path, host_path_type, form, path))
}

/// Adds the volumes of a list of mappings of this form to `pod`, and a container that mounts them.
pub(super) fn add_to_pod<'a, N: Node<'a>>(list: N, path: &FieldPath, form: &MountForm, pod: &mut Pod<'a>) {
    let items = list.items().unwrap_or_default().into_iter().enumerate();
    let mut mounts = Vec::new();
    for (volume, mount) in items.filter_map(|(index, item)| decode(item, &path.index(index), form)) {
        pod.add_volume(volume);
        mounts.push(mount);
    }
    if !mounts.is_empty() {
        pod.is_complete = false;
        let is_whole_object = pod.path.segments().is_empty();
        pod.add_container(Container {
            path: if is_whole_object { path.clone() } else { pod.path.clone() },
            volume_mounts: mounts.into(),
            ..Container::default()
        });
    }
}

/// Returns the volume for a field that contains only a path on the node. `parent` is the mapping
/// with the field, and `own_paths` are the directories that belong to the component that uses the
/// path. Returns `None` if the field is not an absolute path.
pub(super) fn node_path<'a, N: Node<'a>>(
    node: N,
    path: FieldPath,
    parent: Option<N>,
    own_paths: &[PathPattern],
) -> Option<Volume<'a>> {
    let host_path = node.decode::<Str<'a>>().ok().filter(|text| is_absolute(text))?;
    let is_inside = |own: &PathPattern| {
        matches!(HostPath::new(&host_path).relation(own), Relation::Equal | Relation::Descendant)
    };
    let form = HostPathForm::Field {
        is_read_only: parent.is_some_and(|parent| is_true(parent, "readOnly")),
        is_own: own_paths.iter().any(is_inside) || parent.is_some_and(is_disk),
    };
    let name = Str::owned(&path.to_string());
    Some(volume(name, host_path, None, form, path))
}

/// Checks whether a mapping assigns a whole disk to Longhorn.
///
/// Source: `DiskSpec` in `k8s/pkg/apis/longhorn/v1beta2/node.go` of
/// <https://github.com/longhorn/longhorn-manager>
fn is_disk<'a, N: Node<'a>>(node: N) -> bool {
    text(node, "diskType").is_some_and(|disk_type| &*disk_type == "block")
}

fn is_true<'a, N: Node<'a>>(node: N, key: &str) -> bool {
    node.get(key).and_then(|value| value.decode::<bool>().ok()).unwrap_or_default()
}

/// Checks whether a string is an absolute path on a node.
pub(super) fn is_absolute(text: &str) -> bool {
    !text.is_empty() && !HostPath::new(text).is_relative()
}

/// The parts of the keys of Spark volumes before and after the role, which is `driver` or
/// `executor`.
const SPARK_KEYS: (&str, &str) = ("spark.kubernetes.", ".volumes.hostPath.");

/// Returns the pods of the driver and of the executors, with the `hostPath` volumes that the
/// configuration of Spark defines, such as
/// `spark.kubernetes.driver.volumes.hostPath.data.options.path`.
///
/// Source:
/// <https://spark.apache.org/docs/latest/running-on-kubernetes.html#using-kubernetes-volumes>
pub(super) fn spark_pods<'a, N: Node<'a>>(conf: N, path: &FieldPath) -> Vec<Pod<'a>> {
    // The fields of each volume, by role and name.
    let mut found: BTreeMap<(String, String), BTreeMap<String, (FieldPath, Str<'a>)>> = BTreeMap::new();
    for (key, value) in conf.entries() {
        let parts = key.strip_prefix(SPARK_KEYS.0).and_then(|rest| rest.split_once(SPARK_KEYS.1));
        let Some((role, rest)) = parts else { continue };
        let (Some((name, field)), Some(text)) = (rest.split_once('.'), scalar(value)) else { continue };
        let volume = found.entry((role.to_owned(), name.to_owned())).or_default();
        volume.insert(field.to_owned(), (path.key(key.clone().into_owned()), text));
    }
    let mut pods: BTreeMap<String, (Pod<'a>, Vec<VolumeMount<'a>>)> = BTreeMap::new();
    for ((role, name), mut fields) in found {
        let Some((field, host_path)) = fields.remove("options.path") else { continue };
        let (pod, mounts) = pods.entry(role.clone()).or_default();
        pod.path.clone_from(path);
        let form = HostPathForm::Field { is_read_only: false, is_own: false };
        pod.add_volume(volume(Str::owned(&name), host_path, None, form, field));
        if let Some((field, mount_path)) = fields.remove("mount.path") {
            let key = format!("{}{role}{}{name}.mount.readOnly", SPARK_KEYS.0, SPARK_KEYS.1);
            let is_read_only = |(_, text): (_, Str<'a>)| text.eq_ignore_ascii_case("true");
            let sub_path = fields.remove("mount.subPath").map(|(_, text)| text).unwrap_or_default();
            mounts.push(VolumeMount {
                name: Str::owned(&name),
                mount_path,
                sub_path,
                read_only: fields.remove("mount.readOnly").map(is_read_only),
                path: Some(field),
                read_only_field: ReadOnlyField::Text(path.key(key)),
                ..VolumeMount::default()
            });
        }
    }
    let with_container = |(role, (mut pod, mounts)): (String, (Pod<'a>, Vec<VolumeMount<'a>>))| {
        let (name, list) = (Str::owned(&role), ContainerList::Main);
        pod.add_container(Container {
            name,
            list,
            path: path.clone(),
            volume_mounts: mounts.into(),
            ..Container::default()
        });
        pod
    };
    pods.into_iter().map(with_container).collect()
}

fn volume<'a>(
    name: Str<'a>,
    path: Str<'a>,
    host_path_type: Option<Str<'a>>,
    form: HostPathForm,
    field: FieldPath,
) -> Volume<'a> {
    let source = VolumeSource::HostPath(HostPathSource { path, host_path_type, form });
    Volume { name, sources: vec![(Str::owned("hostPath"), source)], path: field }
}

/// Returns the value of `key` if it is a string that is not empty, or `None` otherwise.
pub(super) fn text<'a, N: Node<'a>>(node: N, key: &str) -> Option<Str<'a>> {
    node.get(key)?.decode::<Str<'a>>().ok().filter(|text| !text.is_empty())
}

/// Returns a string or a boolean as text, or `None` for any other value.
fn scalar<'a, N: Node<'a>>(node: N) -> Option<Str<'a>> {
    let boolean = || node.decode::<bool>().ok().map(|value| Str::owned(&value.to_string()));
    node.decode::<Str<'a>>().ok().or_else(boolean)
}
