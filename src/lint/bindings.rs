//! The claims and PersistentVolumes of a run, which connect Pods with paths of the node.
//!
//! The normal check of each document collects small facts ([`BindingFacts`]). After all inputs have
//! been checked, [`Bindings`] resolves the claims. If a Pod reaches a path of the node, its file is
//! checked a second time with the bindings. Runs without such a PersistentVolume need no second
//! check.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{OtherFile, RelatedLocation, append};
use crate::finding::{Label, Target};
use crate::model::{
    Binder, Body, ClaimFacts, ClaimName, Decode as _, FieldPath, HostPath, Metadata, Node as _, Object,
    StorageClassFacts, VolumeFacts, VolumeSource, split_ordinal,
};
use crate::rules::{Candidate, ClaimedVolume, NodeVolume, Options, exposes_node};
use crate::source::{File, NodeId, NodeRef, Span, Tree, locate};

/// The maximum number of PersistentVolumes that the rules receive for one volume of a Pod.
const MAX_CANDIDATES: usize = 10;

/// The annotation that a provisioner adds to the PersistentVolumes that it creates.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Facts about the claims, PersistentVolumes and storage classes in a document or file.
#[derive(Debug, Default)]
pub struct BindingFacts {
    volumes: Vec<(VolumeFacts, Option<(NodeVolume, Place)>)>,
    claims: Vec<Claim>,
    classes: Vec<StorageClassFacts>,
    pub(super) uses: Vec<ClaimUse>,
}

/// The location of a field of another object.
#[derive(Clone, Debug)]
struct Place {
    path: Arc<str>,
    file: Arc<File>,
    span: Span,
}

/// A claim, or the claims that a claim template creates.
#[derive(Debug)]
struct Claim {
    facts: ClaimFacts,
    origin: ClaimOrigin,
    /// The name of the Pod that owns the claim; empty if none does.
    pod: String,
    label: Label,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClaimOrigin {
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
    pod: usize,
    volume: String,
    /// The path of the field with the name or the template of the claim.
    field: FieldPath,
    claim: UsedClaim,
}

#[derive(Clone, Debug)]
enum UsedClaim {
    /// The claim of this name.
    Named { namespace: String, name: String },
    /// The claims that a StatefulSet creates from a template.
    Template { name: String, facts: ClaimFacts },
    /// The claim of a generic ephemeral volume, and the name of the Pod; empty if it is unknown.
    Ephemeral { pod: String, facts: ClaimFacts },
}

/// The object at `root` of a document.
pub(super) struct Source<'s, 't> {
    pub(super) object: &'s Object<'s>,
    pub(super) tree: &'s Tree<'t>,
    pub(super) root: NodeId,
    pub(super) file: &'s Arc<File>,
    /// The path of the document, as shown to the user.
    pub(super) path: &'s Arc<str>,
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
                let volume = VolumeFacts::new(&metadata, spec, &self.phase(), &self.directory());
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
            let mut add = |volume: &str, field, claim| {
                uses.push(ClaimUse { pod: index, volume: volume.to_owned(), field, claim });
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
            // Of several templates with the same name, the StatefulSet controller uses the last one.
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
        let number = |keys: &[&str]| {
            let node = keys.iter().try_fold(self.node(), |node, key| node.get(key))?;
            node.decode::<u64>().ok()
        };
        ClaimName::Ordinal {
            stem: format!("{template}-{}", self.object.id.name),
            first: number(&["spec", "ordinals", "start"]).unwrap_or_default(),
            // A StatefulSet with 0 replicas is scaled up later.
            count: number(&["spec", "replicas"]).filter(|count| *count > 0),
        }
    }

    /// Returns the metadata. It has already been decoded once, so this cannot fail.
    fn metadata(&self) -> Metadata<'_> {
        let metadata = self.node().get("metadata").map(|node| node.decode::<Metadata<'_>>());
        metadata.and_then(Result::ok).unwrap_or_default()
    }

    /// Returns `status.phase`; empty if it is not a string. Users cannot create an object with a
    /// status.
    fn phase(&self) -> String {
        let phase = self.node().get("status").and_then(|status| status.get("phase"));
        phase.and_then(|phase| phase.decode::<String>().ok()).unwrap_or_default()
    }

