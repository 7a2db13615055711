//! Search for pods and patches by structure instead of kind.

use std::borrow::Cow;

use super::decode::{FieldError, FieldErrorKind, Node};
use super::field_path::{FieldPath, Segment};
use super::pod::{Pod, PodSpec};

/// Finds the pods of an object of unknown kind. A mapping whose `containers` is a nonempty list of
/// mappings is treated as a pod spec.
///
/// Ignores such a mapping if it cannot be decoded as a pod spec. In an unknown kind, its keys may
/// have another meaning, and the webhook checks the Pods themselves. Fails only if a pod spec
/// exceeds a limit.
pub(super) fn find_pods<'a, N: Node<'a>>(node: N) -> Result<Vec<Pod<'a>>, FieldError> {
    let mut pods = Vec::new();
    find_pods_within(node, &FieldPath::root(), &mut pods)?;
    Ok(pods)
}

fn find_pods_within<'a, N: Node<'a>>(
    node: N,
    path: &FieldPath,
    pods: &mut Vec<Pod<'a>>,
) -> Result<(), FieldError> {
    if let Some(items) = node.items() {
        for (index, item) in items.into_iter().enumerate() {
            find_pods_within(item, &path.index(index), pods)?;
        }
        return Ok(());
    }
    let entries = node.entries();
    let is_mapping = |item: &N| !item.entries().is_empty();
    let containers = entries.iter().find(|(key, _)| key == "containers").and_then(|(_, value)| value.items());
    if containers.is_some_and(|items| !items.is_empty() && items.iter().all(is_mapping)) {
        match node.decode::<PodSpec<'a>>() {
            Ok(spec) => {
                let mut pod = Pod::new(path.clone(), spec);
                (pod.is_heuristic, pod.is_complete) = (true, false);
                pods.push(pod);
                return Ok(());
            }
            Err(error) if matches!(error.kind, FieldErrorKind::TooLarge(_)) => return Err(error.within(path)),
            Err(_) => {}
        }
    }
    for (key, value) in entries {
        find_pods_within(value, &path.with(Segment::Key(Cow::Owned(key.into_owned()))), pods)?;
    }
    Ok(())
}

/// Checks whether `node` contains a `$patch` directive of a strategic merge patch at any depth. If
/// so, the object is a patch, not a complete object.
pub fn contains_patch_directive<'a, N: Node<'a>>(node: N) -> bool {
    if let Some(items) = node.items() {
        return items.into_iter().any(contains_patch_directive);
    }
    node.entries().into_iter().any(|(key, value)| key == "$patch" || contains_patch_directive(value))
}
