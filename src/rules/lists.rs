//! Options: what rules know beside the object.

use std::collections::HashMap;

use super::catalog::Catalog;
use super::context::HostUse;
use crate::finding::Severity;
use crate::model::{HasPattern, HostPath, PathList, PathPattern, Relation};

/// A path of a list, and why it stands there.
#[derive(Clone, Debug)]
pub struct NamedPath {
    /// As it is written.
    pub path: String,
    /// The same, to compare with.
    pub pattern: PathPattern,
    /// Why, in one clause.
    pub reason: String,
}

impl HasPattern for NamedPath {
    fn pattern(&self) -> &PathPattern {
        &self.pattern
    }
}

/// A folder of the node below which other file systems are mounted.
#[derive(Clone, Debug)]
pub struct MountParent {
    /// The folder.
    pub named: NamedPath,
    /// How bad it is that these stay writable.
    pub severity: Severity,
}

/// What all rules may use beside the object that they judge.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What is where on a node.
    pub catalog: Catalog,
    /// Where well-known images keep the data of an application.
    pub data_directories: PathList<NamedPath>,
    /// Where a container keeps what it can lose.
    pub scratch_directories: PathList<NamedPath>,
    /// Where a node does.
    pub node_scratch_directories: PathList<NamedPath>,
    /// Folders with mounts below.
    pub mount_parents: Vec<MountParent>,
    /// The allowed host paths; none where there is no such list.
    pub allowed_host_paths: Option<Vec<AllowedHostPath>>,
    /// What `sizeLimit` the fix of a rule writes, where the policy says so.
    pub default_sizes: HashMap<&'static str, String>,
}

impl Options {
    /// What `sizeLimit` the fix of the rule `id` writes.
    pub fn default_size(&self, id: &str) -> &str {
        self.default_sizes.get(id).map_or("1Gi", String::as_str)
    }

    /// Whether the allow list holds a path of the node, with the access that its mount asks for.
    pub fn allows(&self, used: &HostUse<'_>) -> bool {
        let list = self.allowed_host_paths.iter().flatten();
        let mut holding = list.filter(|entry| entry.holds(&used.path));
        holding.any(|entry| used.is_read_only || !entry.is_read_only)
    }
}

/// An entry of the allow list.
#[derive(Clone, Debug)]
pub struct AllowedHostPath {
    /// The path; what is inside is allowed, too.
    pub pattern: PathPattern,
    /// Whether it may only be read.
    pub is_read_only: bool,
}

impl AllowedHostPath {
    /// Whether the path is the entry's, or inside of it. Nobody knows where a relative path ends.
    pub fn holds(&self, path: &HostPath) -> bool {
        matches!(path.relation(&self.pattern), Relation::Equal | Relation::Descendant)
            && !path.is_relative()
            && !path.has_backstep()
    }
}
