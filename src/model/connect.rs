//! Connections between the mounts and volumes of a custom kind that are in different fields.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::container::{Container, VolumeMount};
use super::decode::FieldError;
use super::field_path::FieldPath;
use super::pod::Pod;

/// The maximum number of pods that are compared to find the volumes of mounts.
const MAX_COMPARISONS: usize = 1_000_000;

/// Finds the nearest pods that have a volume of a given name.
struct VolumeIndex {
    pods: HashMap<String, Vec<usize>>,
    comparisons: usize,
}

impl VolumeIndex {
    fn new(pods: &[Pod<'_>]) -> Self {
        let mut index: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, pod) in pods.iter().enumerate() {
            for volume in &pod.volumes {
                let holders = index.entry(volume.name.to_string()).or_default();
                if holders.last() != Some(&at) {
                    holders.push(at);
                }
            }
        }
        Self { pods: index, comparisons: 0 }
    }

    /// Returns the pod with a volume named `name` that is nearest to `path`.
    fn nearest(
        &mut self,
        name: &str,
        path: &FieldPath,
        pods: &[Pod<'_>],
    ) -> Result<Option<usize>, FieldError> {
        let Some(candidates) = self.pods.get(name) else { return Ok(None) };
        self.comparisons += candidates.len();
        if self.comparisons > MAX_COMPARISONS {
            return Err(FieldError::too_large(path.clone(), "too many volumes with the same name to check"));
        }
        // The longest common path counts, then the pod that is nearest to its end.
        let proximity = |at: &usize| {
            let segments = pods[*at].path.segments();
            let common = segments.iter().zip(path.segments()).take_while(|(a, b)| a == b).count();
            (common, Reverse(segments.len()))
        };
        Ok(candidates.iter().copied().rev().max_by_key(proximity))
    }
}

/// Adds the mounts in `containers` to the nearest pods with their volumes. Then adds volumes to
/// pods with mounts that refer to volumes elsewhere in the object. The first `known_pods` pods are
/// known from the kind of the object and get no volumes.
pub(super) fn connect<'a>(
    pods: &mut [Pod<'a>],
    known_pods: usize,
    containers: Vec<Container<'a>>,
) -> Result<(), FieldError> {
    let mut index = VolumeIndex::new(pods);
    for mut container in containers {
        let mut by_pod: BTreeMap<usize, Vec<VolumeMount<'a>>> = BTreeMap::new();
        for mount in std::mem::take(&mut container.volume_mounts).into_vec() {
            if let Some(pod) = index.nearest(&mount.name, &container.path, pods)? {
                by_pod.entry(pod).or_default().push(mount);
            }
        }
        let (name, path) = (container.name.clone(), container.path.clone());
        let mut whole = Some(container);
        for (pod, mounts) in by_pod {
            let rest = || Container { name: name.clone(), path: path.clone(), ..Container::default() };
            let container = whole.take().unwrap_or_else(rest);
            pods[pod].add_container(Container { volume_mounts: mounts.into(), ..container });
            pods[pod].is_complete = false;
        }
    }
    let mut moved: Vec<(usize, String)> = Vec::new();
    for at in known_pods..pods.len() {
        let pod = &pods[at];
        let mut names: Vec<String> = pod
            .mounts()
            .map(|mount| &mount.mount.name)
            .filter(|name| pod.volume(name).is_none())
            .map(ToString::to_string)
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let Some(holder) = index.nearest(&name, &pods[at].path, pods)? else { continue };
            if let Some(volume) = pods[holder].volume(&name).cloned() {
                pods[at].add_volume(volume);
                moved.push((holder, name));
            }
        }
    }
    for (holder, name) in moved.into_iter().filter(|(holder, _)| *holder >= known_pods) {
        pods[holder].remove_volume_without_mounts(&name);
    }
    Ok(())
}
