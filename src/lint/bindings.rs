//! Resolves the claims that Pods use. Claims and PersistentVolumes are separate objects, and can be
//! in other files than the Pods.
//!
//! The first check of each document collects facts ([`BindingFacts`]). After all inputs have been
//! checked, [`Bindings`] finds the PersistentVolumes that each claim can be bound to. A rule may
//! report the claim of a Pod, for example because the claim can be bound to a path on the node. If
//! so, the file with the Pod is checked a second time with the bindings. Other files need no second
//! check.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::claim_facts::{BindingFacts, Claim, ClaimOrigin, ClaimUse, Place, UsedClaim};
use super::{OtherFile, RelatedLocation};
use crate::finding::{Label, Target};
use crate::model::{Binder, ClaimFacts, ClaimName, HostPath, split_ordinal};
use crate::rules::{Candidate, ClaimedVolume, NamedClaim, NodeVolume, Options, RivalClaim, exposes_node};
use crate::source::File;

/// The maximum number of PersistentVolumes that the rules receive for one volume of a Pod.
const MAX_CANDIDATES: usize = 10;

/// The claims of a run, with the PersistentVolumes that they can be bound to.
#[derive(Debug)]
pub(super) struct Bindings {
    binder: Binder,
    volumes: Vec<Volume>,
    claims: Vec<Claim>,
    /// Claims with a known name, by namespace and name.
    by_name: HashMap<(String, String), Vec<usize>>,
    /// Claims whose name ends with an ordinal, and claim templates, by namespace and stem. The stem
    /// is the name without the ordinal.
    by_stem: HashMap<(String, String), Vec<usize>>,
    /// The storage classes whose volumes are not attached to nodes.
    unattached_classes: HashSet<String>,
    /// The locations that the targets of labels refer to.
    places: Vec<Place>,
}

/// A PersistentVolume.
#[derive(Debug)]
struct Volume {
    name: String,
    is_attachable: bool,
    /// The position of the volume in an order from the most to the least harmful, and the volume.
    /// `None` if the volume does not expose files of the node.
    exposed: Option<(usize, Arc<NodeVolume>)>,
}

/// A claim of a pod's volume, and the PersistentVolumes that it can be bound to.
struct Resolved {
    name: String,
    /// The index of the claim; `None` if the object of the pod creates it, or if it is in no
    /// manifest.
    index: Option<usize>,
    volumes: Vec<usize>,
    /// The index of another claim, if the other claims can take all of the volumes; `None` if at
    /// least one volume is left for this claim.
    rival: Option<usize>,
}

