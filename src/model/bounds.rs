//! What can be judged, beside how many items ([`super::value`]): each mount of a host path is written out and held against
//! every catalogue, and what rules find there repeats its path. What a Pod may cost is bounded by that, not by the length
//! of its text.

use super::field_path::FieldPath;
use super::object::{Body, Object};
use super::pod::Pod;
use super::read::FieldError;

/// A longer path can't be opened (`PATH_MAX` of Linux, `include/uapi/linux/limits.h`), so that no kubelet mounts it.
const LONGEST_PATH: usize = 4096;

/// Findings repeat names. Those of volumes and containers have 63 bytes at most (`ValidatePodSpec` of
/// `pkg/apis/core/validation`), where they are looked at; a placeholder of some tool may be longer.
const LONGEST_NAME: usize = 253;

/// How many variables the sub paths of a Pod may use: each may be a finding.
const MOST_VARIABLES: usize = 1_000;

/// What a mount costs beside its path, in bytes of these.
const EACH: usize = 256;

/// What all mounts of host paths may cost: about two thousand of them, ten times what the largest Pods of clusters have.
const ALL: usize = 512 << 10;

/// The object, where its Pods and host paths can be judged.
pub(super) fn bounded(object: Object<'_>) -> Result<Object<'_>, FieldError> {
    let mut cost = 0;
    for pod in object.pods() {
        short(pod)?;
        for volume in &pod.volumes {
            let Some(source) = volume.host_path() else { continue };
            let field = || volume.path.key("hostPath").key("path");
            let path = source.path.len();
            if path > LONGEST_PATH {
                return Err(too_long(field()));
            }
            cost += EACH + path;
            for of in pod.mounts_of(&volume.name) {
                let (key, inside) = of.mount.written_sub_path().unwrap_or_default();
                if path + inside.len() > LONGEST_PATH {
                    return Err(too_long(of.path().key(key)));
                }
                cost += EACH + path + inside.len();
            }
            if cost > ALL {
                let message = "host paths are mounted too often, or are too long, to be judged";
                return Err(FieldError::of_bound(field(), message));
            }
        }
    }
    if let Body::PersistentVolume(spec) = &object.body {
        let host_path = spec.host_path.iter().map(|source| ("hostPath", &source.path));
        let local = spec.local.iter().map(|source| ("local", &source.path));
        if let Some((key, _)) = host_path.chain(local).find(|(_, path)| path.len() > LONGEST_PATH) {
            return Err(too_long(FieldPath::of(&["spec", key, "path"])));
        }
    }
    Ok(object)
}

/// Whether names, paths and expressions are as short as those that a node could use.
fn short(pod: &Pod<'_>) -> Result<(), FieldError> {
    let named = pod.volumes.iter().map(|volume| (&volume.name, &volume.path));
    let named = named.chain(pod.containers.iter().map(|container| (&container.name, &container.path)));
    for (name, at) in named {
        short_name(name, || at.key("name"))?;
    }
    let mut variables = 0;
    for container in &pod.containers {
        for used in container.volume_uses() {
            short_name(used.volume, || used.volume_field())?;
        }
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let sub_path = mount.written_sub_path().unwrap_or_default();
            for (key, text) in [("mountPath", &*mount.mount_path), sub_path] {
                if text.len() > LONGEST_PATH {
                    return Err(too_long(container.mount_path(index).key(key)));
                }
            }
            variables += mount.sub_path_expr.matches("$(").count();
            if variables > MOST_VARIABLES {
                let at = container.mount_path(index).key("subPathExpr");
                return Err(FieldError::of_bound(at, "sub paths use too many variables to be judged"));
            }
        }
    }
    Ok(())
}

fn short_name(name: &str, at: impl FnOnce() -> FieldPath) -> Result<(), FieldError> {
    match name.len() > LONGEST_NAME {
        true => {
            Err(FieldError::of_bound(at(), format!("no name of more than {LONGEST_NAME} bytes is judged")))
        }
        false => Ok(()),
    }
}

fn too_long(at: FieldPath) -> FieldError {
    FieldError::of_bound(at, format!("no path of more than {LONGEST_PATH} bytes can be mounted"))
}
