//! The inventory of a run: its volumes with a host path, a claim or an `emptyDir`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::checker::Checker;
use super::{LocatedFinding, Report};
use crate::finding::{Access, RuleId};
use crate::model::{Body, ContainerMount, FieldPath, Object, ObjectId, Pod, UseKind, Volume, VolumeSource};
use crate::rules::{Context, HostPathVolume, PathClass};
use crate::source::{NodeRef, Span, find_node, locate};

/// The use of a volume by a container, or a volume that no container uses.
#[derive(Clone, Debug)]
pub struct VolumeRow {
    pub object: Arc<ObjectId>,
    /// The name of the container; empty if no container uses the volume.
    pub container: String,
    /// The name of the volume in the pod, or of the PersistentVolume or claim.
    pub volume: String,
    pub source: VolumeOrigin,
    /// `mountPath`, or `devicePath` of a block device; empty if no container uses the volume.
    pub mount_path: String,
    /// `subPath` or `subPathExpr`, as written; empty if the whole volume is mounted.
    pub sub_path: String,
    /// The effective access; `None` if no container uses the volume.
    pub access: Option<Access>,
    /// The file, as shown in reports.
    pub path: Arc<str>,
    /// The location of the mount or, if no container uses the volume, of the volume.
    pub span: Span,
    /// Whether the text was rendered from the file. If so, the span refers to the rendered text.
    pub is_rendered: bool,
    /// The rules with a finding about this use, in the order of the report.
    pub findings: Vec<RuleId>,
    /// The rules with a suppressed finding about this use.
    pub suppressed: Vec<RuleId>,
    /// The byte range of the object in the text.
    document: Range<usize>,
}

/// The source of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeOrigin {
    /// A path on the node.
    HostPath {
        /// The key of the source, such as `hostPath` or `local`.
        key: &'static str,
        /// The path, cleaned and joined with the `subPath` of the mount. As written if the class is
        /// `unknown`.
        path: String,
        /// The path of the volume, as written.
        written: String,
        /// `hostPath.type`; empty if absent.
        host_path_type: String,
        class: &'static str,
        /// The field of the path.
        field: FieldPath,
    },
    /// A claim.
    Claim {
        /// `persistentVolumeClaim`, `ephemeral` or `volumeClaimTemplates`.
        key: &'static str,
        /// The name of the claim or of the template; empty for an ephemeral volume.
        name: String,
    },
    /// An `emptyDir`, explicit or implied.
    EmptyDir {
        /// The medium; empty for the node's disk.
        medium: String,
        /// `sizeLimit`, as written; empty if absent.
        size_limit: String,
    },
}

/// The class of a host path that contains a placeholder.
const UNKNOWN: &str = "unknown";

impl Checker<'_> {
    /// Returns the rows of an object.
    pub(super) fn volume_rows(&self, at: NodeRef<'_>, object: &Object<'_>) -> Vec<VolumeRow> {
        let rows = Rows { checker: self, at, object, id: Arc::new(object.id.clone()) };
        match &object.body {
            Body::Pods(pods) => pods.iter().flat_map(|pod| rows.of_pod(pod)).collect(),
            Body::PersistentVolume(spec) => {
                let context = Context::for_persistent_volume(object, spec, &self.options.policy.options);
                context.host_path_volumes().iter().flat_map(|volume| rows.of_host_path(volume)).collect()
            }
            Body::Claim(_) => {
                let source =
                    VolumeOrigin::Claim { key: "persistentVolumeClaim", name: object.id.name.clone() };
                vec![rows.unused(&object.id.name, source, &FieldPath::from_keys(&["spec"]))]
            }
            Body::StorageClass(_) | Body::Other => Vec::new(),
        }
    }
}

/// Marks the host paths in these fields as unknown, because they contain placeholders.
pub(super) fn mark_unknown(rows: &mut [VolumeRow], fields: &[FieldPath]) {
    let fields: HashSet<&FieldPath> = fields.iter().collect();
    for row in rows {
        if let VolumeOrigin::HostPath { path, written, class, field, .. } = &mut row.source
            && fields.contains(field)
        {
            *class = UNKNOWN;
            path.clone_from(written);
        }
    }
}

