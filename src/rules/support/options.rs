//! Options: what rules know besides the object.

use std::collections::HashMap;

use super::catalog::Catalog;
use crate::finding::{RuleId, Severity};
use crate::model::{HasPattern, HostPath, PathList, PathPattern, Relation};

/// A path in a list, with the reason for which it is listed.
#[derive(Clone, Debug)]
pub struct ListedPath {
    /// The path as written in the list.
    pub path: String,
    /// The same path as a pattern to match.
    pub pattern: PathPattern,
    /// The reason, in one clause.
    pub reason: String,
}

impl HasPattern for ListedPath {
    fn pattern(&self) -> &PathPattern {
        &self.pattern
    }
}

/// A directory of the node below which other filesystems are mounted.
#[derive(Clone, Debug)]
pub struct MountParent {
    pub directory: ListedPath,
    /// The severity of leaving these filesystems writable.
    pub severity: Severity,
}

/// What rules know besides the object that they check: built-in tables and the policy's settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub catalog: Catalog,
    /// Directories of a container where well-known images keep application data.
    pub data_directories: PathList<ListedPath>,
    /// Directories of a container for scratch files.
    pub scratch_directories: PathList<ListedPath>,
    /// Directories of the node for scratch files.
    pub node_scratch_directories: PathList<ListedPath>,
    pub mount_parents: Vec<MountParent>,
    /// The host paths that workloads may use; `None` if the policy has no such list.
    pub allowed_host_paths: Option<Vec<AllowedHostPath>>,
    /// The `sizeLimit` that the fix of a rule writes, if the policy sets one.
    pub default_sizes: HashMap<RuleId, String>,
}

impl Options {
    /// Returns the `sizeLimit` that the fix of `rule` writes: `1Gi` unless the policy sets another one.
    pub fn default_size(&self, rule: RuleId) -> &str {
        self.default_sizes.get(&rule).map_or("1Gi", String::as_str)
    }
}

/// An entry of the policy's allow list.
#[derive(Clone, Debug)]
pub struct AllowedHostPath {
    /// The path as written in the policy.
    pub path: String,
    /// The same path as a pattern; everything below it is allowed too.
    pub pattern: PathPattern,
    /// Whether only read-only mounts are allowed.
    pub is_read_only: bool,
}

impl AllowedHostPath {
    /// Checks whether `path` is the entry's path or below it. A relative path or one with `..` never is: where
    /// it leads is unknown.
    pub fn covers(&self, path: &HostPath) -> bool {
        matches!(path.relation(&self.pattern), Relation::Equal | Relation::Descendant)
            && !path.is_relative()
            && !path.has_backstep()
    }
}
