//! Facts about claims and PersistentVolumes that a check collects from the objects of a document.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::append;
use crate::finding::{Label, Target};
use crate::model::{
    Body, ClaimFacts, ClaimName, Decode as _, FieldPath, Metadata, Node as _, Object, StorageClassFacts,
    VolumeFacts, VolumeSource,
};
use crate::rules::{NodeVolume, Sharing};
use crate::source::{File, NodeId, NodeRef, Span, Tree, locate};

/// The path of the field with the number of Pods of a workload.
const REPLICAS: &[&str] = &["spec", "replicas"];

/// The path of the spec of a CronJob's Jobs.
const JOB_SPEC: &[&str] = &["spec", "jobTemplate", "spec"];

/// The annotation that a provisioner adds to the PersistentVolumes that it creates.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Facts about the claims, PersistentVolumes and storage classes in a document or file.
#[derive(Debug, Default)]
pub struct BindingFacts {
    /// The PersistentVolumes. A volume of the type `hostPath` or `local` also has its path on the
    /// node, and the location of that path in the manifest.
    pub(super) volumes: Vec<(VolumeFacts, Option<(NodeVolume, Place)>)>,
    pub(super) claims: Vec<Claim>,
    pub(super) classes: Vec<StorageClassFacts>,
    /// The volumes of pods that come from claims.
    pub(super) uses: Vec<ClaimUse>,
}

/// The location of a field of a claim or PersistentVolume, for related locations of findings.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: Arc<str>,
    pub(super) file: Arc<File>,
    pub(super) span: Span,
    /// Whether the text was rendered from the file at `path`.
    pub(super) is_rendered: bool,
}

/// A claim, or the claims that a claim template creates.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) facts: ClaimFacts,
    pub(super) origin: ClaimOrigin,
    /// The name of the Pod in the owner references of a PersistentVolumeClaim; empty if there is
    /// none.
    pub(super) pod: String,
    pub(super) label: Label,
    pub(super) place: Place,
}

/// The field or object that defines a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimOrigin {
    /// A PersistentVolumeClaim.
    Object,
    /// A claim template of a StatefulSet.
    Template,
    /// A generic ephemeral volume.
    Ephemeral,
}

/// A volume of a pod that comes from a claim.
#[derive(Clone, Debug)]
pub(super) struct ClaimUse {
    /// The index of the pod in the object.
    pub(super) pod: usize,
    pub(super) volume: String,
    /// The path of the field with the name or the template of the claim.
    pub(super) field: FieldPath,
    pub(super) claim: UsedClaim,
    /// The reason why several Pods can use the claim at once; `None` if no reason is known.
    pub(super) sharing: Option<Sharing>,
    /// Whether a container uses the volume as a block device.
    pub(super) is_device: bool,
}

/// The claims that a volume uses.
#[derive(Clone, Debug)]
pub(super) enum UsedClaim {
    /// The claim of this name.
    Named { namespace: String, name: String },
    /// The claims that a StatefulSet creates from a template.
    Template { name: String, facts: ClaimFacts },
    /// The claim of a generic ephemeral volume. `pod` is the name of the Pod; empty if it is
    /// unknown.
    Ephemeral { pod: String, facts: ClaimFacts },
}

/// The object at the node `root` of a document, with its location.
pub(super) struct Source<'s, 't> {
    pub(super) object: &'s Object<'s>,
    pub(super) tree: &'s Tree<'t>,
    pub(super) root: NodeId,
    pub(super) file: &'s Arc<File>,
    /// The path of the document, as shown to the user.
    pub(super) path: &'s Arc<str>,
    /// Whether the text was rendered from the file at `path`.
    pub(super) is_rendered: bool,
    /// The byte range of the string that contains the document; `None` if the document was parsed
    /// in place.
    pub(super) string: Option<&'s Range<usize>>,
}