/// Sorts the rows by location, and adds the rules of the findings about them.
pub(super) fn complete(rows: &mut [VolumeRow], report: &Report) {
    if rows.is_empty() {
        return;
    }
    rows.sort_by(|a, b| (&a.path, a.span.start.offset).cmp(&(&b.path, b.span.start.offset)));
    add_rules(rows, &report.findings, |row| &mut row.findings);
    add_rules(rows, &report.suppressed, |row| &mut row.suppressed);
}

/// Adds the rule of each finding to the rows that the finding is about: those with its volume and
/// its container or, if it names no container, with any container.
fn add_rules(
    rows: &mut [VolumeRow],
    findings: &[LocatedFinding],
    rules_of: impl Fn(&mut VolumeRow) -> &mut Vec<RuleId>,
) {
    let mut by_volume: HashMap<(Arc<str>, usize, &str), Vec<&LocatedFinding>> = HashMap::new();
    for located in findings {
        if let Some(object) = &located.object {
            let key =
                (Arc::clone(&located.location.path), object.start, &*located.finding.fingerprint.volume);
            by_volume.entry(key).or_default().push(located);
        }
    }
    for row in rows {
        let volume = row.volume.clone();
        let key = (Arc::clone(&row.path), row.document.start, &*volume);
        for located in by_volume.get(&key).into_iter().flatten() {
            let container = &located.finding.fingerprint.container;
            let is_about = container.is_empty() || *container == row.container;
            let rule = located.finding.rule;
            let rules = rules_of(row);
            if is_about && !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
}

/// Creates the rows of an object.
struct Rows<'r, 'c> {
    checker: &'r Checker<'c>,
    at: NodeRef<'r>,
    object: &'r Object<'r>,
    id: Arc<ObjectId>,
}

impl Rows<'_, '_> {
    fn of_pod(&self, pod: &Pod<'_>) -> Vec<VolumeRow> {
        let policy = self.checker.options.policy;
        if pod.is_heuristic && !policy.heuristic {
            return Vec::new();
        }
        let context = Context::for_pod(self.object, pod, &policy.options);
        let mut host_paths = context.host_path_volumes().iter();
        let mut rows = Vec::new();
        for volume in &pod.volumes {
            if volume.host_path().is_some() {
                rows.extend(host_paths.next().into_iter().flat_map(|host_path| self.of_host_path(host_path)));
            } else if let Some(source) = self.source(volume) {
                rows.extend(self.of_other(pod, &volume.name, &source, &volume.path));
            }
        }
        for template in &pod.claim_templates {
            let name = template.metadata.name.to_string();
            let source = VolumeOrigin::Claim { key: "volumeClaimTemplates", name };
            rows.extend(self.of_other(pod, &template.metadata.name, &source, &template.path));
        }
        rows
    }

    /// Returns the source of a volume without a host path. Returns `None` if the source is neither
    /// a claim nor an `emptyDir`.
    fn source(&self, volume: &Volume<'_>) -> Option<VolumeOrigin> {
        if let Some(source) = volume.empty_dir() {
            let field = volume.path.key("emptyDir").key("sizeLimit");
            let size_limit = source.size_limit.map_or_else(String::new, |_| self.scalar(&field));
            return Some(VolumeOrigin::EmptyDir { medium: source.medium.to_string(), size_limit });
        }
        let (key, name) = match volume.source()? {
            VolumeSource::Claim(claim) => ("persistentVolumeClaim", claim.claim_name.to_string()),
            VolumeSource::Ephemeral(_) => ("ephemeral", String::new()),
            _ => return None,
        };
        Some(VolumeOrigin::Claim { key, name })
    }

    fn of_host_path<'v>(&'v self, volume: &'v HostPathVolume<'_>) -> impl Iterator<Item = VolumeRow> + 'v {
        let key = match volume.volume {
            Some(volume) if volume.source_key() == Some("hostDisk") => "hostDisk",
            None if !volume.supports_type => "local",
            _ => "hostPath",
        };
        volume.accesses.iter().map(move |access| {
            let field = volume.path_field();
            let source = VolumeOrigin::HostPath {
                key,
                path: access.path.to_string(),
                written: volume.path.to_owned(),
                host_path_type: volume.declared_type.unwrap_or_default().to_owned(),
                class: class(access.class),
                field: field.clone(),
            };
            match access.mount {
                Some(mount) => self.mounted(volume.name, source, mount, access.effective),
                None => {
                    let is_used = volume.volume.is_none() || access.effective == Access::Write;
                    let access = is_used.then_some(access.effective);
                    VolumeRow { access, ..self.unused(volume.name, source, &field) }
                }
            }
        })
    }

    /// Returns the uses of a volume without a host path: its mounts and devices or, without any,
    /// the volume itself.
    fn of_other(&self, pod: &Pod<'_>, name: &str, source: &VolumeOrigin, path: &FieldPath) -> Vec<VolumeRow> {
        let mounts = pod.mounts_of(name).map(|mount| {
            let access = if pod.is_read_only(mount.mount) { Access::Read } else { Access::Write };
            self.mounted(name, source.clone(), mount, access)
        });
        let uses = pod.containers.iter().flat_map(|container| container.volume_uses());
        let devices = uses.filter(|used| used.kind == UseKind::Device && used.volume == name);
        let devices = devices.map(|device| VolumeRow {
            container: device.container.name.to_string(),
            mount_path: device.target.to_owned(),
            access: Some(Access::Write),
            ..self.unused(name, source.clone(), &device.target_field())
        });
        let rows: Vec<_> = mounts.chain(devices).collect();
        if rows.is_empty() { vec![self.unused(name, source.clone(), path)] } else { rows }
    }

    fn mounted(
        &self,
        volume: &str,
        source: VolumeOrigin,
        mount: ContainerMount<'_, '_>,
        access: Access,
    ) -> VolumeRow {
        VolumeRow {
            container: mount.container.name.to_string(),
            mount_path: mount.mount.mount_path.to_string(),
            sub_path: mount.mount.sub_path_entry().map_or_else(String::new, |(_, path)| path.to_owned()),
            access: Some(access),
            ..self.unused(volume, source, &mount.path())
        }
    }

    /// Returns the row of a volume that no container uses.
    fn unused(&self, volume: &str, source: VolumeOrigin, field: &FieldPath) -> VolumeRow {
        let Self { checker, at: NodeRef { tree, node }, .. } = self;
        let (span, document) = match &checker.detached {
            Some(detached) => (checker.file.span(detached.string.clone()), detached.object.clone()),
            None => (locate(checker.file, tree, *node, field), tree.range(*node)),
        };
        VolumeRow {
            object: Arc::clone(&self.id),
            container: String::new(),
            volume: volume.to_owned(),
            source,
            mount_path: String::new(),
            sub_path: String::new(),
            access: None,
            path: Arc::clone(&checker.path),
            span,
            is_rendered: checker.is_rendered,
            findings: Vec::new(),
            suppressed: Vec::new(),
            document,
        }
    }

    /// Returns the scalar at a field path, as written.
    fn scalar(&self, field: &FieldPath) -> String {
        let NodeRef { tree, node } = self.at;
        let Some(node) = find_node(tree, node, field) else { return String::new() };
        match tree.as_str(node) {
            Some(text) => text.into_owned(),
            None => self.checker.text()[tree.range(node)].to_owned(),
        }
    }
}

/// Returns the name of the class of a host path.
fn class(class: PathClass<'_>) -> &'static str {
    match class {
        PathClass::Root => "root",
        PathClass::SocketParent(_) => "socket-parent",
        PathClass::Socket(entry) | PathClass::Inside(entry) | PathClass::Above(entry) => entry.class.name(),
        PathClass::DataDirectory(_) | PathClass::Unlisted => "unlisted",
    }
}