impl Bindings {
    /// Finds the PersistentVolumes that the claims can be bound to. Returns `None` if there are no
    /// claims, and no PersistentVolume exposes files of the node.
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
            own_volumes.push(Volume { name, is_attachable: facts.is_attachable, exposed });
            binder_volumes.push(facts);
        }
        if order.is_empty() && claims.is_empty() {
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
        let unattached_classes = classes.into_iter().filter(|class| !class.is_attachable);
        let unattached_classes = unattached_classes.map(|class| class.name).collect();
        Some(Self { binder, volumes: own_volumes, claims, by_name, by_stem, unattached_classes, places })
    }

    /// Checks whether a rule may report a claim that a pod in `file` uses.
    pub(super) fn concern(&self, uses: &[ClaimUse], file: &str) -> bool {
        uses.iter().any(|used| self.claimed_volume(used, file).is_some())
    }

    /// Returns those volumes of pods in `file` whose claims a rule may report.
    pub(super) fn claimed_volumes(&self, uses: &[ClaimUse], file: &str) -> Vec<ClaimedVolume> {
        uses.iter().filter_map(|used| self.claimed_volume(used, file)).collect()
    }

    /// Returns the location with the index `place`, as a related location of a finding in `file`.
    /// `path` is the path of the finding, as shown to the user. It can differ from the path of
    /// `file` if the text was rendered from other files.
    pub(super) fn related_location(&self, place: usize, file: &File, path: &str) -> RelatedLocation {
        let Place { path: other_path, file: other, span, is_rendered } = &self.places[place];
        let is_other = other.path != file.path || **other_path != *path;
        let other_file = is_other.then(|| OtherFile {
            path: Arc::clone(other_path),
            file: Arc::clone(other),
            is_rendered: *is_rendered,
        });
        RelatedLocation { span: *span, other_file }
    }

    /// Returns the volume `used` with its claims, or `None` if no rule can report them.
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
        exposed.sort_by_key(|(position, claim, _)| (*position, claim.rival.is_some()));
        exposed.dedup_by_key(|(position, ..)| *position);
        let claims = self.named_claims(used, &resolved);
        if exposed.is_empty() && !claims.iter().any(|claim| concerns(used, claim)) {
            return None;
        }
        let first = exposed.iter().map(|(.., volume)| volume.name.as_str());
        let all = pairs().map(|(_, index)| self.volumes[index].name.as_str());
        let mut seen = HashSet::new();
        let names: Vec<&str> = first.chain(all).filter(|name| seen.insert(*name)).collect();
        let candidate = |(_, claim, volume): (usize, &Resolved, &Arc<NodeVolume>)| Candidate {
            volume: Arc::clone(volume),
            claim: claim.name.clone(),
            claim_label: claim.index.map(|index| self.claims[index].label.clone()),
            rival: claim.rival.map(|index| self.rival_claim(index, &claim.name)),
        };
        Some(ClaimedVolume {
            pod: used.pod,
            volume: used.volume.clone(),
            field: used.field.clone(),
            claims,
            sharing: used.sharing.clone(),
            is_attachable: match names.is_empty() {
                true => resolved.iter().any(|claim| self.can_be_attached(claim)),
                false => pairs().any(|(_, index)| self.volumes[index].is_attachable),
            },
            count: names.len(),
            names: names.into_iter().take(MAX_CANDIDATES).map(str::to_owned).collect(),
            candidates: exposed.into_iter().take(MAX_CANDIDATES).map(candidate).collect(),
        })
    }

    /// Checks whether a volume that a provisioner creates for the claim may have to be attached to
    /// a node.
    fn can_be_attached(&self, claim: &Resolved) -> bool {
        let classes = claim.index.map(|index| self.binder.classes(&self.claims[index].facts.demand));
        !classes
            .is_some_and(|classes| classes.into_iter().all(|class| self.unattached_classes.contains(class)))
    }

    /// Returns the claims that the volume refers to by name. Returns no claims for a claim template
    /// or a generic ephemeral volume.
    fn named_claims(&self, used: &ClaimUse, resolved: &[Resolved]) -> Vec<NamedClaim> {
        if !matches!(used.claim, UsedClaim::Named { .. }) {
            return Vec::new();
        }
        let named = |claim: &Resolved| {
            let Claim { facts, label, .. } = &self.claims[claim.index?];
            let (modes, is_block, label) = (facts.demand.modes, facts.demand.is_block, label.clone());
            Some(NamedClaim { name: claim.name.clone(), modes, is_block, label })
        };
        resolved.iter().filter_map(named).collect()
    }

    /// Resolves the claims that a volume of a pod in `file` can use.
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
                // A Pod cannot start if a claim of this name exists, but the Pod does not own the
                // claim.
                let owned = existing.into_iter().filter(|index| self.claims[*index].pod == *pod);
                owned.map(|index| self.resolve_claim(index)).collect()
            }
        }
    }

    /// Resolves the claims of this name. These are the PersistentVolumeClaims of the run or, if
    /// there is none, the claims that other objects of the run create. If the run contains no such
    /// objects, returns one claim with the PersistentVolumes that are reserved for the name.
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
                    let facts = self.claims[index].facts.clone();
                    let facts = ClaimFacts { name: ClaimName::Exact(name.to_owned()), ..facts };
                    Resolved { index: Some(index), ..self.resolve_own(name, &facts) }
                };
                return templates.into_iter().map(resolve).collect();
            }
        }
        // The claim is in no manifest, but PersistentVolumes may be reserved for it.
        let volumes = self.binder.reserved_for_name(namespace, name).to_vec();
        vec![Resolved { name: name.to_owned(), index: None, volumes, rival: None }]
    }

    /// Resolves the claim at `index`.
    fn resolve_claim(&self, index: usize) -> Resolved {
        let facts = &self.claims[index].facts;
        let name = match &facts.name {
            ClaimName::Exact(name) => name,
            ClaimName::Ordinal { stem, .. } => stem,
        };
        Resolved { index: Some(index), ..self.resolve_own(name, facts) }
    }

    /// Resolves a claim with these facts. The result has no index.
    fn resolve_own(&self, name: &str, facts: &ClaimFacts) -> Resolved {
        let volumes = self.binder.candidates(facts);
        let rival = self.binder.rival(facts, &volumes, |index| &self.claims[index].facts);
        Resolved { name: name.to_owned(), index: None, volumes, rival }
    }

    /// Returns the claim at `index` as a rival of the claim `name`.
    fn rival_claim(&self, index: usize, name: &str) -> RivalClaim {
        let Claim { facts, label, .. } = &self.claims[index];
        let rival = match &facts.name {
            // The claim of a generic ephemeral volume is named after the Pod, whose name starts
            // with that of the workload.
            ClaimName::Exact(name) if name.is_empty() => {
                format!("{}-*", label.object.as_ref().map_or("", |object| &object.name))
            }
            ClaimName::Exact(name) => name.clone(),
            ClaimName::Ordinal { stem, first, .. } => {
                let names = (*first..).map(|ordinal| format!("{stem}-{ordinal}"));
                names.take(2).find(|rival| rival != name).unwrap_or_default()
            }
        };
        RivalClaim { namespace: facts.namespace.clone(), name: rival, label: label.clone() }
    }

    /// Returns the claims in `index` with this namespace and name that satisfy the predicate. Of
    /// the claims with the same name, returns only those whose files are nearest to `file`, because
    /// a directory tree may contain several applications or environments.
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

/// Checks whether a rule may report that the volume uses this claim, regardless of the
/// PersistentVolumes that the claim can be bound to.
fn concerns(used: &ClaimUse, claim: &NamedClaim) -> bool {
    let is_shared = used.sharing.is_some() && claim.modes.exclusive().is_some();
    is_shared || claim.modes.is_read_only() || claim.is_block || used.is_device
}

/// Adds a location to `places`, and makes its index the target of the label.
fn add_place(label: &mut Label, place: Place, places: &mut Vec<Place>) {
    label.target = Target::Elsewhere(places.len());
    places.push(place);
}

/// Returns the number of path components that two paths have in common, from the start.
fn common_depth(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count()
}
