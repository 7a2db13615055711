//! Finds pods, volumes, embedded objects and patches by their structure, regardless of the kind of
//! the object.

use std::borrow::Cow;
use std::ops::Bound;

use super::connect::connect;
use super::container::{Container, VolumeMount};
use super::custom::{KnownFields, YamlString};
use super::decode::{FieldError, Node};
use super::field_path::{FieldPath, Segment};
use super::host_mount::{self, MountForm, is_absolute, text};
use super::json_patch::{Operation, Target};
use super::openebs::base_path;
use super::pod::{POD_SPEC_LISTS, Pod, PodSpec};
use super::value::Str;
use super::volume::{HostPathForm, HostPathSource, Volume, VolumeSource};

/// The content of an object of a kind outside of Kubernetes.
#[derive(Debug)]
pub(super) struct Found<'a, N> {
    pub(super) pods: Vec<Pod<'a>>,
    /// The objects that the object contains as mappings.
    pub(super) embedded: Vec<N>,
    /// The fields that may contain a host path, but are not part of a pod or exceed a limit.
    pub(super) unknown_host_paths: Vec<FieldPath>,
    pub(super) yaml_strings: Vec<YamlString>,
}

/// Searches an object of a kind outside of Kubernetes. `pods` are the pods that are known from its
/// kind, and `fields` are the fields with a known meaning. Fields with Helm values are searched,
/// and other fields with a known meaning are not.
///
/// A mapping is a pod in each of these cases:
///
/// - The mapping has a key `containers` with a nonempty list of mappings, as in a pod spec.
/// - The mapping has a key such as `volumes` or `extraVolumes` with a list of volumes, or with a
///   mapping from names to volumes. Mounts of these volumes may be anywhere in the object, in lists
///   with a key such as `volumeMounts`. A mount refers to the nearest volume with its name.
///
/// Ignores values that cannot be decoded, because a key may have another meaning in an unknown
/// kind, and the webhook checks the Pods themselves. Fails only if a value exceeds a limit.
pub(super) fn search<'a, N: Node<'a>>(
    node: N,
    pods: Vec<Pod<'a>>,
    fields: &KnownFields,
) -> Result<Found<'a, N>, FieldError> {
    let known_pods = pods.len();
    let mut search = Search::new(fields, pods);
    search.visit(node)?;
    search.finish(known_pods)
}

/// Searches the content of a string, as [`search`] does. If the content is a list, searches it as a
/// list of volumes. Does not search a manifest, because it is checked as an object.
pub(super) fn search_yaml<'a, N: Node<'a>>(
    node: N,
    is_from_values: bool,
) -> Result<Found<'a, N>, FieldError> {
    let fields = KnownFields::default();
    let mut search = Search::new(&fields, Vec::new());
    search.is_in_values = is_from_values;
    let is_manifest = text(node, "apiVersion").is_some() && text(node, "kind").is_some();
    match node.items() {
        Some(_) => search.visit_volumes(node)?,
        None if is_manifest => {}
        None => search.visit(node)?,
    }
    search.finish(0)
}

/// Searches the items of a list, as [`search`] does: operations of a JSON patch (RFC 6902) and
/// objects. Ignores other items.
pub(super) fn search_patch<'a, N: Node<'a>>(items: Vec<N>) -> Result<Found<'a, N>, FieldError> {
    let fields = KnownFields::default();
    let mut search = Search::new(&fields, Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        search.descend(Segment::Index(index), |search| match Operation::new(item) {
            Some(operation) => search.visit_operation(&operation),
            None if search.is_object(item) => search.visit(item),
            None => Ok(()),
        })?;
    }
    search.finish(0)
}

/// The maximum length of a key in an object of an unknown kind, in bytes.
const MAX_KEY_LEN: usize = 4096;

struct Search<'a, 'f, N> {
    fields: &'f KnownFields,
    /// The path of the current value.
    path: Vec<Segment>,
    /// Whether the current value is part of the values of a Helm chart.
    is_in_values: bool,
    found: Found<'a, N>,
    /// Mappings with mounts outside of a pod spec. The `path` of each mount is set.
    containers: Vec<Container<'a>>,
}

/// The volumes and mounts in the lists of a mapping.
#[derive(Default)]
struct Lists<'a> {
    volumes: Vec<Volume<'a>>,
    mounts: Vec<VolumeMount<'a>>,
}