impl Source<'_, '_> {
    /// Collects the facts about the object.
    pub(super) fn facts(&self) -> BindingFacts {
        let mut facts = BindingFacts::default();
        match &self.object.body {
            Body::PersistentVolume(spec) => {
                let metadata = self.metadata();
                let volume =
                    VolumeFacts::new(&metadata, spec, &self.text(&["status", "phase"]), &self.directory());
                let host_path = spec.host_path.as_ref();
                let host_path =
                    host_path.map(|source| ("hostPath", &source.path, source.host_path_type.as_deref()));
                let local = spec.local.as_ref().map(|source| ("local", &source.path, None));
                let node_volume = host_path.or(local).map(|(source, path, host_path_type)| {
                    let field = FieldPath::from_keys(&["spec", source, "path"]);
                    let place = self.place(&field);
                    let node_volume = NodeVolume {
                        name: volume.name.clone(),
                        source,
                        path: path.to_string(),
                        host_path_type: host_path_type.map(str::to_owned),
                        is_block: volume.is_block,
                        is_provisioned: metadata.annotations.get(PROVISIONED_BY).is_some(),
                        label: self.label(field),
                    };
                    (node_volume, place)
                });
                facts.volumes.push((volume, node_volume));
            }
            Body::Claim(spec) => {
                let metadata = self.metadata();
                let name = ClaimName::Exact(metadata.name.to_string());
                let claim =
                    ClaimFacts::new(&self.object.id.namespace, name, &metadata, spec, &self.directory());
                let owner = metadata.owner_references.iter().find(|owner| &*owner.kind == "Pod");
                let pod = owner.map(|owner| owner.name.to_string()).unwrap_or_default();
                let key =
                    if spec.volume_name.is_empty() { ["metadata", "name"] } else { ["spec", "volumeName"] };
                facts.claims.push(self.claim(claim, ClaimOrigin::Object, pod, FieldPath::from_keys(&key)));
            }
            Body::StorageClass(class) => facts.classes.push(StorageClassFacts::new(class)),
            Body::Pods(_) => {
                facts.uses = self.uses();
                for claimed in &facts.uses {
                    let (claim, origin) = match &claimed.claim {
                        UsedClaim::Named { .. } => continue,
                        UsedClaim::Template { facts, .. } => (facts, ClaimOrigin::Template),
                        UsedClaim::Ephemeral { facts, .. } => (facts, ClaimOrigin::Ephemeral),
                    };
                    let (claim, field) = (claim.clone(), claimed.field.clone());
                    facts.claims.push(self.claim(claim, origin, String::new(), field));
                }
            }
            Body::Other => {}
        }
        facts
    }

