//! Binding of claims to PersistentVolumes, as in the PersistentVolume controller and the scheduler.
//!
//! A claim with a `volumeName` can be bound only to the volume of this name. The class, size,
//! access modes and volume mode of the volume must match, unless its `claimRef` names the claim.
//!
//! Any other claim is bound to the first of these volumes that exists:
//!
//! 1. A volume whose `claimRef` names the claim. The size, access modes and volume mode must match.
//!    Neither the class nor the selector is compared. For a class without `WaitForFirstConsumer`, a
//!    matching free volume with fewer access modes takes precedence.
//! 2. The free volume that matches the claim and has the fewest access modes. Among several, the
//!    smallest volume is used. For a class with `WaitForFirstConsumer`, the smallest matching
//!    volume that the node of the Pod can access is used, regardless of the number of access modes.
//!
//! The binder returns a list of candidates, because the choice among equal volumes is arbitrary,
//! and because other claims may be bound to better volumes first.
//!
//! Sources: `pkg/controller/volume/persistentvolume` (`index.go`, `pv_controller.go`) and
//! `component-helpers/storage/volume/pv_helpers.go` of Kubernetes. The test
//! `binder_agrees_with_the_controller` compares the candidates with the volumes that the controller
//! of Kubernetes 1.37.2 bound.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::binding_facts::{
    AccessModes, ClaimFacts, ClaimName, Demand, RequestedClass, Requirement, Reservation, StorageClassFacts,
    VolumeFacts, split_ordinal,
};
use super::quantity::Quantity;

/// The maximum number of free volumes with the same class, size and access modes that are returned
/// for a claim.
const MAX_EQUAL: usize = 100;

/// The number of free volumes of a class after which no further volumes of the class are added for
/// a claim.
const MAX_CANDIDATES: usize = 1_000;

/// The maximum number of rounds in which the contested volumes are computed. If the result still
/// changes afterwards, every volume counts as contested.
const MAX_ROUNDS: usize = 16;

/// The maximum number of candidates of a claim. If a claim has more, its rival claims are not
/// counted, and at least one candidate is assumed to be left for it.
const MAX_RIVALS: usize = 100;

/// Finds the volumes that claims can be bound to. Volumes and claims are referred to by index.
#[derive(Debug, Default)]
pub struct Binder {
    volumes: Vec<VolumeFacts>,
    by_name: HashMap<String, Vec<usize>>,
    /// Volumes with a `claimRef`, by the namespace and name of the claim.
    reserved: HashMap<(String, String), Vec<usize>>,
    /// Volumes with a `claimRef` to a claim whose name ends with an ordinal, by the namespace and
    /// the name without the ordinal.
    reserved_ordinals: HashMap<(String, String), Vec<usize>>,
    /// Free volumes by class. Each array contains the pool for the volume mode `Filesystem`, then
    /// the pool for `Block`.
    pools: HashMap<String, [Pool; 2]>,
    default_classes: Vec<String>,
    /// For each volume, whether at least two claims can be bound to it.
    is_contested: Vec<bool>,
    /// The candidates of each demand among the free volumes.
    free: HashMap<Demand, Vec<usize>>,
    /// For each free volume, its position in its pool.
    positions: Vec<usize>,
    /// Groups of claims. The claims in a group have the same demand. Each claim with a `volumeName`
    /// has its own group.
    groups: Vec<Vec<usize>>,
    /// For each volume, the indexes of the groups whose claims can be bound to it.
    takers: Vec<Vec<usize>>,
}

/// The free volumes of a storage class and volume mode, best first.
#[derive(Debug, Default)]
struct Pool {
    volumes: Vec<usize>,
    by_label: HashMap<(String, String), Vec<usize>>,
    /// Whether a claim is bound only when a Pod that uses it is scheduled.
    waits_for_pod: bool,
    /// The sizes that claims for these volumes request, each with the number of claims. A claim
    /// with a `volumeName` counts with the size of that volume. After `sort_requests`, each number
    /// also counts the claims that request less.
    requests: Vec<(Quantity, u64)>,
}

