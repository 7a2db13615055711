//! Host path types: the type that a volume requests, and the type that its path suggests.

use super::catalog::{Catalog, Entry, HostPathType};
use super::context::HostPathVolume;
use super::devices::{device_type, type_of_device_name};
use crate::model::{HostPath, Relation};

/// A valid, non-empty value of `hostPath.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestedType {
    /// The type that the path must have.
    pub(crate) file_type: HostPathType,
    /// Whether the kubelet creates a missing path.
    pub(crate) creates: bool,
}

impl RequestedType {
    /// All values, in the order of the Kubernetes documentation.
    pub(crate) const ALL: [Self; 7] = [
        Self { file_type: HostPathType::Directory, creates: true },
        Self { file_type: HostPathType::Directory, creates: false },
        Self { file_type: HostPathType::File, creates: true },
        Self { file_type: HostPathType::File, creates: false },
        Self { file_type: HostPathType::Socket, creates: false },
        Self { file_type: HostPathType::CharDevice, creates: false },
        Self { file_type: HostPathType::BlockDevice, creates: false },
    ];

    /// Returns the type that a volume requests; `None` if it has no `type` or an unknown one.
    pub(crate) fn of_volume(volume: &HostPathVolume<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|requested| volume.declared_type == Some(requested.name()))
    }

    /// Returns the value of `hostPath.type`.
    pub(crate) fn name(self) -> &'static str {
        match (self.file_type, self.creates) {
            (HostPathType::Directory, true) => "DirectoryOrCreate",
            (HostPathType::File, true) => "FileOrCreate",
            (file_type, _) => file_type.name(),
        }
    }
}

/// Returns the type with its article, for use in a sentence.
pub(crate) fn with_article(file_type: HostPathType) -> &'static str {
    match file_type {
        HostPathType::Directory => "a directory",
        HostPathType::File => "a file",
        HostPathType::Socket => "a socket",
        HostPathType::CharDevice => "a character device",
        HostPathType::BlockDevice => "a block device",
    }
}

/// Returns the type of `path` if it is certain, otherwise `None`. The first match determines it:
///
/// 1. the type in the catalog
/// 2. a directory, if the path is the root or above a catalog entry without a wildcard
/// 3. the type of a well-known file or directory below `/dev`
/// 4. a socket, if the name ends in `.sock`
pub(crate) fn known_type(catalog: &Catalog, path: &HostPath) -> Option<HostPathType> {
    // An entry with a wildcard does not prove that the path above it is a directory.
    let is_above =
        |(entry, relation): (&Entry, _)| relation == Relation::Ancestor && !entry.path.contains('*');
    match catalog.file_type(path) {
        Some(file_type) => Some(file_type),
        None if path.is_root() || catalog.related(path).any(is_above) => Some(HostPathType::Directory),
        None => device_type(path)
            .or_else(|| path.name().filter(|name| name.ends_with(".sock")).map(|_| HostPathType::Socket)),
    }
}

/// Returns the probable type of a volume's path; `None` if no type is probable.
pub(crate) fn probable_type(catalog: &Catalog, volume: &HostPathVolume<'_>) -> Option<HostPathType> {
    match known_type(catalog, &volume.clean) {
        None if HostPath::has_directory_suffix(volume.path) => Some(HostPathType::Directory),
        // Only a directory has sub paths.
        None if volume.accesses.iter().any(|access| access.path != volume.clean) => {
            Some(HostPathType::Directory)
        }
        None => type_from_name(&volume.clean),
        known => known,
    }
}

/// Returns the type that the name of a path suggests. This is a directory, unless the name suggests
/// another type. Returns `None` for an unknown name below `/dev`.
pub(crate) fn type_from_name(path: &HostPath) -> Option<HostPathType> {
    let text = path.to_string();
    let is_program =
        || text.rsplit_once('/').is_some_and(|(directory, _)| PROGRAM_DIRECTORIES.contains(&directory));
    match text.strip_prefix("/dev/") {
        Some(name) => type_of_device_name(name),
        None if path.name().is_some_and(is_file_name) || is_program() => Some(HostPathType::File),
        None => Some(HostPathType::Directory),
    }
}

/// Directories that contain only programs.
const PROGRAM_DIRECTORIES: &[&str] = &["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Checks whether a file or directory is useful if it is empty, as it is after the kubelet has
/// created it. For example, an empty lock file is useful, but an empty certificate is not.
pub(crate) fn is_useful_when_empty(file_type: HostPathType, path: &HostPath) -> bool {
    match file_type {
        HostPathType::Directory => true,
        HostPathType::File => {
            let extension = path.name().and_then(|name| name.rsplit_once('.'));
            extension.is_some_and(|(_, extension)| {
                matches!(extension, "db" | "lock" | "log" | "pid" | "sqlite" | "sqlite3")
            })
        }
        HostPathType::Socket | HostPathType::CharDevice | HostPathType::BlockDevice => false,
    }
}

/// Extensions that are rarely used for directories.
const FILE_EXTENSIONS: &[&str] = &[
    "cer",
    "cert",
    "cfg",
    "cnf",
    "conf",
    "config",
    "crt",
    "csv",
    "db",
    "env",
    "gz",
    "img",
    "ini",
    "ipynb",
    "iso",
    "jar",
    "js",
    "json",
    "key",
    "ko",
    "kubeconfig",
    "lock",
    "log",
    "pem",
    "pid",
    "properties",
    "py",
    "qcow2",
    "raw",
    "rules",
    "service",
    "sh",
    "so",
    "sql",
    "sqlite",
    "sqlite3",
    "tar",
    "tgz",
    "token",
    "toml",
    "txt",
    "xml",
    "yaml",
    "yml",
    "zip",
];

fn is_file_name(name: &str) -> bool {
    let has_extension = || {
        let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
        extension.is_some_and(|(_, extension)| FILE_EXTENSIONS.contains(&extension))
    };
    name == "kubeconfig" || name.contains(".so.") || has_extension()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infers_files_in_program_directories() {
        let types = [
            ("/sbin/depmod", Some(HostPathType::File)),
            ("/usr/local/bin/crictl", Some(HostPathType::File)),
            ("/usr/local/bin", Some(HostPathType::Directory)),
            ("/usr/lib/agent/bin", Some(HostPathType::Directory)),
            ("/opt/bin/agent", Some(HostPathType::Directory)),
        ];
        for (path, file_type) in types {
            assert_eq!(type_from_name(&HostPath::new(path)), file_type, "{path}");
        }
    }

    #[test]
    fn recognizes_file_names_by_extension() {
        for name in ["agent.yaml", "libcuda.so.1", "a.b.conf", "kubeconfig", "app.sqlite3"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["conf.d", ".log", "data", "node.js.d", "v1.2"] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
