//! The properties of claims, PersistentVolumes and storage classes that binding depends on.

use std::sync::Arc;

use super::claim::{ClaimSpec, LabelSelector};
use super::metadata::Metadata;
use super::quantity::{Amount, Quantity};
use super::storage::{PersistentVolumeSpec, StorageClass};
use super::value::Map;

/// The annotation that sets the storage class of a claim or a PersistentVolume. It takes precedence
/// over `storageClassName`.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The annotations of the default storage class. One of them is sufficient (`IsDefaultAnnotation`
/// in `pkg/volume/util/storageclass.go`).
const DEFAULT_CLASS_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The sources of PersistentVolumes whose volume plugins do not attach volumes to nodes. These
/// plugins have no `CanAttach` and `NewAttacher` in `pkg/volume` of Kubernetes 1.25.
const UNATTACHED_SOURCES: [&str; 6] = ["azureFile", "cephfs", "glusterfs", "hostPath", "local", "nfs"];

/// Provisioners whose volumes are not attached to nodes. Their volumes are network filesystems, or
/// storage of a node. The scheduler assigns all Pods that use storage of a node to this node.
///
/// Sources: the StorageClasses in the manifests of these projects, and `attachRequired: false` of
/// their CSIDriver objects.
const UNATTACHED_PROVISIONERS: [&str; 11] = [
    "docker.io/hostpath",
    "efs.csi.aws.com",
    "file.csi.azure.com",
    "k8s.io/minikube-hostpath",
    "local.csi.openebs.io",
    "microk8s.io/hostpath",
    "nfs.csi.k8s.io",
    "openebs.io/local",
    "rancher.io/local-path",
    "smb.csi.k8s.io",
    "topolvm.io",
];

/// A set of access modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessModes(u8);

impl AccessModes {
    const NAMES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    /// The bit that is shared by all names that Kubernetes does not know.
    const UNKNOWN: u8 = 1 << Self::NAMES.len();

    fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let bit =
            |name| Self::NAMES.iter().position(|known| *known == name).map_or(Self::UNKNOWN, |at| 1 << at);
        Self(names.fold(0, |bits, name| bits | bit(name)))
    }

    /// Checks whether the only mode is `ReadOnlyMany`.
    pub fn is_read_only(self) -> bool {
        self == Self::new(["ReadOnlyMany"].into_iter())
    }

    /// Returns the only mode if it limits a volume to a single node or Pod. Returns `None` for any
    /// other set of modes.
    pub fn exclusive(self) -> Option<&'static str> {
        let is_only = |name: &&str| self == Self::new([*name].into_iter());
        ["ReadWriteOnce", "ReadWriteOncePod"].into_iter().find(is_only)
    }

    /// Returns the number of modes.
    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Checks whether this set contains all modes of `other`. `ReadWriteMany` does not include
    /// `ReadWriteOnce`.
    pub(super) fn contains(self, other: Self) -> bool {
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
    /// The labels, sorted by key.
    pub labels: Vec<(String, String)>,
    /// The claim that the volume is bound to or reserved for.
    pub reservation: Option<Reservation>,
    /// Whether the volume is neither bound, released, failed nor being deleted.
    pub is_available: bool,
    /// Whether only some nodes can access the volume.
    pub is_pinned: bool,
    /// Whether the volume may have to be attached to a node before Pods on the node can mount it.
    pub is_attachable: bool,
    /// Whether the caller looks for the volume. If so, it comes first among equal candidates.
    pub is_relevant: bool,
    /// The directory of the file that contains the object; empty if the path of the file has no
    /// directory.
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
        let mut labels: Vec<(String, String)> =
            labels.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        labels.sort();
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
            // A placeholder can be replaced by any size, so assume the largest.
            capacity: storage(&spec.capacity, Quantity::MAX),
            labels,
            reservation,
            is_available: matches!(phase, "" | "Pending" | "Available")
                && metadata.deletion_timestamp.is_empty(),
            is_attachable: !spec.sources.iter().all(|source| UNATTACHED_SOURCES.contains(source)),
            is_pinned: spec.node_affinity.required.is_some(),
            is_relevant: false,
            directory: Arc::clone(directory),
        }
    }

    /// Checks whether the volume is available and not reserved for a certain claim.
    pub(super) fn is_free(&self) -> bool {
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
    /// The name; empty if it is unknown.
    Exact(String),
    /// The stem, a hyphen and an ordinal, for each ordinal from `first`. `count` is the number of
    /// replicas; `None` if unknown.
    Ordinal { stem: String, first: u64, count: Option<u64> },
}