impl Binder {
    /// Creates a binder for all volumes, claims and storage classes of an input set.
    pub fn new<'c>(
        volumes: Vec<VolumeFacts>,
        classes: &[StorageClassFacts],
        claims: impl Iterator<Item = &'c ClaimFacts>,
    ) -> Self {
        let (is_contested, positions) = (vec![false; volumes.len()], vec![0; volumes.len()]);
        let takers = vec![Vec::new(); volumes.len()];
        let mut binder = Self { is_contested, positions, takers, volumes, ..Self::default() };
        for (index, volume) in binder.volumes.iter().enumerate() {
            binder.by_name.entry(volume.name.clone()).or_default().push(index);
            if let Some(Reservation { namespace, name, .. }) = &volume.reservation {
                let key = |name: &str| (namespace.clone(), name.to_owned());
                binder.reserved.entry(key(name)).or_default().push(index);
                if let Some((stem, _)) = split_ordinal(name) {
                    binder.reserved_ordinals.entry(key(stem)).or_default().push(index);
                }
            } else if volume.is_free() {
                let pools = binder.pools.entry(volume.class.clone()).or_default();
                pools[usize::from(volume.is_block)].volumes.push(index);
            }
        }
        for class in classes {
            if class.is_default && !binder.default_classes.contains(&class.name) {
                binder.default_classes.push(class.name.clone());
            }
            for pool in binder.pools.get_mut(&class.name).into_iter().flatten() {
                pool.waits_for_pod |= class.waits_for_pod;
            }
        }
        for pool in binder.pools.values_mut().flatten() {
            pool.sort(&binder.volumes);
            for (position, index) in pool.volumes.iter().enumerate() {
                binder.positions[*index] = position;
            }
        }
        binder.compete(claims);
        binder
    }

    /// Returns the volumes that the claim can be bound to.
    pub fn candidates(&self, claim: &ClaimFacts) -> Vec<usize> {
        if !claim.volume_name.is_empty() {
            return self.named(claim);
        }
        let mut found = self.reserved(claim);
        let fewest_modes = found.iter().map(|index| self.volumes[*index].modes.count()).min();
        let free = self.free.get(&claim.demand).cloned();
        let free = free.unwrap_or_else(|| self.free(&claim.demand));
        match (&claim.name, fewest_modes) {
            (_, None) => found = free,
            // The controller tries volumes with fewer access modes first, even before reserved
            // volumes.
            (ClaimName::Exact(_), Some(count)) => {
                found.extend(free.into_iter().filter(|index| self.is_tried_before(*index, count)));
            }
            // The volumes in `found` are reserved for some of the ordinals. The other claims need
            // free volumes.
            (ClaimName::Ordinal { count, .. }, _) => {
                if count.is_none_or(|count| (found.len() as u64) < count) {
                    found.extend(free);
                }
            }
        }
        found
    }

    /// Returns the volumes that are reserved for a claim of this name.
    pub fn reserved_for_name(&self, namespace: &str, name: &str) -> &[usize] {
        self.reserved.get(&(namespace.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Returns another claim that can be bound to one of the `candidates` of the claim, if the
    /// other claims can take all candidates. Returns `None` if at least one candidate is left for
    /// the claim, or if there are so many candidates that this is assumed. `facts` takes the index
    /// of a claim, and returns the facts about this claim.
    pub fn rival<'c>(
        &self,
        claim: &ClaimFacts,
        candidates: &[usize],
        facts: impl Fn(usize) -> &'c ClaimFacts,
    ) -> Option<usize> {
        let names: HashSet<&str> =
            candidates.iter().map(|index| self.volumes[*index].name.as_str()).collect();
        let is_reserved = |index: &usize| self.volumes[*index].reservation.is_some();
        if names.len() > MAX_RIVALS || candidates.iter().any(is_reserved) {
            return None;
        }
        let (mut groups, mut claims) = (HashSet::new(), HashSet::new());
        let (mut first, mut count) = (None, 0_u64);
        for candidate in candidates {
            // Claims that wait for a Pod are bound later than a claim with a `volumeName`, so they
            // do not compete with it.
            let is_first = !claim.volume_name.is_empty() && self.waits_for_pod(*candidate);
            for group in self.takers[*candidate].iter().filter(|group| groups.insert(**group)) {
                for index in &self.groups[*group] {
                    let other = facts(*index);
                    let is_later = is_first && other.volume_name.is_empty();
                    let rivals = if is_later { 0 } else { claim.count_rivals(other) };
                    if rivals > 0 && claims.insert((&other.namespace, &other.name)) {
                        first = first.or(Some(*index));
                        count = count.saturating_add(rivals);
                        if count >= names.len() as u64 {
                            return first;
                        }
                    }
                }
            }
        }
        None
    }

    /// Returns the volumes that have the name in the `volumeName` of the claim, and that the claim
    /// can be bound to.
    fn named(&self, claim: &ClaimFacts) -> Vec<usize> {
        let named = self.by_name.get(&claim.volume_name).into_iter().flatten().copied();
        let classes = self.classes(&claim.demand);
        let can_bind = |index: &usize| {
            let volume = &self.volumes[*index];
            match &volume.reservation {
                Some(reservation) => is_for(reservation, claim),
                None => classes.contains(&volume.class.as_str()) && fits(volume, &claim.demand),
            }
        };
        named.filter(can_bind).collect()
    }

    /// Returns the volumes whose `claimRef` names the claim, and whose volume mode, access modes
    /// and size satisfy it.
    fn reserved(&self, claim: &ClaimFacts) -> Vec<usize> {
        let key = |name: &String| (claim.namespace.clone(), name.clone());
        let reserved = match &claim.name {
            ClaimName::Exact(name) => self.reserved.get(&key(name)),
            ClaimName::Ordinal { stem, .. } => self.reserved_ordinals.get(&key(stem)),
        };
        let can_bind = |index: &usize| {
            let volume = &self.volumes[*index];
            volume.reservation.as_ref().is_some_and(|reservation| is_for(reservation, claim))
                && fits(volume, &claim.demand)
        };
        reserved.into_iter().flatten().copied().filter(can_bind).collect()
    }

    /// Checks whether the controller tries a free volume before volumes with `count` access modes.
    fn is_tried_before(&self, index: usize, count: u32) -> bool {
        !self.waits_for_pod(index) && self.volumes[index].modes.count() < count
    }

    /// Checks whether claims without a `volumeName` are bound to the volume only when a Pod that
    /// uses them is scheduled.
    fn waits_for_pod(&self, index: usize) -> bool {
        self.pools.get(&self.volumes[index].class).is_some_and(|pools| pools[0].waits_for_pod)
    }

    /// Returns the storage classes whose volumes can satisfy the demand. The empty class means
    /// volumes without a class.
    pub fn classes<'s>(&'s self, demand: &'s Demand) -> Vec<&'s str> {
        match &demand.class {
            RequestedClass::Named(name) => vec![name],
            RequestedClass::Default { .. } if self.default_classes.is_empty() => vec![""],
            RequestedClass::Default { .. } => self.default_classes.iter().map(String::as_str).collect(),
        }
    }

    /// Finds the contested volumes, the candidates of each demand, and the claims that compete for
    /// each volume.
    fn compete<'c>(&mut self, claims: impl Iterator<Item = &'c ClaimFacts>) {
        let mut demands: Vec<(&Demand, u64)> = Vec::new();
        let mut by_demand: HashMap<&Demand, usize> = HashMap::new();
        let mut named_groups = Vec::new();
        let mut named = vec![0_u64; self.volumes.len()];
        for (index, claim) in claims.enumerate() {
            if !claim.volume_name.is_empty() {
                let volumes = self.named(claim);
                for volume in &volumes {
                    named[*volume] += 1;
                    let facts = &self.volumes[*volume];
                    if let (true, Some(pools)) = (facts.is_free(), self.pools.get_mut(&facts.class)) {
                        pools[usize::from(facts.is_block)].requests.push((facts.capacity, 1));
                    }
                }
                named_groups.push((index, volumes));
                continue;
            }
            let count = claim.name.count().saturating_sub(self.reserved(claim).len() as u64);
            let group = *by_demand.entry(&claim.demand).or_insert_with(|| {
                demands.push((&claim.demand, 0));
                self.groups.push(Vec::new());
                demands.len() - 1
            });
            demands[group].1 = demands[group].1.saturating_add(count);
            if count > 0 {
                self.groups[group].push(index);
            }
        }
        for (demand, count) in &demands {
            let classes: Vec<String> = self.classes(demand).into_iter().map(str::to_owned).collect();
            for class in classes {
                if let Some(pools) = self.pools.get_mut(&class) {
                    pools[usize::from(demand.is_block)].requests.push((demand.request, *count));
                }
            }
        }
        self.pools.values_mut().flatten().for_each(Pool::sort_requests);
        for round in 0..=MAX_ROUNDS {
            let mut takers = named.clone();
            for (demand, count) in demands.iter().filter(|(_, count)| *count > 0) {
                for index in self.free(demand) {
                    takers[index] = takers[index].saturating_add(*count);
                }
            }
            let is_contested: Vec<bool> = takers.into_iter().map(|count| count > 1).collect();
            if is_contested == self.is_contested {
                break;
            }
            self.is_contested =
                if round < MAX_ROUNDS { is_contested } else { vec![true; self.volumes.len()] };
        }
        for (group, (demand, _)) in demands.into_iter().enumerate() {
            let free = self.free(demand);
            free.iter().for_each(|volume| self.takers[*volume].push(group));
            self.free.insert(demand.clone(), free);
        }
        for (claim, volumes) in named_groups {
            volumes.into_iter().for_each(|volume| self.takers[volume].push(self.groups.len()));
            self.groups.push(vec![claim]);
        }
    }

    /// Returns the free volumes that can satisfy the demand. Omits volumes that are worse than a
    /// volume that is certainly left for the claim.
    fn free(&self, demand: &Demand) -> Vec<usize> {
        let mut found = Vec::new();
        for class in self.classes(demand) {
            if let Some(pools) = self.pools.get(class) {
                found.extend(self.free_in(&pools[usize::from(demand.is_block)], demand));
            }
        }
        found
    }

    /// Returns the part of the result of `free` that is in `pool`.
    fn free_in(&self, pool: &Pool, demand: &Demand) -> Vec<usize> {
        let mut found = Vec::new();
        // The number of access modes of the first volume that is certainly left.
        let mut last_count = None;
        let mut available = 0;
        let mut largest = Quantity::default();
        let matching = self.matching_labels(pool, demand);
        let mut rest = matching.as_ref();
        while let Some(first) = rest.first() {
            let modes = pool.modes(&self.volumes[*first]);
            let is_same = |index: &usize| pool.modes(&self.volumes[*index]) == modes;
            let (list, others) = rest.split_at(rest.partition_point(is_same));
            rest = others;
            if last_count.is_some_and(|count| count < modes.0) {
                break;
            }
            if !pool.waits_for_pod && !modes.1.contains(demand.modes) {
                continue;
            }
            let from = list.partition_point(|index| self.volumes[*index].capacity < demand.request);
            let capacity = |index: &usize| self.volumes[*index].capacity;
            for equal in list[from..].chunk_by(|a, b| capacity(a) == capacity(b)) {
                let accepted = equal.iter().filter(|index| self.accepts(demand, **index)).take(MAX_EQUAL);
                let before = found.len();
                found.extend(accepted);
                let count = found.len() - before;
                available += if count < MAX_EQUAL { count } else { equal.len() };
                let is_certain = |index: &usize| {
                    let may_be_elsewhere = pool.waits_for_pod && self.volumes[*index].is_pinned;
                    !self.is_contested[*index] && !may_be_elsewhere
                };
                // Each of the other claims can take one volume that is large enough for it.
                largest = equal.first().map_or(largest, |index| capacity(index).max(largest));
                let is_one_left = !pool.waits_for_pod && available as u64 >= pool.claims(largest).max(1);
                if count > 0 && (is_one_left || found[before..].iter().any(is_certain)) {
                    last_count = Some(modes.0);
                    break;
                }
                if found.len() >= MAX_CANDIDATES {
                    return found;
                }
            }
        }
        found
    }

    /// Returns the volumes in the pool that may satisfy the selector, in the order of the pool.
    /// These are the volumes with a label that an `In` requirement allows. Of several `In`
    /// requirements, the one with the fewest volumes is used. Without such a requirement, returns
    /// all volumes of the pool.
    fn matching_labels<'p>(&self, pool: &'p Pool, demand: &Demand) -> Cow<'p, [usize]> {
        let lists = |requirement: &Requirement| -> Option<Vec<&'p Vec<usize>>> {
            Some(requirement.labels()?.filter_map(|label| pool.by_label.get(&label)).collect())
        };
        let len = |lists: &Vec<&Vec<usize>>| lists.iter().map(|list| list.len()).sum::<usize>();
        match demand.requirements.iter().filter_map(lists).min_by_key(len).as_deref() {
            None => Cow::Borrowed(&pool.volumes),
            Some([]) => Cow::Borrowed(&[]),
            Some([list]) => Cow::Borrowed(list),
            Some(lists) => {
                let mut found: Vec<usize> = lists.iter().copied().flatten().copied().collect();
                found.sort_unstable_by_key(|index| self.positions[*index]);
                found.dedup();
                Cow::Owned(found)
            }
        }
    }

    /// Checks whether a volume satisfies the demand. The class of the volume must be one of
    /// [`classes`](Self::classes).
    fn accepts(&self, demand: &Demand, index: usize) -> bool {
        let volume = &self.volumes[index];
        let is_near = match &demand.class {
            RequestedClass::Default { directory } if self.default_classes.is_empty() => {
                contains(directory, &volume.directory) || contains(&volume.directory, directory)
            }
            _ => true,
        };
        is_near
            && fits(volume, demand)
            && demand.requirements.iter().all(|requirement| requirement.matches(&volume.labels))
    }
}

