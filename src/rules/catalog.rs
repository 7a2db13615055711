//! The catalogue of host paths: what is where on a node, and what reaching it means.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;
use crate::model::{HasPattern, HostPath, PathList, PathPattern, Relation};

/// What reaching an entry of the catalogue means; the worse first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryClass {
    /// A container runtime's socket: root on the node.
    Socket,
    /// Bad at any access.
    Never,
    /// Keys of a cloud account.
    Credentials,
    /// A socket of another agent of the node.
    AgentSocket,
    /// Bad where it can be written.
    Read,
    /// Of no use to an attacker who can only read it.
    Harmless,
}

/// What is at a path of the node, as `hostPath.type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum HostPathType {
    /// A folder.
    Directory,
    /// A file.
    File,
    /// A Unix socket, or a named pipe of Windows.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl HostPathType {
    /// All, in the order of Kubernetes' documentation.
    pub const ALL: [Self; 5] =
        [Self::Directory, Self::File, Self::Socket, Self::CharDevice, Self::BlockDevice];

    /// Its word in `hostPath.type`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::File => "File",
            Self::Socket => "Socket",
            Self::CharDevice => "CharDevice",
            Self::BlockDevice => "BlockDevice",
        }
    }

    /// What it is called in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Socket => "socket",
            Self::CharDevice | Self::BlockDevice => "device",
        }
    }

    /// Whether a read-only mount doesn't keep anyone from writing to it: the kernel refuses writes to
    /// files and folders of a read-only mount, not to what is connected to or driven.
    pub fn ignores_read_only(self) -> bool {
        matches!(self, Self::Socket | Self::CharDevice | Self::BlockDevice)
    }
}

/// One entry of the catalogue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The path, as it is written there.
    pub path: String,
    /// The same, to compare with.
    pub pattern: PathPattern,
    /// What reaching it means.
    pub class: EntryClass,
    /// Why, in one clause.
    pub reason: String,
    /// What is there.
    pub file_type: Option<HostPathType>,
    /// How bad it is, where the class leaves that open.
    pub severity: Option<Severity>,
}

/// What a path is to a node.
#[derive(Clone, Copy, Debug)]
pub enum Class<'c> {
    /// All of it.
    Root,
    /// A runtime's socket.
    Socket(&'c Entry),
    /// A folder that holds a runtime's socket.
    SocketParent(&'c Entry),
    /// At or inside an entry.
    Inside(&'c Entry),
    /// Above an entry, and inside none.
    Above(&'c Entry),
    /// Not in the catalogue: not the node's own.
    Unlisted,
}

impl<'c> Class<'c> {
    /// The entry that decided, and whether the path is above it.
    pub fn entry(self) -> Option<(&'c Entry, bool)> {
        match self {
            Self::Socket(entry) | Self::Inside(entry) => Some((entry, false)),
            Self::SocketParent(entry) | Self::Above(entry) => Some((entry, true)),
            Self::Root | Self::Unlisted => None,
        }
    }

    /// Whether the path is the node's own, there on every node.
    pub fn is_catalogued(self) -> bool {
        !matches!(self, Self::Unlisted)
    }

    /// Where it stands among the classes; the worst first.
    pub fn rank(self) -> impl Ord {
        match self {
            Self::Socket(_) => (0, None),
            Self::SocketParent(_) => (1, None),
            Self::Root => (2, None),
            Self::Inside(entry) | Self::Above(entry) => (3, Some(entry.class)),
            Self::Unlisted => (4, None),
        }
    }
}

impl Entry {
    /// Which of the entries below a path to speak of: the worst; of these one that has just this name, and
    /// the shallowest; else the first.
    fn below(&self) -> impl Ord {
        (self.class, Reverse(self.severity), self.pattern.has_wildcard(), self.pattern.depth())
    }
}

/// All entries.
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
    /// A catalogue of these entries.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// The entries, as given.
    pub fn entries(&self) -> &[Entry] {
        self.entries.items()
    }

    /// The entries that `path` is, is above of or is inside of, in order, and which of that it is.
    pub fn related<'c, 'p>(
        &'c self,
        path: &'p HostPath,
    ) -> impl Iterator<Item = (&'c Entry, Relation)> + use<'c, 'p> {
        self.entries.related(path)
    }

    /// What `path` is: a runtime's socket decides first, then the nearest entry at or above the path, then
    /// the worst one below it.
    pub fn classify(&self, path: &HostPath) -> Class<'_> {
        if path.is_root() {
            return Class::Root;
        }
        let (mut nearest, mut below) = (None::<&Entry>, None::<&Entry>);
        for (entry, relation) in self.related(path) {
            match (relation, entry.class) {
                (Relation::Unrelated, _) => {}
                (Relation::Equal | Relation::Descendant, EntryClass::Socket) => return Class::Socket(entry),
                (Relation::Equal | Relation::Descendant, _) => {
                    if nearest.is_none_or(|known| known.pattern.depth() < entry.pattern.depth()) {
                        nearest = Some(entry);
                    }
                }
                (Relation::Ancestor, _) => {
                    if below.is_none_or(|known| entry.below() < known.below()) {
                        below = Some(entry);
                    }
                }
            }
        }
        match (nearest, below) {
            (_, Some(entry)) if entry.class == EntryClass::Socket => Class::SocketParent(entry),
            (Some(entry), _) => Class::Inside(entry),
            (None, Some(entry)) => Class::Above(entry),
            (None, None) => Class::Unlisted,
        }
    }

    /// Whether something below `path` can be written through a read-only mount.
    pub fn opens_below(&self, path: &HostPath) -> bool {
        self.related(path).any(|(entry, relation)| {
            entry.file_type.is_some_and(HostPathType::ignores_read_only) && relation == Relation::Ancestor
        })
    }

    /// Whether an entry is a folder of devices: what is in it may be one, known or not.
    pub fn holds_devices(&self, entry: &Entry) -> bool {
        let folder = HostPath::new(&entry.path);
        self.related(&folder).any(|(inner, relation)| {
            matches!(inner.file_type, Some(HostPathType::CharDevice | HostPathType::BlockDevice))
                && relation == Relation::Ancestor
        })
    }

    /// What surely is at `path`; none where the catalogue doesn't say.
    pub fn file_type(&self, path: &HostPath) -> Option<HostPathType> {
        let here = self.related(path).filter(|(_, relation)| *relation == Relation::Equal);
        here.map(|(entry, _)| entry)
            .max_by_key(|entry| entry.pattern.depth())
            .and_then(|entry| entry.file_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_lies_below_a_path_the_one_with_a_name_is_said() {
        let entry = |path: &str| Entry {
            path: path.to_owned(),
            pattern: PathPattern::new(path).expect("a pattern"),
            class: EntryClass::Never,
            reason: String::new(),
            file_type: None,
            severity: None,
        };
        for paths in [["/a/*", "/a/b/c"], ["/a/b/c", "/a/*"], ["/a/b/c", "/a/b/c/d"], ["/a/x/*", "/a/b/c"]] {
            let catalog = Catalog::new(paths.map(entry).into());
            let said = catalog.classify(&HostPath::new("/a")).entry().map(|(entry, _)| entry.path.as_str());
            assert_eq!(said, Some("/a/b/c"), "{paths:?}");
        }
    }
}