impl<'a, 'f, N: Node<'a>> Search<'a, 'f, N> {
    fn new(fields: &'f KnownFields, pods: Vec<Pod<'a>>) -> Self {
        let found =
            Found { pods, embedded: Vec::new(), unknown_host_paths: Vec::new(), yaml_strings: Vec::new() };
        Self { fields, path: Vec::new(), is_in_values: false, found, containers: Vec::new() }
    }

    fn finish(self, known_pods: usize) -> Result<Found<'a, N>, FieldError> {
        let Self { mut found, containers, .. } = self;
        connect(&mut found.pods, known_pods, containers)?;
        Ok(found)
    }

    fn field_path(&self) -> FieldPath {
        self.path.iter().cloned().collect()
    }

    /// Calls `visit` for a part of the current value.
    fn descend<T>(&mut self, segment: Segment, visit: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let result = visit(self);
        self.path.pop();
        result
    }

    fn visit(&mut self, node: N) -> Result<(), FieldError> {
        if self.fields.skipped.contains(self.path.as_slice()) {
            return Ok(());
        }
        if self.fields.yaml_strings.contains(self.path.as_slice()) {
            self.push_yaml_string(false);
            return Ok(());
        }
        if !self.is_in_values && self.fields.values.contains(self.path.as_slice()) {
            self.visit_values(node);
            return Ok(());
        }
        match node.items() {
            Some(items) => items.into_iter().enumerate().try_for_each(|(index, item)| {
                self.descend(Segment::Index(index), |search| search.visit(item))
            }),
            None => self.visit_mapping(node, node.entries()),
        }
    }

    /// Searches the values of a Helm chart. If they exceed a limit, they count as unknown.
    fn visit_values(&mut self, node: N) {
        if node.decode::<Str<'a>>().is_ok() {
            self.push_yaml_string(true);
            return;
        }
        let (pods, containers) = (self.found.pods.len(), self.containers.len());
        self.is_in_values = true;
        if self.visit(node).is_err() {
            self.found.pods.truncate(pods);
            self.containers.truncate(containers);
            self.found.unknown_host_paths.push(self.field_path());
        }
        self.is_in_values = false;
    }

    fn visit_mapping(&mut self, node: N, entries: Vec<(Cow<'a, str>, N)>) -> Result<(), FieldError> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.is_object(node) {
            self.found.embedded.push(node);
            return Ok(());
        }
        if forbids_object(node) {
            return Ok(());
        }
        if let Some(operation) = Operation::new(node) {
            return self.visit_operation(&operation);
        }
        if let Some(volume) = base_path(node, || self.field_path()) {
            self.push_volumes(vec![volume]);
            return Ok(());
        }
        let spec = self.decode_spec(node, &entries)?;
        let mut lists = Lists::default();
        for (key, value) in entries {
            // Each finding and each unknown field repeats the key.
            if key.len() > MAX_KEY_LEN {
                self.found.unknown_host_paths.push(self.field_path());
                continue;
            }
            let is_decoded = spec.is_some() && POD_SPEC_LISTS.contains(&&*key);
            // The status repeats fields of the spec, or describes objects that exist already.
            let is_status = self.path.is_empty() && !self.is_in_values && key == "status";
            if !is_decoded && !is_status {
                let segment = Segment::Key(Cow::Owned(key.clone().into_owned()));
                self.descend(segment, |search| search.visit_field(&key, value, &mut lists))?;
            }
        }
        let Lists { volumes, mounts } = lists;
        if !mounts.is_empty() {
            let container = node.decode::<Container<'a>>().unwrap_or_default();
            let (path, volume_mounts) = (self.field_path(), mounts.into());
            self.containers.push(Container { path, volume_mounts, ..container });
        }
        if spec.is_some() || !volumes.is_empty() {
            let settings = || PodSpec::decode_settings(node).unwrap_or_default();
            let mut pod = Pod::new(self.field_path(), spec.unwrap_or_else(settings));
            volumes.into_iter().for_each(|volume| pod.add_volume(volume));
            self.push_pod(pod);
        }
        Ok(())
    }

    /// Searches the value that an operation of a JSON patch sets.
    fn visit_operation(&mut self, operation: &Operation<N>) -> Result<(), FieldError> {
        let Some(value) = operation.value else { return Ok(()) };
        if matches!(operation.target, Target::HostPath)
            && let Some(volume) = host_mount::unmounted(operation.node, self.field_path(), "value", None)
        {
            self.push_volumes(vec![volume]);
            return Ok(());
        }
        self.descend(Segment::Key(Cow::Borrowed("value")), |search| match operation.target {
            Target::Volumes => search.visit_volumes(value),
            Target::HostPath => {
                let volume = host_mount::unmounted(value, search.field_path(), "path", Some("type"));
                volume.into_iter().for_each(|volume| search.push_volumes(vec![volume]));
                Ok(())
            }
            Target::Other => search.visit(value),
        })
    }

    /// Searches a volume or a list of volumes outside of a pod spec.
    fn visit_volumes(&mut self, node: N) -> Result<(), FieldError> {
        let mut lists = Lists::default();
        match node.items() {
            Some(items) => items.into_iter().enumerate().try_for_each(|(index, item)| {
                self.descend(Segment::Index(index), |search| search.visit_item(item, false, &mut lists))
            })?,
            None => self.visit_item(node, false, &mut lists)?,
        }
        let Lists { volumes, mounts } = lists;
        if !mounts.is_empty() {
            let (path, volume_mounts) = (self.field_path(), mounts.into());
            self.containers.push(Container { path, volume_mounts, ..Container::default() });
        }
        if !volumes.is_empty() {
            self.push_volumes(volumes);
        }
        Ok(())
    }

    /// Adds the current value to the strings with YAML.
    fn push_yaml_string(&mut self, is_from_values: bool) {
        let field = self.field_path();
        self.found.yaml_strings.push(YamlString { field, is_from_values });
    }

    /// Adds a pod with `volumes`, which are outside of a pod spec.
    fn push_volumes(&mut self, volumes: Vec<Volume<'a>>) {
        let mut pod = Pod::new(self.field_path(), PodSpec::default());
        volumes.into_iter().for_each(|volume| pod.add_volume(volume));
        self.push_pod(pod);
    }

    fn push_pod(&mut self, mut pod: Pod<'a>) {
        (pod.is_heuristic, pod.is_complete, pod.is_from_values) = (true, false, self.is_in_values);
        self.found.pods.push(pod);
    }

    /// Checks whether the current value is an object in another object. Returns false in the values
    /// of a Helm chart, because the value may be a template there.
    fn is_object(&self, node: N) -> bool {
        let is_mapping = |key| node.get(key).is_some_and(|value: N| !value.entries().is_empty());
        !self.path.is_empty()
            && !self.is_in_values
            && text(node, "apiVersion").is_some()
            && text(node, "kind").is_some()
            // A reference to an object has neither `metadata` nor `spec`.
            && (is_mapping("metadata") || is_mapping("spec"))
            && !self.contains_skipped_field()
    }

    /// Checks whether the current value contains a field in which not to search for pods.
    fn contains_skipped_field(&self) -> bool {
        let from = (Bound::Included(self.path.as_slice()), Bound::Unbounded);
        let next = self.fields.skipped.range::<[Segment], _>(from).next();
        next.is_some_and(|field| field.segments().starts_with(&self.path))
    }

    /// Decodes the current value if it looks like a pod spec. Returns `None` if it does not, or if
    /// it cannot be decoded.
    fn decode_spec(&self, node: N, entries: &[(Cow<'a, str>, N)]) -> Result<Option<PodSpec<'a>>, FieldError> {
        let is_mapping = |item: &N| !item.entries().is_empty();
        let containers =
            entries.iter().find(|(key, _)| key == "containers").and_then(|(_, value)| value.items());
        if !containers.is_some_and(|items| !items.is_empty() && items.iter().all(is_mapping)) {
            return Ok(None);
        }
        let path = self.field_path();
        if self.fields.skipped.contains(&path.key("containers")) {
            return Ok(None);
        }
        match node.decode::<PodSpec<'a>>() {
            Ok(spec) => Ok(Some(spec)),
            Err(error) if error.is_too_large() => Err(error.within(&path)),
            Err(_) => Ok(None),
        }
    }

    /// Searches the value of `key`. If it is a list of volumes or mounts, adds them to `lists`.
    fn visit_field(&mut self, key: &str, value: N, lists: &mut Lists<'a>) -> Result<(), FieldError> {
        if self.fields.skipped.contains(self.path.as_slice()) {
            return Ok(());
        }
        let key = key.to_ascii_lowercase();
        let has_mounts = key.ends_with("mounts");
        let is_yaml = |text: Str<'a>| text.contains("hostPath");
        if key.contains("volumes") && value.decode::<Str<'a>>().is_ok_and(is_yaml) {
            self.push_yaml_string(self.is_in_values);
            return Ok(());
        }
        if has_mounts || key.contains("volumes") {
            if let Some(items) = value.items() {
                return items.into_iter().enumerate().try_for_each(|(index, item)| {
                    self.descend(Segment::Index(index), |search| search.visit_item(item, has_mounts, lists))
                });
            }
            let entries = value.entries();
            if !has_mounts && entries.iter().any(|(_, value)| has_source(*value)) {
                return entries.into_iter().try_for_each(|(name, item)| {
                    let segment = Segment::Key(Cow::Owned(name.clone().into_owned()));
                    self.descend(segment, |search| search.visit_named_volume(&name, item, lists))
                });
            }
        }
        match value.items() {
            Some(items) if is_host_path_key(&key) => {
                items.into_iter().enumerate().try_for_each(|(index, item)| {
                    self.descend(Segment::Index(index), |search| search.visit_host_path(item, lists))
                })
            }
            None if is_host_path_key(&key) && contains_path(value) => {
                self.found.unknown_host_paths.push(self.field_path());
                Ok(())
            }
            _ => self.visit(value),
        }
    }

    /// Searches an item of a list of host paths.
    fn visit_host_path(&mut self, item: N, lists: &mut Lists<'a>) -> Result<(), FieldError> {
        let path = self.field_path();
        if let Some((volume, mount)) = host_mount::decode(item, &path, &MountForm::KUBE_VELA) {
            lists.volumes.push(volume);
            lists.mounts.push(mount);
        } else if contains_path(item) {
            self.found.unknown_host_paths.push(path);
        } else {
            return self.visit(item);
        }
        Ok(())
    }

    /// Searches an item of a list of volumes or mounts.
    fn visit_item(&mut self, item: N, has_mounts: bool, lists: &mut Lists<'a>) -> Result<(), FieldError> {
        let path = self.field_path();
        let has_type = text(item, "type").is_some_and(|volume_type| &*volume_type == "hostPath");
        let forms = MountForm::ALL.iter().chain(has_type.then_some(&MountForm::KUBE_VELA));
        if let Some((volume, mount)) =
            forms.into_iter().find_map(|form| host_mount::decode(item, &path, form))
        {
            lists.volumes.push(volume);
            lists.mounts.push(mount);
        } else if has_mounts && let Some(mount) = decode_mount(item, &path)? {
            lists.mounts.push(mount);
        } else if let Some(volume) = decode_volume(item, &path)?.filter(|_| !has_mounts) {
            // Some operators combine a volume and its mount in one mapping.
            let mount_path = text(item, "mountPath");
            let mount = |mount_path| VolumeMount {
                name: volume.name.clone(),
                mount_path,
                path: Some(path),
                ..item.decode::<VolumeMount<'a>>().unwrap_or_default()
            };
            lists.mounts.extend(mount_path.map(mount));
            lists.volumes.push(volume);
        } else {
            return self.visit(item);
        }
        Ok(())
    }

    /// Searches a value in a mapping from names to volumes.
    fn visit_named_volume(&mut self, name: &str, item: N, lists: &mut Lists<'a>) -> Result<(), FieldError> {
        match decode_volume(item, &self.field_path())? {
            Some(volume) => lists.volumes.push(Volume { name: Str::owned(name), ..volume }),
            None => self.visit(item)?,
        }
        Ok(())
    }
}

