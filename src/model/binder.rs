//! Binding of claims to PersistentVolumes, as in the PersistentVolume controller and the scheduler.
//!
//! A claim is bound to the first of these volumes that exists:
//!
//! 1. The volume that `volumeName` names. Its class, size, access modes and volume mode must match,
//!    unless its `claimRef` names the claim.
//! 2. The volume whose `claimRef` names the claim. Neither the class nor the selector is compared.
//! 3. The free volume with the fewest access modes, and of these the smallest. For a class with
//!    `WaitForFirstConsumer`, only the size counts, and the node of the Pod limits the choice.
//!
//! The result is a list of candidates, because the choice among equal volumes is arbitrary, and
//! because other claims may be bound to better volumes first.
//!
//! Sources: `pkg/controller/volume/persistentvolume` (`index.go`, `pv_controller.go`) and
//! `component-helpers/storage/volume/pv_helpers.go` of Kubernetes. The test
//! `binder_agrees_with_the_controller` compares the candidates with the volumes that the controller
//! of Kubernetes 1.37.2 bound.

use std::collections::HashMap;
use std::sync::Arc;

use super::claim::{ClaimSpec, LabelSelector};
use super::metadata::Metadata;
use super::quantity::{Amount, Quantity};
use super::storage::{PersistentVolumeSpec, StorageClass};
use super::value::Map;

/// The maximum number of equal volumes that are listed for a claim.
const MAX_EQUAL: usize = 100;

/// The maximum number of volumes that are listed for a claim that competes with other claims.
const MAX_CANDIDATES: usize = 1_000;

/// The maximum number of rounds in which the effects of competing claims are computed. Afterwards,
/// every volume counts as contested.
const MAX_ROUNDS: usize = 16;

/// The annotation that sets the storage class of a claim or a PersistentVolume. It takes precedence
/// over the field.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The annotation of the default storage class.
const DEFAULT_CLASS_ANNOTATION: &str = "storageclass.kubernetes.io/is-default-class";

/// A set of access modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessModes(u8);

impl AccessModes {
    const NAMES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    /// Stands for all names that Kubernetes does not know.
    const UNKNOWN: u8 = 1 << Self::NAMES.len();

    fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let bit =
            |name| Self::NAMES.iter().position(|known| *known == name).map_or(Self::UNKNOWN, |at| 1 << at);
        Self(names.fold(0, |bits, name| bits | bit(name)))
    }

    /// Returns the number of modes.
    fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Checks whether this set contains all modes of `other`. `ReadWriteMany` does not include
    /// `ReadWriteOnce`.
    fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The properties of a PersistentVolume that binding depends on.
#[derive(Clone, Debug)]
pub struct VolumeFacts {
    pub name: String,
    pub class: String,
    pub is_block: bool,
    pub modes: AccessModes,
    pub capacity: Quantity,
    pub labels: Vec<(String, String)>,
    /// The claim that the volume is bound to or reserved for.
    pub reservation: Option<Reservation>,
    /// Whether the volume is neither released, failed nor being deleted.
    pub is_available: bool,
    /// Whether only some nodes can access the volume.
    pub is_pinned: bool,
    /// Whether the caller looks for the volume. Such volumes come first among equal candidates.
    pub is_relevant: bool,
    /// The directory of the file that contains the object; empty if it has none.
    pub directory: Arc<str>,
}

/// `claimRef` of a PersistentVolume.
#[derive(Clone, Debug)]
pub struct Reservation {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl VolumeFacts {
    /// Collects the facts about a PersistentVolume. `phase` is `status.phase`.
    pub fn new(
        metadata: &Metadata<'_>,
        spec: &PersistentVolumeSpec<'_>,
        phase: &str,
        directory: &Arc<str>,
    ) -> Self {
        let labels = metadata.labels.iter();
        let reservation = spec.claim_ref.as_ref().map(|claim| Reservation {
            namespace: claim.namespace.to_string(),
            name: claim.name.to_string(),
            uid: claim.uid.to_string(),
        });
        Self {
            name: metadata.name.to_string(),
            class: class(metadata).unwrap_or(&spec.storage_class_name).to_owned(),
            is_block: &*spec.volume_mode == "Block",
            modes: AccessModes::new(spec.access_modes.iter().map(|mode| &**mode)),
            // A placeholder may stand for any size.
            capacity: storage(&spec.capacity, Quantity::MAX),
            labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            reservation,
            is_available: matches!(phase, "" | "Pending" | "Available")
                && metadata.deletion_timestamp.is_empty(),
            is_pinned: spec.node_affinity.is_some(),
            is_relevant: false,
            directory: Arc::clone(directory),
        }
    }

