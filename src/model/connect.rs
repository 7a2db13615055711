//! Connects mounts with volumes in objects of kinds outside of Kubernetes, where both can be in
//! different fields.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::container::{Container, VolumeMount};
use super::decode::FieldError;
use super::field_path::FieldPath;
use super::pod::Pod;

/// The maximum number of pods that are compared, in total, to find the volumes of all mounts of an
/// object.
const MAX_COMPARISONS: usize = 1_000_000;

/// An index of pods by the names of their volumes.
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

    /// Returns the pod that has a volume named `name` and is nearest to `path`, or `None` if no pod
    /// has such a volume. Fails if too many pods were compared.
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
        // Prefer the pod with the longest common path. Of several, prefer the one with the shortest
        // path.
        let proximity = |at: &usize| {
            let segments = pods[*at].path.segments();
            let common = segments.iter().zip(path.segments()).take_while(|(a, b)| a == b).count();
            (common, Reverse(segments.len()))
        };
        Ok(candidates.iter().copied().rev().max_by_key(proximity))
    }
}

/// Adds each mount in `containers` to the nearest pod that has its volume. Then copies to each pod
/// the volumes of other pods that it mounts, and removes them from the other pods that do not mount
/// them. The first `known_pods` pods are known from the kind of the object, and neither get nor
/// lose volumes.
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