/// Decodes an item of a list of volumes. Returns `None` if it has no volume source, or if it cannot
/// be decoded.
fn decode_volume<'a, N: Node<'a>>(item: N, path: &FieldPath) -> Result<Option<Volume<'a>>, FieldError> {
    // Some operators put the source into a field of the volume.
    let inner = ["volumeSource", "volume", "source"].into_iter().find_map(|key| {
        let node = item.get(key).filter(|node| has_source(*node))?;
        Some((node, path.key(key)))
    });
    let (node, path) = inner.unwrap_or_else(|| (item, path.clone()));
    if let Some(volume) = host_disk(node, &path) {
        return Ok(Some(volume));
    }
    let mut volume = match node.decode::<Volume<'a>>() {
        Ok(volume) => volume,
        Err(error) if error.is_too_large() => return Err(error.within(&path)),
        Err(_) => return Ok(None),
    };
    let is_empty = volume.host_path().is_some_and(|source| source.path.is_empty());
    if is_empty || volume.known_sources().next().is_none() {
        return Ok(None);
    }
    volume.path = path;
    if volume.name.is_empty() {
        volume.name = text(item, "name").or_else(|| text(item, "volumeName")).unwrap_or_default();
    }
    Ok(Some(volume))
}

/// Decodes a volume of KubeVirt whose source is `hostDisk`. Returns `None` for any other volume.
///
/// Source: `HostDisk` in `staging/src/kubevirt.io/api/core/v1/schema.go` of KubeVirt.
fn host_disk<'a, N: Node<'a>>(node: N, path: &FieldPath) -> Option<Volume<'a>> {
    let host_path = text(node.get("hostDisk")?, "path")?;
    let source = HostPathSource { path: host_path, host_path_type: None, form: HostPathForm::HostDisk };
    let sources = vec![(Str::owned("hostDisk"), VolumeSource::HostPath(source))];
    Some(Volume { name: text(node, "name").unwrap_or_default(), sources, path: path.clone() })
}