impl ClaimName {
    /// Checks whether `name` is the name of the claim, or of one of the claims.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(own) => own == name && !name.is_empty(),
            Self::Ordinal { stem, .. } => {
                split_ordinal(name).is_some_and(|(other, ordinal)| other == stem && self.includes(ordinal))
            }
        }
    }

    /// Checks whether the StatefulSet creates a claim with this ordinal. Returns false for an exact
    /// name.
    pub fn includes(&self, ordinal: u64) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Ordinal { first, count, .. } => {
                ordinal >= *first && count.is_none_or(|count| ordinal - first < count)
            }
        }
    }

    /// Returns the number of claims that have one of these names, or 1 if it is unknown.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Exact(_) => 1,
            Self::Ordinal { count, .. } => count.unwrap_or(1),
        }
    }
}

/// Splits a name such as `data-web-0` into `data-web` and the ordinal 0. Returns `None` if the name
/// does not end with an ordinal.
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
    /// The default class. If it is unknown, the claim can be bound to volumes without a class. Most
    /// clusters have a default class, so this applies only to volumes that are probably meant for
    /// the claim. These are the volumes in files in `directory`, in its subdirectories and in its
    /// parent directories.
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
            // A placeholder can be replaced by any size, so assume the smallest.
            request: storage(&spec.resources.requests, Quantity::default()),
            requirements: spec.selector.as_ref().map(requirements).unwrap_or_default(),
        };
        let (uid, volume_name) = (metadata.uid.to_string(), spec.volume_name.to_string());
        Self { namespace: namespace.to_owned(), name, uid, volume_name, demand }
    }

    /// Returns the number of claims that `other` describes, without those that `self` describes. A
    /// claim template describes one claim for each replica.
    pub(super) fn count_rivals(&self, other: &Self) -> u64 {
        if self.namespace != other.namespace {
            return other.name.count();
        }
        match (&self.name, &other.name) {
            (own, other) if own == other => 0,
            (ClaimName::Exact(name), other) if other.matches(name) => other.count().saturating_sub(1),
            (own, ClaimName::Exact(name)) if own.matches(name) => 0,
            (ClaimName::Ordinal { stem: own, .. }, ClaimName::Ordinal { stem, .. }) if own == stem => 0,
            (_, other) => other.count(),
        }
    }
}

/// Returns the storage class in the annotations, or `None` if they set none.
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
    /// Checks whether the labels, sorted by key, satisfy the requirement.
    pub(super) fn matches(&self, labels: &[(String, String)]) -> bool {
        let at = labels.binary_search_by(|(key, _)| key.cmp(&self.key)).ok();
        let label = at.map(|at| &labels[at].1);
        let is_listed = label.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    }

    /// Returns the labels that an `In` requirement allows, or `None` for any other operator. A
    /// volume must have one of the labels.
    pub(super) fn labels(&self) -> Option<impl Iterator<Item = (String, String)>> {
        let label = |value: &String| (self.key.clone(), value.clone());
        (self.operator == "In").then(|| self.values.iter().map(label))
    }
}

/// The properties of a StorageClass that binding depends on.
#[derive(Clone, Debug)]
pub struct StorageClassFacts {
    pub name: String,
    pub is_default: bool,
    /// Whether a claim is bound only when a Pod that uses it is scheduled.
    pub waits_for_pod: bool,
    /// Whether volumes of this class may have to be attached to a node.
    pub is_attachable: bool,
}

impl StorageClassFacts {
    pub fn new(class: &StorageClass<'_>) -> Self {
        let is_true =
            |key: &&str| class.metadata.annotations.get(key).is_some_and(|value| &**value == "true");
        Self {
            name: class.metadata.name.to_string(),
            is_default: DEFAULT_CLASS_ANNOTATIONS.iter().any(is_true),
            waits_for_pod: &*class.volume_binding_mode == "WaitForFirstConsumer",
            is_attachable: !UNATTACHED_PROVISIONERS.contains(&&*class.provisioner),
        }
    }
}
