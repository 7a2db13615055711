//! The claims and PersistentVolumes of a run, which are in other objects than the Pods that use
//! them.
//!
//! The normal check of each document collects small facts ([`BindingFacts`]). After all inputs have
//! been checked, [`Bindings`] resolves the claims. If a rule may report the claim of a Pod, for
//! example because the Pod reaches a path of the node, the file of the Pod is checked a second time
//! with the bindings. Other files need no second check.

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
    /// Claims with an ordinal and claim templates, by namespace and stem.
    by_stem: HashMap<(String, String), Vec<usize>>,
    /// The locations that the targets of labels refer to.
    places: Vec<Place>,
}

/// A PersistentVolume.
#[derive(Debug)]
struct Volume {
    name: String,
    is_attachable: bool,
    /// The volume and its position among all volumes, most harmful first; `None` if it does not
    /// expose files of the node.
    exposed: Option<(usize, Arc<NodeVolume>)>,
}

/// A claim of a pod's volume, and the PersistentVolumes that it can be bound to.
struct Resolved {
    name: String,
    /// The index of the claim; `None` if it is in the object of the pod or in no manifest.
    index: Option<usize>,
    volumes: Vec<usize>,
    /// The index of another claim that can take all of the volumes, together with other claims.
    rival: Option<usize>,
}

impl Bindings {
    /// Resolves the claims. Returns `None` if there are neither claims nor PersistentVolumes that
    /// expose files of the node.
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
        Some(Self { binder, volumes: own_volumes, claims, by_name, by_stem, places })
    }

    /// Checks whether the claim of a volume of a pod in `file` concerns the rules.
    pub(super) fn concern(&self, uses: &[ClaimUse], file: &str) -> bool {
        uses.iter().any(|used| self.claimed_volume(used, file).is_some())
    }

    /// Returns the volumes of pods in `file` whose claims concern the rules.
    pub(super) fn claimed_volumes(&self, uses: &[ClaimUse], file: &str) -> Vec<ClaimedVolume> {
        uses.iter().filter_map(|used| self.claimed_volume(used, file)).collect()
    }

    /// Returns the location that a target of a label refers to, for a finding in the text `file`.
    /// `path` is the path of the finding, as shown to the user. It differs from that of the text if
    /// the text was rendered from several files.
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
            is_attachable: names.is_empty() || pairs().any(|(_, index)| self.volumes[index].is_attachable),
            count: names.len(),
            names: names.into_iter().take(MAX_CANDIDATES).map(str::to_owned).collect(),
            candidates: exposed.into_iter().take(MAX_CANDIDATES).map(candidate).collect(),
        })
    }

    /// Returns the claims in other objects that the volume names.
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
                    let facts = self.claims[index].facts.clone();
                    let facts = ClaimFacts { name: ClaimName::Exact(name.to_owned()), ..facts };
                    Resolved { index: Some(index), ..self.resolve_own(name, &facts) }
                };
                return templates.into_iter().map(resolve).collect();
            }
        }
        // The claim is in no manifest, but a PersistentVolume may be reserved for it.
        let volumes = self.binder.reserved_for_name(namespace, name).to_vec();
        vec![Resolved { name: name.to_owned(), index: None, volumes, rival: None }]
    }

    fn resolve_claim(&self, index: usize) -> Resolved {
        let facts = &self.claims[index].facts;
        let name = match &facts.name {
            ClaimName::Exact(name) => name,
            ClaimName::Ordinal { stem, .. } => stem,
        };
        Resolved { index: Some(index), ..self.resolve_own(name, facts) }
    }

    /// Resolves a claim that the object of the pod creates.
    fn resolve_own(&self, name: &str, facts: &ClaimFacts) -> Resolved {
        let volumes = self.binder.candidates(facts);
        let rival = self.binder.rival(facts, &volumes, |index| &self.claims[index].facts);
        Resolved { name: name.to_owned(), index: None, volumes, rival }
    }

    /// Returns the claim at `index` as a rival of the claim `name`.
    fn rival_claim(&self, index: usize, name: &str) -> RivalClaim {
        let Claim { facts, label, .. } = &self.claims[index];
        let rival = match &facts.name {
            // The name of a generic ephemeral claim starts with that of the Pod.
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

/// Checks whether a rule may report that the volume uses this claim.
fn concerns(used: &ClaimUse, claim: &NamedClaim) -> bool {
    let is_shared = used.sharing.is_some() && claim.modes.exclusive().is_some();
    is_shared || claim.modes.is_read_only() || claim.is_block || used.is_device
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