/// Checks whether a mapping has a key `hostPath`, `hostDisk` or `emptyDir` whose value looks like a
/// volume source.
fn has_source<'a, N: Node<'a>>(node: N) -> bool {
    let has_path = |key| node.get(key).is_some_and(|source: N| text(source, "path").is_some());
    has_path("hostPath")
        || has_path("hostDisk")
        || node.get("emptyDir").is_some_and(|dir| dir.decode::<Str<'a>>().is_err())
}

/// Decodes an item of a list of mounts. Returns `None` if it is not a mount.
fn decode_mount<'a, N: Node<'a>>(item: N, path: &FieldPath) -> Result<Option<VolumeMount<'a>>, FieldError> {
    if text(item, "name").is_none() || text(item, "mountPath").is_none() {
        return Ok(None);
    }
    match item.decode::<VolumeMount<'a>>() {
        Ok(mount) => Ok(Some(VolumeMount { path: Some(path.clone()), ..mount })),
        Err(error) if error.is_too_large() => Err(error.within(path)),
        Err(_) => Ok(None),
    }
}

/// Checks whether a key, in lower case, is that of a host path or of a list of host paths.
fn is_host_path_key(key: &str) -> bool {
    key.ends_with("hostpath") || key.ends_with("hostpaths") || key == "hostdisk"
}

