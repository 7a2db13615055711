//! The host path catalog: well-known paths on nodes, and the risks of access to them.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;
use crate::model::{HasPattern, HostPath, PathList, PathPattern, Relation};

/// The class of a catalog entry, from the most to the least harmful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryClass {
    /// A container runtime socket. Any client can become root on the node.
    Socket,
    /// Harmful even with read-only access.
    Critical,
    /// Credentials for a cloud or a registry.
    Credentials,
    /// The socket of another daemon on the node.
    AgentSocket,
    /// Harmful with write access. Read-only access is reported as an info.
    Sensitive,
    /// Harmless with read-only access, which is not reported. Harmful with write access.
    Harmless,
}

impl EntryClass {
    /// Returns the name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Critical => "critical",
            Self::Credentials => "credentials",
            Self::AgentSocket => "agent-socket",
            Self::Sensitive => "sensitive",
            Self::Harmless => "harmless",
        }
    }
}

/// The type of a file on the node, as in `hostPath.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum HostPathType {
    Directory,
    File,
    /// A Unix socket or a Windows named pipe.
    Socket,
    CharDevice,
    BlockDevice,
}

impl HostPathType {
    /// All types, in the order of the Kubernetes documentation.
    pub const ALL: [Self; 5] =
        [Self::Directory, Self::File, Self::Socket, Self::CharDevice, Self::BlockDevice];

    /// Returns the value of `hostPath.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::File => "File",
            Self::Socket => "Socket",
            Self::CharDevice => "CharDevice",
            Self::BlockDevice => "BlockDevice",
        }
    }

    /// Returns the noun for use in a sentence, without an article.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Socket => "socket",
            Self::CharDevice | Self::BlockDevice => "device",
        }
    }

    /// Checks whether a container can write to a file of this type through a read-only mount. The
    /// kernel rejects writes to files and directories of a read-only mount, but not connections to
    /// a socket or writes to a device.
    pub fn bypasses_read_only(self) -> bool {
        matches!(self, Self::Socket | Self::CharDevice | Self::BlockDevice)
    }
}

/// An entry of the catalog.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The path as written in the catalog.
    pub path: String,
    /// The path as a pattern.
    pub pattern: PathPattern,
    pub class: EntryClass,
    /// Why access is harmful, as a verb phrase whose subject is the path.
    pub reason: String,
    /// The type of the file at the path, if known.
    pub file_type: Option<HostPathType>,
    /// The severity of an agent socket; `None` for other classes.
    pub severity: Option<Severity>,
}

