//! Recognizes documents that kubectl rejects although they contain Kubernetes objects.

use std::borrow::Cow;

use crate::rules::NotObject;
use crate::source::{NodeId, Tree, View};

/// Returns the reason why kubectl rejects a document:
///
/// - It is a list that contains an object.
/// - It is a mapping whose values are objects.
/// - It looks like an object, but `apiVersion` or `kind` is missing.
///
/// Returns `None` for any other document, such as a configuration file.
pub(super) fn reason(tree: &Tree<'_>, root: NodeId) -> Option<NotObject> {
    if let View::Sequence(_) = tree.view(root) {
        return contains_object(tree, root).then_some(NotObject::List);
    }
    let entries = tree.entries(root);
    let mut values = entries.iter().map(|entry| entry.value).filter(|value| !tree.is_null(*value)).peekable();
    if values.peek().is_some() && values.all(|value| has_type(tree, value)) {
        return Some(NotObject::MappingOfObjects);
    }
    missing_field(tree, root)
}

/// Checks whether a value is an object, or a list that contains an object at any depth.
/// `apiVersion` or `kind` may be missing in the object.
fn contains_object(tree: &Tree<'_>, node: NodeId) -> bool {
    match tree.view(node) {
        View::Sequence(items) => items.iter().any(|item| contains_object(tree, *item)),
        _ => has_type(tree, node) || missing_field(tree, node).is_some(),
    }
}

/// Returns the missing field of a mapping that looks like an object, but has only one of
/// `apiVersion` and `kind`. Returns `None` for any other mapping.
fn missing_field(tree: &Tree<'_>, node: NodeId) -> Option<NotObject> {
    if !has_fields(tree, node) {
        return None;
    }
    match (has(tree, node, "apiVersion"), text(tree, node, "kind")) {
        // Some other programs, such as Teleport, also use `kind`, but with values in lower case.
        (false, Some(kind)) if kind.starts_with(char::is_uppercase) => Some(NotObject::NoApiVersion),
        (true, None) => Some(NotObject::NoKind),
        _ => None,
    }
}

/// Checks whether a mapping looks like an object, regardless of `apiVersion` and `kind`. This is
/// the case if it has `metadata`, and also a `spec`, `template` or `data`. It is also the case if
/// all its fields are fields of objects, and its `spec` has a field for pods or volumes.
fn has_fields(tree: &Tree<'_>, node: NodeId) -> bool {
    const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    const SPEC_FIELDS: [&str; 5] = ["containers", "template", "jobTemplate", "volumes", "hostPath"];
    let is_mapping = |key| tree.get(node, key).is_some_and(|value| matches!(tree.view(value), View::Mapping));
    if is_mapping("metadata") && ["spec", "template", "data"].into_iter().any(is_mapping) {
        return true;
    }
    let has_pods = |spec: NodeId| SPEC_FIELDS.iter().any(|field| tree.get(spec, field).is_some());
    tree.entries(node).iter().all(|entry| FIELDS.contains(&&*tree.key(entry.key)))
        && tree.get(node, "spec").is_some_and(has_pods)
}

/// Checks whether a mapping has `apiVersion` and `kind`, both as strings that are not empty.
pub(super) fn has_type(tree: &Tree<'_>, node: NodeId) -> bool {
    has(tree, node, "apiVersion") && has(tree, node, "kind")
}

/// Checks whether a mapping has a key with a string that is not empty.
fn has(tree: &Tree<'_>, node: NodeId, key: &str) -> bool {
    text(tree, node, key).is_some()
}

/// Returns the value of a key if it is a string that is not empty, or `None` otherwise.
fn text<'t>(tree: &'t Tree<'_>, node: NodeId, key: &str) -> Option<Cow<'t, str>> {
    tree.get(node, key).and_then(|value| tree.as_str(value)).filter(|value| !value.is_empty())
}
