//! Rule options: built-in tables and policy settings.

use std::collections::HashMap;

use super::catalog::Catalog;
use crate::finding::{RuleId, Severity};
use crate::model::{HasPattern, HostPath, KubernetesVersion, PathList, PathPattern, Relation};

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

/// The settings with which a well-known image finds its data.
#[derive(Clone, Debug)]
pub struct ImageData {
    /// The last parts of the names of the images, without tags.
    pub names: Vec<String>,
    /// The environment variables that contain a data path.
    pub variables: Vec<String>,
    /// The command-line flags whose value is a data path.
    pub arguments: Vec<String>,
    /// An argument that makes the program store data in a default path.
    pub implied: Option<ImpliedData>,
    /// The volumes with data that the image declares.
    pub volumes: Vec<ImageVolume>,
    /// The data, as a verb phrase whose subject is the path.
    pub reason: String,
}

impl ImageData {
    /// Iterates over the paths of the volumes that the image declares. Omits a volume if the tag
    /// does not tell whether the image declares it.
    pub fn volumes(&self, image: &str) -> impl Iterator<Item = &ImageVolume> {
        let (_, tag) = image_name(image);
        let digits = tag.find(|c: char| !c.is_ascii_digit()).unwrap_or(tag.len());
        let version: Option<u32> = tag[..digits].parse().ok();
        self.volumes.iter().filter(move |volume| match volume.before {
            None => true,
            Some(before) => version.is_some_and(|version| version < before),
        })
    }
}

/// Returns the last part of an image's name, and the image's tag, which is empty if absent.
fn image_name(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    image.split_once(':').unwrap_or((image, ""))
}

/// A volume that an image declares (`VOLUME` in its Dockerfile).
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageVolume {
    pub path: String,
    /// The first major version, according to the tag, that does not declare the volume; `None` if
    /// all versions declare it.
    pub before: Option<u32>,
}

/// A data path that an argument implies.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImpliedData {
    pub argument: String,
    pub value: String,
    pub path: String,
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
    pub data_directories: PathList<DataDirectory>,
    /// Well-known images whose settings contain data paths.
    pub image_data: Vec<ImageData>,
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
    /// Returns the settings of a well-known image, by the last part of its name without tag and
    /// digest.
    pub fn image_data(&self, image: &str) -> Option<&ImageData> {
        let (name, _) = image_name(image);
        self.image_data.iter().find(|image| image.names.iter().any(|known| known == name))
    }

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

    /// Returns a sort key. Of the entries that cover a path, the one with the greatest key decides:
    /// the most specific one, and of equally specific ones, one that requires read-only mounts.
    pub fn precedence(&self) -> impl Ord + use<> {
        (self.pattern.specificity(), self.is_read_only)
    }

    /// Returns the entry of `others` because of which this one has no effect, if there is one: an
    /// entry for the same paths, or one that decides in the same way about all of them.
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