/// The class of a host path, determined by the catalog entries at, above or below it.
#[derive(Clone, Copy, Debug)]
pub enum PathClass<'c> {
    /// The root of the node's filesystem.
    Root,
    /// The socket of a container runtime, or a path below it.
    Socket(&'c Entry),
    /// A directory that contains the socket of a container runtime.
    SocketParent(&'c Entry),
    /// A path at or below an entry that is not a runtime socket.
    Inside(&'c Entry),
    /// A path above an entry, but not at or below any entry.
    Above(&'c Entry),
    /// A common data directory above an entry, such as `/mnt`. Only the nodes of some distributions
    /// have the path of the entry.
    DataDirectory(&'c Entry),
    /// A path that is not at, above or below any entry.
    Unlisted,
}

impl<'c> PathClass<'c> {
    /// Returns the entry that determines the class, and the relation of the path to it. The
    /// relation is `Descendant` for a path at or below the entry, and `Ancestor` for a path above
    /// it. Returns `None` for the root and for unlisted paths.
    pub fn entry(self) -> Option<(&'c Entry, Relation)> {
        match self {
            Self::Socket(entry) | Self::Inside(entry) => Some((entry, Relation::Descendant)),
            Self::SocketParent(entry) | Self::Above(entry) | Self::DataDirectory(entry) => {
                Some((entry, Relation::Ancestor))
            }
            Self::Root | Self::Unlisted => None,
        }
    }

    /// Checks whether the path is the root, or is at, above or below an entry. Such a path belongs
    /// to the node, not to an application. Returns false for common data directories.
    pub fn is_in_catalog(self) -> bool {
        !matches!(self, Self::DataDirectory(_) | Self::Unlisted)
    }

    /// Returns a sort key that orders paths from the most to the least harmful.
    pub fn rank(self) -> impl Ord {
        match self {
            Self::Socket(_) => (0, None),
            Self::SocketParent(_) => (1, None),
            Self::Root => (2, None),
            Self::Inside(entry) | Self::Above(entry) | Self::DataDirectory(entry) => (3, Some(entry.class)),
            Self::Unlisted => (4, None),
        }
    }
}

impl Entry {
    /// Returns the sort key of an entry below a path. The entry with the smallest key determines
    /// the class of the path. Keys are ordered by harm, most harmful first. Among equally harmful
    /// entries, those without a wildcard come first. Remaining ties are ordered by the number of
    /// segments, fewest first.
    fn precedence_below(&self) -> impl Ord {
        (self.class, Reverse(self.severity), self.pattern.has_wildcard(), self.pattern.depth())
    }
}

/// Directories that usually contain only data of applications, although some distributions store
/// files of the node below them.
const DATA_DIRECTORIES: &[&str] = &["/mnt", "/srv", "/var/data"];

fn is_data_directory(path: &HostPath) -> bool {
    DATA_DIRECTORIES.iter().any(|directory| *path == HostPath::new(directory))
}

/// The host path catalog.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: PathList<Entry>,
}

impl HasPattern for Entry {
    fn pattern(&self) -> &PathPattern {
        &self.pattern
    }
}

impl Catalog {
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// Returns the entries in the order of the catalog.
    pub fn entries(&self) -> &[Entry] {
        self.entries.items()
    }

    /// Iterates over the entries related to `path`, each with the relation of `path` to it.
    pub fn related<'c>(&'c self, path: &HostPath) -> impl Iterator<Item = (&'c Entry, Relation)> + use<'c> {
        self.entries.related(path)
    }

    /// Returns the class of `path`. The first match determines it:
    ///
    /// 1. the root of the filesystem
    /// 2. a container runtime socket at or above the path
    /// 3. a container runtime socket below the path
    /// 4. the nearest entry at or above the path
    /// 5. the most harmful entry below the path
    pub fn classify(&self, path: &HostPath) -> PathClass<'_> {
        if path.is_root() {
            return PathClass::Root;
        }
        let (mut nearest, mut below) = (None::<&Entry>, None::<&Entry>);
        for (entry, relation) in self.related(path) {
            match (relation, entry.class) {
                (Relation::Unrelated, _) => {}
                (Relation::Equal | Relation::Descendant, EntryClass::Socket) => {
                    return PathClass::Socket(entry);
                }
                (Relation::Equal | Relation::Descendant, _) => {
                    if nearest.is_none_or(|known| known.pattern.depth() < entry.pattern.depth()) {
                        nearest = Some(entry);
                    }
                }
                (Relation::Ancestor, _) => {
                    if below.is_none_or(|known| entry.precedence_below() < known.precedence_below()) {
                        below = Some(entry);
                    }
                }
            }
        }
        match (nearest, below) {
            (_, Some(entry)) if entry.class == EntryClass::Socket => PathClass::SocketParent(entry),
            (Some(entry), _) => PathClass::Inside(entry),
            (None, Some(entry)) if is_data_directory(path) => PathClass::DataDirectory(entry),
            (None, Some(entry)) => PathClass::Above(entry),
            (None, None) => PathClass::Unlisted,
        }
    }

    /// Checks whether the catalog has a socket or a device below `path`. A container can write to
    /// such a file through a read-only mount.
    pub fn has_read_only_bypass_below(&self, path: &HostPath) -> bool {
        self.related(path).any(|(entry, relation)| {
            entry.file_type.is_some_and(HostPathType::bypasses_read_only) && relation == Relation::Ancestor
        })
    }

    /// Checks whether `entry` is a directory below which the catalog has devices. If so, any file
    /// in the directory may be a device.
    pub fn contains_devices(&self, entry: &Entry) -> bool {
        let directory = HostPath::new(&entry.path);
        self.related(&directory).any(|(below, relation)| {
            matches!(below.file_type, Some(HostPathType::CharDevice | HostPathType::BlockDevice))
                && relation == Relation::Ancestor
        })
    }

    /// Returns the type of the file at `path`; `None` if no entry matches exactly this path, or if
    /// the entry has no type.
    pub fn file_type(&self, path: &HostPath) -> Option<HostPathType> {
        let equal = self.related(path).filter(|(_, relation)| *relation == Relation::Equal);
        equal
            .map(|(entry, _)| entry)
            .max_by_key(|entry| entry.pattern.depth())
            .and_then(|entry| entry.file_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_without_wildcard_takes_precedence() {
        let entry = |path: &str| Entry {
            path: path.to_owned(),
            pattern: PathPattern::new(path).expect("a valid pattern"),
            class: EntryClass::Critical,
            reason: String::new(),
            file_type: None,
            severity: None,
        };
        for paths in [["/a/*", "/a/b/c"], ["/a/b/c", "/a/*"], ["/a/b/c", "/a/b/c/d"], ["/a/x/*", "/a/b/c"]] {
            let catalog = Catalog::new(paths.map(entry).into());
            let entry_path =
                catalog.classify(&HostPath::new("/a")).entry().map(|(entry, _)| entry.path.as_str());
            assert_eq!(entry_path, Some("/a/b/c"), "{paths:?}");
        }
    }
}
