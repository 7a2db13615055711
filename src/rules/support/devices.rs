//! The types of devices, according to their names.

use super::catalog::HostPathType;
use crate::model::HostPath;

/// Names of files and directories below `/dev` on Linux, by type. The catalog has no type for most
/// of them. A trailing `#` matches a number and any text after it.
const DEVICES: &[(HostPathType, &[&str])] = &[
    (
        HostPathType::BlockDevice,
        &["bcache#", "drbd#", "loop#", "md#", "nbd#", "pmem#", "ram#", "rbd#", "sr#", "zram#"],
    ),
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
            "vfio/#",
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

/// Returns the type of a well-known file or directory below `/dev` on Linux. Returns `None` for
/// other paths.
pub(crate) fn device_type(path: &HostPath) -> Option<HostPathType> {
    type_of_device_name(path.to_string().strip_prefix("/dev/")?)
}

pub(crate) fn type_of_device_name(name: &str) -> Option<HostPathType> {
    // `nvme0` is a controller, and `nvme0n1` is a disk.
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
    DEVICES.iter().find(|(_, names)| names.iter().any(&is_known)).map(|(file_type, _)| *file_type)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infers_device_types_from_names() {
        let types = [
            ("loop0", Some(HostPathType::BlockDevice)),
            ("ram0", Some(HostPathType::BlockDevice)),
            ("ram", None),
            ("loop-control", Some(HostPathType::CharDevice)),
            ("nvme0", Some(HostPathType::CharDevice)),
            ("nvme1n1p2", Some(HostPathType::BlockDevice)),
            ("dri/renderD128", Some(HostPathType::CharDevice)),
            ("dri", Some(HostPathType::Directory)),
            ("video", None),
            ("nvme", None),
            ("unheard-of", None),
        ];
        for (name, file_type) in types {
            assert_eq!(type_of_device_name(name), file_type, "{name}");
        }
    }
}
