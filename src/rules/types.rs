//! Types of host paths: what a volume asks for, and what its path itself tells.

use super::catalog::{Catalog, Entry, HostPathType};
use super::context::HostVolume;
use crate::model::{HostPath, Relation};

/// What a value of `hostPath.type` asks the kubelet for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskedType {
    /// What must be there.
    pub(crate) file_type: HostPathType,
    /// Whether the kubelet makes what is missing.
    pub(crate) creates: bool,
}

impl AskedType {
    /// All, in the order of Kubernetes' documentation; empty, which asks for nothing, is none of them.
    pub(crate) const ALL: [Self; 7] = [
        Self { file_type: HostPathType::Directory, creates: true },
        Self { file_type: HostPathType::Directory, creates: false },
        Self { file_type: HostPathType::File, creates: true },
        Self { file_type: HostPathType::File, creates: false },
        Self { file_type: HostPathType::Socket, creates: false },
        Self { file_type: HostPathType::CharDevice, creates: false },
        Self { file_type: HostPathType::BlockDevice, creates: false },
    ];

    /// What a volume asks for; none where it asks for nothing, or for what doesn't exist.
    pub(crate) fn of(host: &HostVolume<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|asked| host.host_path_type == Some(asked.word()))
    }

    /// Its word in `hostPath.type`.
    pub(crate) fn word(self) -> &'static str {
        match (self.file_type, self.creates) {
            (HostPathType::Directory, true) => "DirectoryOrCreate",
            (HostPathType::File, true) => "FileOrCreate",
            (kind, _) => kind.word(),
        }
    }
}

/// A kind of file in a sentence, with its article.
pub(crate) fn described(kind: HostPathType) -> &'static str {
    match kind {
        HostPathType::Directory => "a directory",
        HostPathType::File => "a file",
        HostPathType::Socket => "a socket",
        HostPathType::CharDevice => "a character device",
        HostPathType::BlockDevice => "a block device",
    }
}

/// What surely is at `path`: what the catalogue knows there, a directory above what it knows, and what has
/// the name of a socket.
pub(crate) fn certain(catalog: &Catalog, path: &HostPath) -> Option<HostPathType> {
    // What a `*` stands for need not be there.
    let is_above =
        |(entry, relation): (&Entry, _)| relation == Relation::Ancestor && !entry.path.contains('*');
    match catalog.file_type(path) {
        Some(kind) => Some(kind),
        None if path.is_root() || catalog.related(path).any(is_above) => Some(HostPathType::Directory),
        None => path.name().filter(|name| name.ends_with(".sock")).map(|_| HostPathType::Socket),
    }
}

/// What probably is at a volume's path; none where nothing is probable.
pub(crate) fn likely(catalog: &Catalog, host: &HostVolume<'_>) -> Option<HostPathType> {
    match certain(catalog, &host.clean) {
        None if HostPath::has_directory_suffix(host.path) => Some(HostPathType::Directory),
        None => by_name(&host.clean),
        certain => certain,
    }
}

/// What a path that the catalogue doesn't know has the name of.
pub(crate) fn by_name(path: &HostPath) -> Option<HostPathType> {
    let text = path.to_string();
    let is_program = || text.rsplit_once('/').is_some_and(|(folder, _)| OF_PROGRAMS.contains(&folder));
    match text.strip_prefix("/dev/") {
        Some(name) => device(name),
        None if path.name().is_some_and(is_file_name) || is_program() => Some(HostPathType::File),
        None => Some(HostPathType::Directory),
    }
}

