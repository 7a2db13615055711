//! Documents that contain Kubernetes objects, but that kubectl rejects.

use crate::rules::NotObject;
use crate::source::{NodeId, Tree, View};

/// Returns the reason why kubectl rejects a document that is not an object, if it was probably
/// meant to be one or contains objects. Returns `None` for any other document, such as a
/// configuration file.
pub(super) fn reason(tree: &Tree<'_>, root: NodeId) -> Option<NotObject> {
    let is_object = |node| has(tree, node, "apiVersion") && has(tree, node, "kind");
    if let View::Sequence(items) = tree.view(root) {
        return items.iter().any(|item| is_object(*item)).then_some(NotObject::List);
    }
    let entries = tree.entries(root);
    if !entries.is_empty() && entries.iter().all(|entry| is_object(entry.value)) {
        return Some(NotObject::MappingOfObjects);
    }
    let is_mapping = |key| tree.get(root, key).is_some_and(|node| matches!(tree.view(node), View::Mapping));
    if !is_mapping("metadata") || !(is_mapping("spec") || is_mapping("template")) {
        return None;
    }
    match (has(tree, root, "apiVersion"), has(tree, root, "kind")) {
        (false, true) => Some(NotObject::NoApiVersion),
        (true, false) => Some(NotObject::NoKind),
        _ => None,
    }
}

/// Checks whether a mapping has a key with a string that is not empty.
fn has(tree: &Tree<'_>, node: NodeId, key: &str) -> bool {
    tree.get(node, key).and_then(|value| tree.as_str(value)).is_some_and(|value| !value.is_empty())
}
