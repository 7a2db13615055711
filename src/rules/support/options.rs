//! Rule options: built-in tables and policy settings.

use std::collections::HashMap;

use super::catalog::Catalog;
use crate::finding::{RuleId, Severity};
use crate::model::{HasPattern, HostPath, PathList, PathPattern, Relation};

/// A path in a list, and the reason why it is listed.
#[derive(Clone, Debug)]
pub struct ListedPath {
    /// The path as written in the list.
    pub path: String,
    /// The path as a pattern.
    pub pattern: PathPattern,
    /// The reason, as a verb phrase whose subject is the path. For a mount parent, a complete
    /// clause.
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
    /// The severity of a finding about a mount that gives write access to these filesystems.
    pub severity: Severity,
}

/// The input of rules besides the object: built-in tables and settings of the policy.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub catalog: Catalog,
    /// Directories in containers where well-known images store application data.
    pub data_directories: PathList<ListedPath>,
    /// Directories in containers for scratch files.
    pub scratch_directories: PathList<ListedPath>,
    /// Directories on nodes for scratch files.
    pub node_scratch_directories: PathList<ListedPath>,
    pub mount_parents: Vec<MountParent>,
    /// The policy's allow list of host paths; `None` if it has none.
    pub allowed_host_paths: Option<Vec<AllowedHostPath>>,
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
}