/// Checks whether a value is an absolute path, or a mapping with a path.
fn contains_path<'a, N: Node<'a>>(value: N) -> bool {
    text(value, "path").is_some() || value.decode::<Str<'a>>().is_ok_and(|path| is_absolute(&path))
}

/// Checks whether a mapping contains an object that must not exist.
///
/// Source: `ObjectTemplate` in `api/v1/configurationpolicy_types.go` of
/// <https://github.com/open-cluster-management-io/config-policy-controller>
fn forbids_object<'a, N: Node<'a>>(node: N) -> bool {
    let compliance = text(node, "complianceType").filter(|_| node.get("objectDefinition").is_some());
    compliance.is_some_and(|compliance| compliance.eq_ignore_ascii_case("mustnothave"))
}

/// Checks whether `node` contains a `$patch` directive of a strategic merge patch at any depth. If
/// so, the object is a patch, not a complete object.
pub fn contains_patch_directive<'a, N: Node<'a>>(node: N) -> bool {
    contains_key(node, &|key| key == "$patch")
}

/// Checks whether a key at any depth suggests that `node` contains volumes.
pub(super) fn may_contain_volumes<'a, N: Node<'a>>(node: N) -> bool {
    contains_key(node, &|key| {
        let key = key.to_ascii_lowercase();
        key.contains("volume") || key.contains("hostpath")
    })
}

/// Checks whether a key at any depth of `node` matches.
fn contains_key<'a, N: Node<'a>>(node: N, matches: &impl Fn(&str) -> bool) -> bool {
    if let Some(items) = node.items() {
        return items.into_iter().any(|item| contains_key(item, matches));
    }
    node.entries().into_iter().any(|(key, value)| matches(&key) || contains_key(value, matches))
}
