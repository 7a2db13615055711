//! Settings of OpenEBS that contain paths on nodes.

use super::custom::YamlString;
use super::decode::Node;
use super::field_path::FieldPath;
use super::host_mount::{self, text};
use super::object::{Body, Object};
use super::volume::Volume;

/// The annotation of a StorageClass or a PersistentVolumeClaim with settings of OpenEBS, which are
/// a list in YAML.
///
/// Source: `GetVolumeConfig` in `cmd/provisioner-localpv/app/config.go` of
/// <https://github.com/openebs/dynamic-localpv-provisioner>
const OPENEBS_SETTINGS: &str = "cas.openebs.io/config";

/// Returns the annotation with settings of OpenEBS if the object is a StorageClass or a
/// PersistentVolumeClaim with this annotation. Otherwise, returns an empty list.
pub(super) fn yaml_annotations(object: &Object<'_>) -> Vec<YamlString> {
    let is_relevant = matches!(object.body, Body::StorageClass(_) | Body::Claim(_));
    let settings = object.annotations.get(OPENEBS_SETTINGS).filter(|_| is_relevant);
    let field = || FieldPath::from_keys(&["metadata", "annotations", OPENEBS_SETTINGS]);
    settings.map(|_| YamlString { field: field(), is_from_values: false }).into_iter().collect()
}

/// Returns the volume for the path in an OpenEBS setting. Returns `None` for any other mapping.
///
/// An example of a setting is `{name: BasePath, value: /var/openebs/local}`. `path` returns the
/// field path of `node`.
///
/// Source:
/// <https://openebs.io/docs/user-guides/local-storage-user-guide/local-pv-hostpath/hostpath-configuration>
pub(super) fn base_path<'a, N: Node<'a>>(node: N, path: impl FnOnce() -> FieldPath) -> Option<Volume<'a>> {
    text(node, "name").filter(|name| &**name == "BasePath")?;
    host_mount::node_path(node.get("value")?, path().key("value"), None, &[])
}
