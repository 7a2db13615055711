//! Limits on the cost of checking an object.
//!
//! [`super::item_budget`] limits the number of items, but some items are more expensive than
//! others. Each mount of a `hostPath` volume becomes a path that is compared with the host path
//! catalog and repeated in findings. Without the limits in this module, even a short manifest could
//! be expensive to check.

use super::decode::FieldError;
use super::field_path::FieldPath;
use super::object::{Body, Object};
use super::pod::Pod;

/// The maximum length of a path, in bytes. Linux cannot open a longer path (`PATH_MAX` in
/// `include/uapi/linux/limits.h`).
const MAX_PATH_LEN: usize = 4096;

/// The maximum length of the name of a volume or container, in bytes. Findings repeat names.
///
/// The API server allows 63 bytes (`ValidatePodSpec` in `pkg/apis/core/validation`). Placeholders
/// of templating tools may be longer.
const MAX_NAME_LEN: usize = 253;

/// The maximum number of variable references in the sub paths of a pod. Each may cause a finding.
const MAX_VARIABLES: usize = 250;

/// The cost of a volume or a mount, in addition to the length of its path in bytes.
const MOUNT_COST: usize = 512;

/// The maximum total cost of the `hostPath` volumes and mounts of an object. This allows up to
/// about a thousand mounts, five times as many as in the largest Pods of real clusters.
const MAX_COST: usize = 512 << 10;

/// Returns an error if the object exceeds a limit.
pub(super) fn check(object: &Object<'_>) -> Result<(), FieldError> {
    let (mut count, mut path_bytes) = (0, 0);
    for pod in object.pods() {
        check_lengths(pod)?;
        for volume in &pod.volumes {
            let Some(source) = volume.host_path() else { continue };
            let field = || volume.host_path_field().unwrap_or_default();
            let path_len = source.path.len();
            if path_len > MAX_PATH_LEN {
                return Err(path_too_long(field()));
            }
            count += 1;
            path_bytes += path_len;
            for mount in pod.mounts_of(&volume.name) {
                let (key, sub_path) = mount.mount.sub_path_entry().unwrap_or_default();
                if path_len + sub_path.len() > MAX_PATH_LEN {
                    return Err(path_too_long(mount.path().key(key)));
                }
                count += 1;
                path_bytes += path_len + sub_path.len();
            }
            if count * MOUNT_COST + path_bytes > MAX_COST {
                let message = format!(
                    "too many host path mounts: at least {count} volumes and mounts with {path_bytes} bytes of paths \
                     cost more than {MAX_COST} bytes, at {MOUNT_COST} bytes each plus their paths"
                );
                return Err(FieldError::too_large(field(), message));
            }
        }
    }
    if let Body::PersistentVolume(spec) = &object.body {
        let host_path = spec.host_path.iter().map(|source| ("hostPath", &source.path));
        let local = spec.local.iter().map(|source| ("local", &source.path));
        if let Some((key, _)) = host_path.chain(local).find(|(_, path)| path.len() > MAX_PATH_LEN) {
            return Err(path_too_long(FieldPath::from_keys(&["spec", key, "path"])));
        }
    }
    Ok(())
}

/// The maximum total length of the names of volumes and the paths of mounts in a pod, in bytes.
/// Each finding about a volume or mount repeats its name or path several times.
const MAX_TEXT: usize = 256 << 10;

/// Checks the lengths of names and paths, and the number of variable references.
fn check_lengths(pod: &Pod<'_>) -> Result<(), FieldError> {
    let mut text = 0;
    let mut add_text = |path: FieldPath, len: usize| {
        text += len;
        match text > MAX_TEXT {
            true => Err(FieldError::too_large(
                path,
                format!("names of volumes and paths of mounts have more than {MAX_TEXT} bytes in total"),
            )),
            false => Ok(()),
        }
    };
    let volumes = pod.volumes.iter().map(|volume| (&volume.name, &volume.path));
    let containers = pod.containers.iter().map(|container| (&container.name, &container.path));
    for (name, path) in volumes.chain(containers) {
        check_name(name, || path.key("name"))?;
        add_text(path.key("name"), name.len())?;
    }
    let mut variables = 0;
    for container in &pod.containers {
        for volume_use in container.volume_uses() {
            check_name(volume_use.volume, || volume_use.volume_field())?;
        }
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let sub_path = mount.sub_path_entry().unwrap_or_default();
            for (key, path) in [("mountPath", &*mount.mount_path), sub_path] {
                if path.len() > MAX_PATH_LEN {
                    return Err(path_too_long(container.mount_field(index).key(key)));
                }
            }
            add_text(
                container.mount_field(index),
                mount.name.len() + mount.mount_path.len() + sub_path.1.len(),
            )?;
            variables += mount.sub_path_expr.matches("$(").count();
            if variables > MAX_VARIABLES {
                let path = container.mount_field(index).key("subPathExpr");
                return Err(FieldError::too_large(
                    path,
                    format!("too many variables: volcheck checks at most {MAX_VARIABLES} in sub paths"),
                ));
            }
        }
    }
    Ok(())
}

fn check_name(name: &str, path: impl FnOnce() -> FieldPath) -> Result<(), FieldError> {
    match name.len() > MAX_NAME_LEN {
        true => Err(FieldError::too_large(path(), format!("name is longer than {MAX_NAME_LEN} bytes"))),
        false => Ok(()),
    }
}

fn path_too_long(path: FieldPath) -> FieldError {
    FieldError::too_large(path, format!("path is longer than {MAX_PATH_LEN} bytes (`PATH_MAX`)"))
}