    /// Checks whether any claim can be bound to the volume.
    fn is_free(&self) -> bool {
        self.reservation.is_none() && self.is_available
    }
}

/// The properties of a claim that binding depends on.
#[derive(Clone, Debug)]
pub struct ClaimFacts {
    pub namespace: String,
    pub name: ClaimName,
    pub uid: String,
    /// `volumeName`; empty if the claim does not name a volume.
    pub volume_name: String,
    pub demand: Demand,
}

/// The name of a claim, or of the claims that a StatefulSet creates from a claim template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimName {
    Exact(String),
    /// The stem, a hyphen and an ordinal. `count` is the number of replicas; `None` if unknown.
    Ordinal {
        stem: String,
        first: u64,
        count: Option<u64>,
    },
}

impl ClaimName {
    /// Checks whether a claim has the name `name`.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(own) => own == name,
            Self::Ordinal { stem, .. } => {
                split_ordinal(name).is_some_and(|(other, ordinal)| other == stem && self.includes(ordinal))
            }
        }
    }

    /// Checks whether the StatefulSet creates a claim with this ordinal.
    pub fn includes(&self, ordinal: u64) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Ordinal { first, count, .. } => {
                ordinal >= *first && count.is_none_or(|count| ordinal - first < count)
            }
        }
    }

    /// Returns the number of claims with such a name, or 1 if it is unknown.
    fn count(&self) -> u64 {
        match self {
            Self::Exact(_) => 1,
            Self::Ordinal { count, .. } => count.unwrap_or(1),
        }
    }
}

/// Splits a name such as `data-web-0` at its ordinal. Returns `None` if it has none.
pub fn split_ordinal(name: &str) -> Option<(&str, u64)> {
    let (stem, digits) = name.rsplit_once('-')?;
    let is_canonical = digits == "0" || !digits.starts_with(['0', '+']);
    Some((stem, digits.parse().ok().filter(|_| is_canonical)?))
}

/// The properties that a claim requires of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    pub class: RequestedClass,
    pub is_block: bool,
    pub modes: AccessModes,
    pub request: Quantity,
    pub requirements: Vec<Requirement>,
}

/// The storage class of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestedClass {
    /// The class of this name; empty for volumes without a class.
    Named(String),
    /// The default class. If it is unknown, the claim counts as one without a class, but only for
    /// volumes in directories near to this one: most clusters have a default class, and
    /// applications in other directories are probably unrelated.
    Default { directory: Arc<str> },
}

impl ClaimFacts {
    /// Collects the facts about a claim with this metadata.
    pub fn new(
        namespace: &str,
        name: ClaimName,
        metadata: &Metadata<'_>,
        spec: &ClaimSpec<'_>,
        directory: &Arc<str>,
    ) -> Self {
        let class = class(metadata).or(spec.storage_class_name.as_deref());
        let class = match class {
            Some(name) => RequestedClass::Named(name.to_owned()),
            None => RequestedClass::Default { directory: Arc::clone(directory) },
        };
        let demand = Demand {
            class,
            is_block: &*spec.volume_mode == "Block",
            modes: AccessModes::new(spec.access_modes.iter().map(|mode| &**mode)),
            // A placeholder may stand for any size.
            request: storage(&spec.resources.requests, Quantity::default()),
            requirements: spec.selector.as_ref().map(requirements).unwrap_or_default(),
        };
        let (uid, volume_name) = (metadata.uid.to_string(), spec.volume_name.to_string());
        Self { namespace: namespace.to_owned(), name, uid, volume_name, demand }
    }
}