/// Folders that hold programs, and no folders.
const OF_PROGRAMS: &[&str] = &["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Whether what the kubelet makes where nothing is can serve: an empty folder, or an empty lock, but no empty
/// certificate.
pub(crate) fn may_begin_empty(kind: HostPathType, path: &HostPath) -> bool {
    match kind {
        HostPathType::Directory => true,
        HostPathType::File => {
            let extension = path.name().and_then(|name| name.rsplit_once('.'));
            extension
                .is_some_and(|(_, extension)| matches!(extension, "db" | "lock" | "log" | "pid" | "sqlite"))
        }
        HostPathType::Socket | HostPathType::CharDevice | HostPathType::BlockDevice => false,
    }
}

/// What Linux puts at a name below `/dev`, where the catalogue says nothing; a `#` is a number and what
/// follows it.
const DEVICES: &[(HostPathType, &[&str])] = &[
    (HostPathType::BlockDevice, &["loop#", "md#", "nbd#", "rbd#", "sr#", "zram#"]),
    (
        HostPathType::CharDevice,
        &[
            "dri/card#",
            "dri/renderD#",
            "gpiochip#",
            "gpiomem",
            "hidraw#",
            "i2c-#",
            "infiniband/rdma_cm",
            "infiniband/uverbs#",
            "input/event#",
            "kfd",
            "loop-control",
            "nvidia#",
            "nvidia-modeset",
            "nvidia-uvm",
            "nvidia-uvm-tools",
            "nvidiactl",
            "ppp",
            "ptp#",
            "rtc#",
            "sg#",
            "spidev#",
            "uinput",
            "vfio/vfio",
            "vhost-net",
            "vhost-vsock",
            "video#",
            "vsock",
        ],
    ),
    (
        HostPathType::Directory,
        &[
            "bus",
            "bus/usb",
            "disk/by-id",
            "disk/by-path",
            "disk/by-uuid",
            "dri",
            "hugepages",
            "infiniband",
            "input",
            "mqueue",
            "net",
            "nvidia-caps",
            "pts",
            "serial",
            "serial/by-id",
            "snd",
            "vfio",
        ],
    ),
];

fn device(name: &str) -> Option<HostPathType> {
    // `nvme0` is the controller, `nvme0n1` a disk of it.
    if let Some(number) = name.strip_prefix("nvme").filter(|number| number.starts_with(is_digit)) {
        return Some(match number.contains('n') {
            true => HostPathType::BlockDevice,
            false => HostPathType::CharDevice,
        });
    }
    let is_known = |known: &&str| match known.strip_suffix('#') {
        Some(stem) => name.strip_prefix(stem).is_some_and(|number| number.starts_with(is_digit)),
        None => **known == *name,
    };
    DEVICES.iter().find(|(_, names)| names.iter().any(&is_known)).map(|(kind, _)| *kind)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// Extensions that folders hardly ever have.
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
    fn devices_are_told_apart_by_name() {
        let kinds = [
            ("loop0", Some(HostPathType::BlockDevice)),
            ("loop-control", Some(HostPathType::CharDevice)),
            ("nvme0", Some(HostPathType::CharDevice)),
            ("nvme1n1p2", Some(HostPathType::BlockDevice)),
            ("dri/renderD128", Some(HostPathType::CharDevice)),
            ("dri", Some(HostPathType::Directory)),
            ("video", None),
            ("nvme", None),
            ("unheard-of", None),
        ];
        for (name, kind) in kinds {
            assert_eq!(device(name), kind, "{name}");
        }
    }

    #[test]
    fn programs_are_files() {
        let kinds = [
            ("/sbin/depmod", Some(HostPathType::File)),
            ("/usr/local/bin/crictl", Some(HostPathType::File)),
            ("/usr/local/bin", Some(HostPathType::Directory)),
            ("/usr/lib/agent/bin", Some(HostPathType::Directory)),
            ("/opt/bin/agent", Some(HostPathType::Directory)),
        ];
        for (path, kind) in kinds {
            assert_eq!(by_name(&HostPath::new(path)), kind, "{path}");
        }
    }

    #[test]
    fn files_are_known_by_their_extension() {
        for name in ["agent.yaml", "libcuda.so.1", "a.b.conf", "kubeconfig"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["conf.d", ".log", "data", "node.js.d", "v1.2"] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
