//! Rule options: built-in tables and policy settings.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::image_data::ImageCatalog;
use crate::finding::{RuleId, Severity};
use crate::model::{HasPattern, HostPath, KubernetesVersion, PathList, PathPattern, Relation};
use crate::rules::RuleOption;

/// A path in a list, and the reason why it is listed.
#[derive(Clone, Debug)]
pub struct ListedPath {
    /// The path as written in the list.
    pub path: String,
    /// The path as a pattern.
    pub pattern: PathPattern,
    /// The reason, as a verb phrase whose subject is the path. For a [`MountParent`], it is a
    /// complete clause.
    pub reason: String,
}

impl HasPattern for ListedPath {
    fn pattern(&self) -> &PathPattern {
        &self.pattern
    }
}

/// A directory in containers where a well-known image stores application data.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    pub directory: ListedPath,
    /// The paths of the data in the directory; empty if they differ between images.
    pub data: Vec<PathPattern>,
}

impl From<ListedPath> for DataDirectory {
    /// Creates an entry for a directory that directly contains the data.
    fn from(directory: ListedPath) -> Self {
        let data = vec![directory.pattern.clone()];
        Self { directory, data }
    }
}

impl HasPattern for DataDirectory {
    fn pattern(&self) -> &PathPattern {
        &self.directory.pattern
    }
}

/// A directory of the node below which other filesystems are mounted.
#[derive(Clone, Debug)]
pub struct MountParent {
    pub directory: ListedPath,
    /// The severity of a finding about a mount that gives write access to these filesystems.
    pub severity: Severity,
}

/// The policy key for paths on the node.
pub(crate) const CATALOG: RuleOption =
    RuleOption::policy_key("hostPaths.catalog", "paths on your nodes, with their classes");
/// The policy key for directories with application data.
pub(crate) const DATA_DIRECTORIES: RuleOption = RuleOption::policy_key(
    "dataDirectories",
    "directories in containers where applications store data, in addition to the built-in ones",
);
/// The policy key for directories with temporary files.
pub(crate) const SCRATCH_DIRECTORIES: RuleOption = RuleOption::policy_key(
    "scratchDirectories",
    "directories in containers that contain only temporary files, in addition to the built-in ones",
);
/// The policy key for the version of Kubernetes.
pub(crate) const KUBERNETES_VERSION: RuleOption = RuleOption::policy_key(
    "kubernetesVersion",
    "the version of Kubernetes that runs the objects; 1.37 by default",
);

/// The input of rules besides the object: built-in tables and settings of the policy.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub catalog: Catalog,
    /// Directories in containers where well-known images store application data.
    pub data_directories: PathList<DataDirectory>,
    /// Well-known images that store data.
    pub image_data: Arc<ImageCatalog>,
    /// Directories in containers for scratch files.
    pub scratch_directories: PathList<ListedPath>,
    /// Directories on nodes for scratch files.
    pub node_scratch_directories: PathList<ListedPath>,
    pub mount_parents: Vec<MountParent>,
    /// The policy's allow list of host paths; `None` if it has none.
    pub allowed_host_paths: Option<Vec<AllowedHostPath>>,
    /// The policy's allow list of volume types; `None` if it has none.
    pub allowed_volume_types: Option<Vec<String>>,
    /// Whether every claim must name its storage class.
    pub requires_claim_class: bool,
    /// The version of Kubernetes that runs the objects.
    pub kubernetes_version: KubernetesVersion,
    /// The `sizeLimit` that the fix of a rule sets, if the policy configures one.
    pub default_sizes: HashMap<RuleId, String>,
}

impl Options {
    /// Returns the `sizeLimit` that the fix of `rule` sets. The default is `1Gi`.
    pub fn default_size(&self, rule: RuleId) -> &str {
        self.default_sizes.get(&rule).map_or("1Gi", String::as_str)
    }
}

/// An entry of the policy's allow list.
#[derive(Clone, Debug)]
pub struct AllowedHostPath {
    /// The path as written in the policy.
    pub path: String,
    /// The path as a pattern. Everything below it is allowed too.
    pub pattern: PathPattern,
    /// Whether only read-only mounts are allowed.
    pub is_read_only: bool,
}

impl AllowedHostPath {
    /// Checks whether `path` is at or below the path of the entry. Returns false for a relative
    /// path and for a path with `..`, because their target is unknown.
    pub fn covers(&self, path: &HostPath) -> bool {
        matches!(path.relation(&self.pattern), Relation::Equal | Relation::Descendant)
            && !path.is_relative()
            && !path.has_backstep()
    }

    /// Returns a sort key. If several entries cover a path, the one with the greatest key decides.
    /// This is the most specific entry. Among equally specific entries, it is one that requires
    /// read-only mounts, if there is one.
    pub fn precedence(&self) -> impl Ord + use<> {
        (self.pattern.specificity(), self.is_read_only)
    }

    /// Returns the entry of `others` that makes this entry redundant, or `None` if there is none.
    /// Such an entry is for the same paths, or it makes the same decision about all paths of this
    /// entry.
    pub fn redundant_with<'o>(&self, mut others: impl Iterator<Item = &'o Self> + Clone) -> Option<&'o Self> {
        let outer = others.clone().filter(|other| other.pattern.contains(&self.pattern));
        let nearest = outer.max_by_key(|other| other.precedence())?;
        let is_same = nearest.pattern == self.pattern;
        let is_between = |other: &Self| {
            other.is_read_only != self.is_read_only
                && other.pattern.overlaps(&self.pattern)
                && nearest.precedence() < other.precedence()
                && other.precedence() < self.precedence()
        };
        let decides_alike = nearest.is_read_only == self.is_read_only && !others.any(is_between);
        (is_same || decides_alike).then_some(nearest)
    }
}