    fn node(&self) -> NodeRef<'_> {
        NodeRef { tree: self.tree, node: self.root }
    }

    /// Returns the directory of the file; empty for standard input.
    fn directory(&self) -> Arc<str> {
        self.file.path.rsplit_once('/').map_or("", |(directory, _)| directory).into()
    }

    fn claim(&self, facts: ClaimFacts, origin: ClaimOrigin, pod: String, field: FieldPath) -> Claim {
        let place = self.place(&field);
        Claim { facts, origin, pod, label: self.label(field), place }
    }

    /// Returns a label of a field. [`Bindings::new`] sets its index.
    fn label(&self, path: FieldPath) -> Label {
        Label { object: Some(Arc::new(self.object.id.clone())), path, target: Target::Value, text: "".into() }
    }

    fn place(&self, field: &FieldPath) -> Place {
        let span = match self.string {
            Some(string) => self.file.span(string.clone()),
            None => locate(self.file, self.tree, self.root, field),
        };
        Place { path: Arc::clone(self.path), file: Arc::clone(self.file), span }
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

/// The claims of a run, with the PersistentVolumes that they can be bound to.
#[derive(Debug)]
pub(super) struct Bindings {
    binder: Binder,
    volumes: Vec<Volume>,
    claims: Vec<Claim>,
    /// Claims with a known name, by namespace and name.
    by_name: HashMap<(String, String), Vec<usize>>,
    /// Claims with an ordinal and claim templates, by namespace and stem.
    by_stem: HashMap<(String, String), Vec<usize>>,
    /// The locations that the targets of labels refer to.
    places: Vec<Place>,
}

/// A PersistentVolume.
#[derive(Debug)]
struct Volume {
    name: String,
    /// The volume and its position among all volumes, most harmful first; `None` if it does not
    /// expose files of the node.
    exposed: Option<(usize, Arc<NodeVolume>)>,
}

/// A claim of a pod's volume, and the PersistentVolumes that it can be bound to.
struct Resolved {
    name: String,
    label: Option<Label>,
    volumes: Vec<usize>,
}

impl Bindings {
    /// Resolves the claims. Returns `None` if no PersistentVolume exposes files of the node.
    pub(super) fn new(facts: BindingFacts, options: &Options) -> Option<Self> {
        let BindingFacts { volumes, mut claims, classes, .. } = facts;
        let mut places = Vec::new();
        let (mut binder_volumes, mut own_volumes) = (Vec::new(), Vec::new());
        let mut order = Vec::new();
        for (mut facts, node_volume) in volumes {
            let node_volume = node_volume.filter(|(volume, _)| exposes_node(volume, options));
            facts.is_relevant = node_volume.is_some();
            let name = facts.name.clone();
            let exposed = node_volume.map(|(mut volume, place)| {
                add_place(&mut volume.label, place, &mut places);
                order.push(binder_volumes.len());
                (0, Arc::new(volume))
            });
            own_volumes.push(Volume { name, exposed });
            binder_volumes.push(facts);
        }
        if order.is_empty() {
            return None;
        }
        order.sort_by_cached_key(|index| {
            let volume = own_volumes[*index].exposed.as_ref().map(|(_, volume)| volume);
            volume.map(|volume| {
                let class = options.catalog.classify(&HostPath::new(&volume.path));
                (class.rank(), volume.source, volume.path.clone(), volume.name.clone())
            })
        });
        for (position, index) in order.into_iter().enumerate() {
            if let Some((own, _)) = &mut own_volumes[index].exposed {
                *own = position;
            }
        }
        let (mut by_name, mut by_stem) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (index, claim) in claims.iter_mut().enumerate() {
            add_place(&mut claim.label, claim.place.clone(), &mut places);
            let key = |name: &str| (claim.facts.namespace.clone(), name.to_owned());
            match &claim.facts.name {
                ClaimName::Exact(name) if name.is_empty() => {}
                ClaimName::Exact(name) => {
                    by_name.entry(key(name)).or_default().push(index);
                    if let Some((stem, _)) = split_ordinal(name) {
                        by_stem.entry(key(stem)).or_default().push(index);
                    }
                }
                ClaimName::Ordinal { stem, .. } => by_stem.entry(key(stem)).or_default().push(index),
            }
        }
        let binder = Binder::new(binder_volumes, &classes, claims.iter().map(|claim| &claim.facts));
        Some(Self { binder, volumes: own_volumes, claims, by_name, by_stem, places })
    }

    /// Checks whether a volume of a pod in `file` is connected with a path of the node.
    pub(super) fn concern(&self, uses: &[ClaimUse], file: &str) -> bool {
        uses.iter().any(|used| self.claimed_volume(used, file).is_some())
    }

    /// Returns the volumes of pods in `file` that are connected with a path of the node.
    pub(super) fn claimed_volumes(&self, uses: &[ClaimUse], file: &str) -> Vec<ClaimedVolume> {
        uses.iter().filter_map(|used| self.claimed_volume(used, file)).collect()
    }

    /// Returns the location that a target of a label refers to, for a finding in `file`.
    pub(super) fn related_location(&self, place: usize, file: &File) -> RelatedLocation {
        let Place { path, file: other, span } = &self.places[place];
        let is_other = other.path != file.path;
        let other_file = is_other.then(|| OtherFile { path: Arc::clone(path), file: Arc::clone(other) });
        RelatedLocation { span: *span, other_file }
    }

    fn claimed_volume(&self, used: &ClaimUse, file: &str) -> Option<ClaimedVolume> {
        let resolved = self.resolve(&used.claim, file);
        let pairs =
            || resolved.iter().flat_map(|claim| claim.volumes.iter().map(move |index| (claim, *index)));
        let mut exposed: Vec<(usize, &Resolved, &Arc<NodeVolume>)> = pairs()
            .filter_map(|(claim, index)| {
                let (position, volume) = self.volumes[index].exposed.as_ref()?;
                Some((*position, claim, volume))
            })
            .collect();
        exposed.sort_by_key(|(position, ..)| *position);
        exposed.dedup_by_key(|(position, ..)| *position);
        if exposed.is_empty() {
            return None;
        }
        let first = exposed.iter().map(|(.., volume)| volume.name.as_str());
        let all = pairs().map(|(_, index)| self.volumes[index].name.as_str());
        let mut seen = HashSet::new();
        let names: Vec<&str> = first.chain(all).filter(|name| seen.insert(*name)).collect();
        let candidate = |(_, claim, volume): (usize, &Resolved, &Arc<NodeVolume>)| Candidate {
            volume: Arc::clone(volume),
            claim: claim.name.clone(),
            claim_label: claim.label.clone(),
        };
        Some(ClaimedVolume {
            pod: used.pod,
            volume: used.volume.clone(),
            field: used.field.clone(),
            count: names.len(),
            names: names.into_iter().take(MAX_CANDIDATES).map(str::to_owned).collect(),
            candidates: exposed.into_iter().take(MAX_CANDIDATES).map(candidate).collect(),
        })
    }

    fn resolve(&self, used: &UsedClaim, file: &str) -> Vec<Resolved> {
        match used {
            UsedClaim::Named { namespace, name } => self.resolve_name(namespace, name, file),
            UsedClaim::Template { name, facts } => {
                let ClaimName::Ordinal { stem, count, .. } = &facts.name else { return Vec::new() };
                let existing = self.nearest(&self.by_stem, (&facts.namespace, stem), file, |claim| {
                    matches!(&claim.facts.name, ClaimName::Exact(name) if facts.name.matches(name))
                        && claim.origin == ClaimOrigin::Object
                });
                let names: HashSet<&ClaimName> =
                    existing.iter().map(|index| &self.claims[*index].facts.name).collect();
                // The StatefulSet creates the claims that do not exist.
                let creates_claims = count.is_none_or(|count| (names.len() as u64) < count);
                let own = creates_claims.then(|| self.resolve_own(name, facts));
                own.into_iter().chain(existing.iter().map(|index| self.resolve_claim(*index))).collect()
            }
            UsedClaim::Ephemeral { pod, facts } => {
                let ClaimName::Exact(name) = &facts.name else { return Vec::new() };
                let is_object = |claim: &Claim| claim.origin == ClaimOrigin::Object;
                let existing = self.nearest(&self.by_name, (&facts.namespace, name), file, is_object);
                if existing.is_empty() {
                    return vec![self.resolve_own(name, facts)];
                }
                // A Pod cannot start if a claim of this name exists that it does not own.
                let owned = existing.into_iter().filter(|index| self.claims[*index].pod == *pod);
                owned.map(|index| self.resolve_claim(index)).collect()
            }
        }
    }

    /// Resolves the claim of this name: an existing claim or, if there is none, one that another
    /// object of the run creates.
    fn resolve_name(&self, namespace: &str, name: &str, file: &str) -> Vec<Resolved> {
        for origin in [ClaimOrigin::Object, ClaimOrigin::Ephemeral] {
            let found = self.nearest(&self.by_name, (namespace, name), file, |claim| claim.origin == origin);
            if !found.is_empty() {
                return found.into_iter().map(|index| self.resolve_claim(index)).collect();
            }
        }
        if let Some((stem, ordinal)) = split_ordinal(name) {
            let templates = self.nearest(&self.by_stem, (namespace, stem), file, |claim| {
                claim.origin == ClaimOrigin::Template && claim.facts.name.includes(ordinal)
            });
            if !templates.is_empty() {
                let resolve = |index: usize| {
                    let Claim { facts, label, .. } = &self.claims[index];
                    let facts = ClaimFacts { name: ClaimName::Exact(name.to_owned()), ..facts.clone() };
                    Resolved { label: Some(label.clone()), ..self.resolve_own(name, &facts) }
                };
                return templates.into_iter().map(resolve).collect();
            }
        }
        // The claim is in no manifest, but a PersistentVolume may be reserved for it.
        let volumes = self.binder.reserved_for_name(namespace, name).to_vec();
        vec![Resolved { name: name.to_owned(), label: None, volumes }]
    }

    fn resolve_claim(&self, index: usize) -> Resolved {
        let Claim { facts, label, .. } = &self.claims[index];
        let name = match &facts.name {
            ClaimName::Exact(name) => name,
            ClaimName::Ordinal { stem, .. } => stem,
        };
        Resolved { label: Some(label.clone()), ..self.resolve_own(name, facts) }
    }

    /// Resolves a claim that the object of the pod creates.
    fn resolve_own(&self, name: &str, facts: &ClaimFacts) -> Resolved {
        Resolved { name: name.to_owned(), label: None, volumes: self.binder.candidates(facts) }
    }

    /// Returns the claims with the key that satisfy the predicate. A directory tree may contain
    /// several applications or environments, so of the claims with the same name, those count
    /// whose files are nearest to `file`.
    fn nearest(
        &self,
        index: &HashMap<(String, String), Vec<usize>>,
        (namespace, name): (&str, &str),
        file: &str,
        predicate: impl Fn(&Claim) -> bool,
    ) -> Vec<usize> {
        let found = index.get(&(namespace.to_owned(), name.to_owned())).into_iter().flatten().copied();
        let found: Vec<usize> = found.filter(|index| predicate(&self.claims[*index])).collect();
        let depth = |index: usize| common_depth(&self.claims[index].place.file.path, file);
        let mut deepest: HashMap<&ClaimName, usize> = HashMap::new();
        for index in &found {
            let own = deepest.entry(&self.claims[*index].facts.name).or_default();
            *own = depth(*index).max(*own);
        }
        let is_nearest = |index: &usize| deepest[&self.claims[*index].facts.name] == depth(*index);
        found.iter().copied().filter(is_nearest).collect()
    }
}

/// Adds a place, and sets it as the target of the label.
fn add_place(label: &mut Label, place: Place, places: &mut Vec<Place>) {
    label.target = Target::Elsewhere(places.len());
    places.push(place);
}

/// Returns the number of path components that two paths have in common, from the start.
fn common_depth(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count()
}