    /// Returns the volumes of the object's pods that come from claims.
    pub(super) fn uses(&self) -> Vec<ClaimUse> {
        let id = &self.object.id;
        let directory = self.directory();
        let claim = |name, metadata: &Metadata<'_>, spec| {
            ClaimFacts::new(&id.namespace, name, metadata, spec, &directory)
        };
        let mut uses = Vec::new();
        for (index, pod) in self.object.pods().iter().enumerate() {
            let devices = pod.containers.iter().flat_map(|container| container.volume_devices.iter());
            let devices: HashSet<&str> = devices.map(|device| &*device.name).collect();
            let mut add = |volume: &str, field, claim| {
                let sharing = match claim {
                    UsedClaim::Named { .. } => self.sharing(),
                    UsedClaim::Template { .. } | UsedClaim::Ephemeral { .. } => None,
                };
                let (volume, is_device) = (volume.to_owned(), devices.contains(volume));
                uses.push(ClaimUse { pod: index, volume, field, claim, sharing, is_device });
            };
            for volume in &pod.volumes {
                match volume.source() {
                    Some(VolumeSource::Claim(source)) => {
                        let field = volume.path.key("persistentVolumeClaim").key("claimName");
                        let (namespace, name) = (id.namespace.clone(), source.claim_name.to_string());
                        add(&volume.name, field, UsedClaim::Named { namespace, name });
                    }
                    Some(VolumeSource::Ephemeral(source)) => {
                        let field = volume.path.key("ephemeral").key("volumeClaimTemplate");
                        let is_pod = id.group.is_empty() && id.kind == "Pod";
                        let pod = if is_pod { id.name.clone() } else { String::new() };
                        let name = match pod.as_str() {
                            "" => String::new(),
                            pod => format!("{pod}-{}", volume.name),
                        };
                        let spec = &source.volume_claim_template.spec;
                        let facts = claim(ClaimName::Exact(name), &Metadata::default(), spec);
                        add(&volume.name, field, UsedClaim::Ephemeral { pod, facts });
                    }
                    _ => {}
                }
            }
            // Of several templates with the same name, the StatefulSet controller uses the last
            // one.
            let mut seen = HashSet::from([""]);
            for template in pod.claim_templates.iter().rev() {
                let name = &*template.metadata.name;
                if !seen.insert(name) {
                    continue;
                }
                let field = template.path.key("metadata").key("name");
                let facts = claim(self.ordinals(name), &template.metadata, &template.spec);
                add(name, field, UsedClaim::Template { name: name.to_owned(), facts });
            }
        }
        uses
    }

    /// Returns the names of the claims that the StatefulSet creates from the template `template`.
    fn ordinals(&self, template: &str) -> ClaimName {
        ClaimName::Ordinal {
            stem: format!("{template}-{}", self.object.id.name),
            first: self.number(&["spec", "ordinals", "start"]).unwrap_or_default(),
            // A StatefulSet with 0 replicas will probably be scaled up, so its number of claims is
            // unknown.
            count: self.number(REPLICAS).filter(|count| *count > 0),
        }
    }

    /// Returns the reason why several Pods of the workload can use the same claim at once, or
    /// `None` if no reason is known.
    fn sharing(&self) -> Option<Sharing> {
        let several = |keys: &[&'static str]| {
            let count = self.number(keys).filter(|count| *count > 1)?;
            Some(Sharing::Replicas { field: FieldPath::from_keys(keys), count })
        };
        match (self.object.id.group.as_str(), self.object.id.kind.as_str()) {
            ("apps", "Deployment") => several(REPLICAS).or_else(|| self.surge(0)),
            // In `extensions/v1beta1`, the default of `maxUnavailable` was 1.
            ("extensions", "Deployment") => several(REPLICAS).or_else(|| self.surge(1)),
            ("apps" | "extensions", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => {
                several(REPLICAS)
            }
            ("apps" | "extensions", "DaemonSet") => Some(Sharing::EachNode),
            ("batch", "Job") => self.parallel(&["spec"]),
            ("batch", "CronJob") => self.parallel(JOB_SPEC),
            _ => None,
        }
    }

    /// Returns [`Sharing::Replicas`] if several Pods of the Job with the spec at `path` run at the
    /// same time. Returns `None` otherwise.
    fn parallel(&self, path: &[&'static str]) -> Option<Sharing> {
        let field = [path, &["parallelism"]].concat();
        let completions = self.number(&[path, &["completions"]].concat()).unwrap_or(u64::MAX);
        let count = self.number(&field)?.min(completions);
        (count > 1).then(|| Sharing::Replicas { field: FieldPath::from_keys(&field), count })
    }

    /// Returns [`Sharing::Surge`] if an update of a Deployment with one replica stops the old Pod
    /// only after the new Pod is ready. Returns `None` otherwise. `default` is the default of
    /// `maxUnavailable` for one replica.
    fn surge(&self, default: u64) -> Option<Sharing> {
        let max_surge = ["spec", "strategy", "rollingUpdate", "maxSurge"];
        let is_zero = self.number(&max_surge) == Some(0) || self.text(&max_surge) == "0%";
        let max_unavailable = ["spec", "strategy", "rollingUpdate", "maxUnavailable"];
        let percentage = self.text(&max_unavailable);
        let percentage = percentage.strip_suffix('%').and_then(|percentage| percentage.parse::<u64>().ok());
        // Kubernetes rounds down the percentage of the replicas.
        let max_unavailable = self.number(&max_unavailable).or(percentage.map(|value| value / 100));
        let can_stop_first = max_unavailable.unwrap_or(default) > 0;
        let is_rolling = matches!(&*self.text(&["spec", "strategy", "type"]), "" | "RollingUpdate");
        let surges = is_rolling && !is_zero && !can_stop_first && self.number(REPLICAS) != Some(0);
        let strategy = ["spec", "strategy"];
        let field = self.field(&strategy).map(|_| FieldPath::from_keys(&strategy));
        surges.then_some(Sharing::Surge { field })
    }

    /// Returns the metadata. It has already been decoded once, so this cannot fail.
    fn metadata(&self) -> Metadata<'_> {
        let metadata = self.node().get("metadata").map(|node| node.decode::<Metadata<'_>>());
        metadata.and_then(Result::ok).unwrap_or_default()
    }

    /// Returns the number in a field, or `None` if it is absent or not a nonnegative integer.
    fn number(&self, keys: &[&str]) -> Option<u64> {
        self.field(keys)?.decode::<u64>().ok()
    }

    /// Returns the text in a field, or an empty string if it is absent or not a string.
    fn text(&self, keys: &[&str]) -> String {
        self.field(keys).and_then(|field| field.decode::<String>().ok()).unwrap_or_default()
    }

    /// Returns the value at the path `keys`, or `None` if it is absent or null.
    fn field(&self, keys: &[&str]) -> Option<NodeRef<'_>> {
        keys.iter().try_fold(self.node(), |node, key| node.get(key))
    }

    fn node(&self) -> NodeRef<'_> {
        NodeRef { tree: self.tree, node: self.root }
    }

    /// Returns the directory of the file, or an empty string if its path has no directory.
    fn directory(&self) -> Arc<str> {
        self.file.path.rsplit_once('/').map_or("", |(directory, _)| directory).into()
    }

    fn claim(&self, facts: ClaimFacts, origin: ClaimOrigin, pod: String, field: FieldPath) -> Claim {
        let place = self.place(&field);
        Claim { facts, origin, pod, label: self.label(field), place }
    }

    /// Returns a label for a field. [`Bindings::new`] replaces the target.
    fn label(&self, path: FieldPath) -> Label {
        Label { object: Some(Arc::new(self.object.id.clone())), path, target: Target::Value, text: "".into() }
    }

    fn place(&self, field: &FieldPath) -> Place {
        let span = match self.string {
            Some(string) => self.file.span(string.clone()),
            None => locate(self.file, self.tree, self.root, field),
        };
        let (path, file) = (Arc::clone(self.path), Arc::clone(self.file));
        Place { path, file, span, is_rendered: self.is_rendered }
    }
}

impl BindingFacts {
    /// Adds the facts of another document or file.
    pub(super) fn merge(&mut self, other: Self) {
        append(&mut self.volumes, other.volumes);
        append(&mut self.claims, other.claims);
        append(&mut self.classes, other.classes);
        append(&mut self.uses, other.uses);
    }
}