/// Returns the storage class in the annotations.
fn class<'m>(metadata: &'m Metadata<'_>) -> Option<&'m str> {
    metadata.annotations.get(CLASS_ANNOTATION).map(|class| &**class)
}

/// Returns the amount of storage: 0 if it is absent, or `unknown` if it is not a quantity.
fn storage(amounts: &Map<'_, Amount>, unknown: Quantity) -> Quantity {
    amounts.get("storage").map_or(Quantity::default(), |Amount(amount)| amount.unwrap_or(unknown))
}

/// A requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

fn requirements(selector: &LabelSelector<'_>) -> Vec<Requirement> {
    let labels = selector.match_labels.iter().map(|(key, value)| Requirement {
        key: key.to_string(),
        operator: "In".to_owned(),
        values: vec![value.to_string()],
    });
    let expressions = selector.match_expressions.iter().map(|expression| Requirement {
        key: expression.key.to_string(),
        operator: expression.operator.to_string(),
        values: expression.values.iter().map(ToString::to_string).collect(),
    });
    labels.chain(expressions).collect()
}

impl Requirement {
    fn matches(&self, labels: &[(String, String)]) -> bool {
        let label = labels.iter().find(|(key, _)| *key == self.key).map(|(_, value)| value);
        let is_listed = label.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    }

    /// Returns the label that a volume must have, if there is only one.
    fn label(&self) -> Option<(&str, &str)> {
        match self.values.as_slice() {
            [value] if self.operator == "In" => Some((&self.key, value)),
            _ => None,
        }
    }
}

/// The properties of a StorageClass that binding depends on.
#[derive(Clone, Debug)]
pub struct StorageClassFacts {
    pub name: String,
    pub is_default: bool,
    /// Whether a claim is bound only when a Pod that uses it is scheduled.
    pub waits_for_pod: bool,
}

impl StorageClassFacts {
    pub fn new(class: &StorageClass<'_>) -> Self {
        let default = class.metadata.annotations.get(DEFAULT_CLASS_ANNOTATION);
        Self {
            name: class.metadata.name.to_string(),
            is_default: default.is_some_and(|value| &**value == "true"),
            waits_for_pod: &*class.volume_binding_mode == "WaitForFirstConsumer",
        }
    }
}

/// Finds the volumes that claims can be bound to. Volumes are referred to by index.
#[derive(Debug, Default)]
pub struct Binder {
    volumes: Vec<VolumeFacts>,
    by_name: HashMap<String, Vec<usize>>,
    /// Volumes with a `claimRef`, by the namespace and name of the claim.
    reserved: HashMap<(String, String), Vec<usize>>,
    /// Volumes with a `claimRef` to a claim with an ordinal, by the namespace and stem.
    reserved_ordinals: HashMap<(String, String), Vec<usize>>,
    /// Free volumes by class and, in each array, by volume mode.
    pools: HashMap<String, [Pool; 2]>,
    default_classes: Vec<String>,
    /// Whether at least two claims can be bound to the volume.
    is_contested: Vec<bool>,
    /// The candidates of each demand among the free volumes.
    free: HashMap<Demand, Vec<usize>>,
}

/// The free volumes of a storage class and volume mode, best first.
#[derive(Debug, Default)]
struct Pool {
    volumes: Vec<usize>,
    by_label: HashMap<(String, String), Vec<usize>>,
    /// Whether claims are bound only when a Pod that uses them is scheduled.
    waits_for_pod: bool,
    /// The number of claims that may be bound to these volumes.
    claims: u64,
}