/// Checks whether a `claimRef` names the claim. If the `claimRef` contains a UID, the claim must
/// have this UID.
fn is_for(reservation: &Reservation, claim: &ClaimFacts) -> bool {
    reservation.namespace == claim.namespace
        && claim.name.matches(&reservation.name)
        && (reservation.uid.is_empty() || reservation.uid == claim.uid)
}

/// Checks whether the volume mode, access modes and size of the volume satisfy the demand.
fn fits(volume: &VolumeFacts, demand: &Demand) -> bool {
    volume.is_block == demand.is_block
        && volume.modes.contains(demand.modes)
        && volume.capacity >= demand.request
}

/// Checks whether the directory `inner` is `outer` or inside it.
fn contains(outer: &str, inner: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

impl Pool {
    /// Returns the sort key for the access modes of a volume: their number, then the modes. If
    /// claims wait for a Pod, the key is the same for all volumes, because the scheduler ignores
    /// access modes when it compares volumes.
    fn modes(&self, volume: &VolumeFacts) -> (u32, AccessModes) {
        match self.waits_for_pod {
            true => (0, AccessModes::default()),
            false => (volume.modes.count(), volume.modes),
        }
    }

    /// Returns the number of claims that do not request more than this capacity.
    fn claims(&self, capacity: Quantity) -> u64 {
        let end = self.requests.partition_point(|(request, _)| *request <= capacity);
        end.checked_sub(1).map_or(0, |last| self.requests[last].1)
    }

    /// Sorts the requests, and makes their numbers of claims cumulative.
    fn sort_requests(&mut self) {
        self.requests.sort_unstable();
        let mut sum = 0_u64;
        for (_, count) in &mut self.requests {
            sum = sum.saturating_add(*count);
            *count = sum;
        }
    }

    /// Sorts the volumes, best first. Of equal volumes, the relevant ones come first.
    fn sort(&mut self, volumes: &[VolumeFacts]) {
        let mut sorted = std::mem::take(&mut self.volumes);
        sorted.sort_by_cached_key(|index| {
            let volume = &volumes[*index];
            (self.modes(volume), volume.capacity, !volume.is_relevant, volume.name.clone())
        });
        for index in &sorted {
            for label in &volumes[*index].labels {
                self.by_label.entry(label.clone()).or_default().push(*index);
            }
        }
        self.volumes = sorted;
    }
}