impl Binder {
    /// Creates a binder for all volumes, claims and storage classes of an input set.
    pub fn new<'c>(
        volumes: Vec<VolumeFacts>,
        classes: &[StorageClassFacts],
        claims: impl Iterator<Item = &'c ClaimFacts>,
    ) -> Self {
        let mut binder = Self { is_contested: vec![false; volumes.len()], volumes, ..Self::default() };
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
            // The controller tries sets with fewer access modes first.
            (ClaimName::Exact(_), Some(count)) => {
                found.extend(free.into_iter().filter(|index| self.is_tried_before(*index, count)));
            }
            // The volumes are reserved for some of the ordinals.
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

    /// Returns the volumes that the claim names and can be bound to.
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

    /// Returns the fitting volumes whose `claimRef` names the claim.
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
        let volume = &self.volumes[index];
        let waits_for_pod = self.pools.get(&volume.class).is_some_and(|pools| pools[0].waits_for_pod);
        !waits_for_pod && volume.modes.count() < count
    }

    /// Returns the classes of the volumes that can satisfy the demand.
    fn classes<'s>(&'s self, demand: &'s Demand) -> Vec<&'s str> {
        match &demand.class {
            RequestedClass::Named(name) => vec![name],
            RequestedClass::Default { .. } if self.default_classes.is_empty() => vec![""],
            RequestedClass::Default { .. } => self.default_classes.iter().map(String::as_str).collect(),
        }
    }

    /// Finds the contested volumes and the candidates of each demand.
    fn compete<'c>(&mut self, claims: impl Iterator<Item = &'c ClaimFacts>) {
        let mut demands: HashMap<&Demand, u64> = HashMap::new();
        let mut named = vec![0_u64; self.volumes.len()];
        for claim in claims {
            if !claim.volume_name.is_empty() {
                self.named(claim).into_iter().for_each(|index| named[index] += 1);
                continue;
            }
            let count = claim.name.count().saturating_sub(self.reserved(claim).len() as u64);
            let total = demands.entry(&claim.demand).or_default();
            *total = total.saturating_add(count);
        }
        for (demand, count) in &demands {
            let classes: Vec<String> = self.classes(demand).into_iter().map(str::to_owned).collect();
            for class in classes {
                if let Some(pools) = self.pools.get_mut(&class) {
                    let claims = &mut pools[usize::from(demand.is_block)].claims;
                    *claims = claims.saturating_add(*count);
                }
            }
        }
        for round in 0..=MAX_ROUNDS {
            let mut takers = named.clone();
            for (demand, count) in demands.iter().filter(|(_, count)| **count > 0) {
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
        self.free = demands.into_keys().map(|demand| (demand.clone(), self.free(demand))).collect();
    }

    /// Returns the free volumes that can satisfy the demand and are at least as good as the best
    /// one that no other claim competes for.
    fn free(&self, demand: &Demand) -> Vec<usize> {
        let mut found = Vec::new();
        for class in self.classes(demand) {
            if let Some(pools) = self.pools.get(class) {
                found.extend(self.free_in(&pools[usize::from(demand.is_block)], demand));
            }
        }
        found
    }

    fn free_in(&self, pool: &Pool, demand: &Demand) -> Vec<usize> {
        let mut found = Vec::new();
        // The number of access modes of the first volume that is certainly left.
        let mut last_count = None;
        let mut available = 0;
        let mut rest = pool.matching_labels(demand);
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
                    !self.is_contested[*index] && !(pool.waits_for_pod && self.volumes[*index].is_pinned)
                };
                // Each of the other claims can take one of the volumes.
                let is_one_left = !pool.waits_for_pod && available as u64 >= pool.claims.max(1);
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

    /// Checks whether a volume of the right class satisfies the demand.
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

/// Checks whether `claimRef` names the claim. A UID in it belongs to a claim that already exists.
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
    /// Returns the access modes of a volume, preceded by their number. The scheduler ignores them
    /// when it compares volumes.
    fn modes(&self, volume: &VolumeFacts) -> (u32, AccessModes) {
        match self.waits_for_pod {
            true => (0, AccessModes::default()),
            false => (volume.modes.count(), volume.modes),
        }
    }

    /// Puts the best volumes first. Of equal volumes, those come first that the caller looks for.
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

    /// Returns the volumes with the first label that the demand requires, or all volumes if it
    /// requires none. They are in the order of the pool.
    fn matching_labels(&self, demand: &Demand) -> &[usize] {
        match demand.requirements.iter().find_map(Requirement::label) {
            Some((key, value)) => {
                let found = self.by_label.get(&(key.to_owned(), value.to_owned()));
                found.map_or(&[], Vec::as_slice)
            }
            None => &self.volumes,
        }
    }
}
