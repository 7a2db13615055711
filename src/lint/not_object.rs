//! Recognizes documents that kubectl rejects although they contain Kubernetes objects, or look like
//! one.

use std::borrow::Cow;
use std::iter;

use crate::model::{misspelled_field, similar_kind};
use crate::rules::{Lookalike, NotObject, TypeKey};
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

/// Returns the problem of a mapping that looks like an object, but has only one of `apiVersion` and
/// `kind`. Returns `None` for any other mapping.
fn missing_field(tree: &Tree<'_>, node: NodeId) -> Option<NotObject> {
    if !has_fields(tree, node) {
        return None;
    }
    let is_rejected = match (has(tree, node, "apiVersion"), text(tree, node, "kind")) {
        // Some other programs, such as Teleport, also use `kind`, but with values in lower case.
        (false, Some(kind)) => kind.starts_with(char::is_uppercase),
        (has_api_version, None) => has_api_version,
        (true, Some(_)) => false,
    };
    is_rejected.then(|| NotObject::NoType(spelling(tree, node)))
}

/// Returns how a mapping spells `apiVersion` and `kind`.
pub(super) fn spelling(tree: &Tree<'_>, node: NodeId) -> Lookalike {
    let of = |key: &'static str| match has(tree, node, key) {
        true => TypeKey::Correct,
        false => {
            misspelled(tree, node, key).map_or(TypeKey::Missing, |(other, _)| TypeKey::Misspelled(other))
        }
    };
    Lookalike { api_version: of("apiVersion"), kind: of("kind") }
}

/// Returns the first key that is a misspelling of `key` and has a string as its value, and this
/// value.
fn misspelled<'t>(tree: &'t Tree<'_>, node: NodeId, key: &'static str) -> Option<(String, Cow<'t, str>)> {
    tree.entries(node).iter().find_map(|entry| {
        let other = tree.key(entry.key);
        let value = tree.as_str(entry.value).filter(|value| !value.is_empty())?;
        (other != key && misspelled_field(&other, iter::once(key)).is_some())
            .then(|| (other.into_owned(), value))
    })
}

/// Returns how a mapping spells `apiVersion` and `kind` if it is probably an object, but is not
/// certain to be one. Returns `None` for any other value.
///
/// The mapping is probably an object in each of these cases:
///
/// - It has `metadata` or a `spec`, and both keys, but at least one of them is misspelled.
/// - It has only fields of objects, among them `metadata` or a `spec`, and its kind is a built-in
///   kind with volumes.
/// - It has only fields of objects, among them `metadata` and a `spec` with containers.
pub(super) fn lookalike(tree: &Tree<'_>, node: NodeId) -> Option<Lookalike> {
    let (has_metadata, spec) = (has_mapping(tree, node, "metadata"), tree.get(node, "spec"));
    if !has_metadata && spec.is_none() {
        return None;
    }
    let lookalike = spelling(tree, node);
    if lookalike.api_version == TypeKey::Correct && lookalike.kind == TypeKey::Correct {
        // A list without items.
        return None;
    }
    let kind = text(tree, node, "kind").or_else(|| misspelled(tree, node, "kind").map(|(_, kind)| kind));
    let has_containers = || {
        let inner = [&["template", "spec"][..], &["jobTemplate", "spec", "template", "spec"]];
        let inner = inner.map(|keys| keys.iter().try_fold(spec?, |node, key| tree.get(node, key)));
        let specs = iter::once(spec).chain(inner).flatten();
        let is_container = |item: &NodeId| matches!(tree.view(*item), View::Mapping);
        specs
            .filter_map(|spec| tree.get(spec, "containers"))
            .any(|list| tree.items(list).iter().any(is_container))
    };
    let is_object = match (&lookalike.api_version, &kind) {
        // Helm values can also contain a kind.
        (TypeKey::Missing, _) if !has_only_object_fields(tree, node) => false,
        (TypeKey::Missing, Some(kind)) => {
            similar_kind(kind).is_some_and(|(known, _)| known == kind || has_containers())
        }
        (TypeKey::Missing, None) => has_metadata && has_containers(),
        (_, Some(kind)) => kind.starts_with(char::is_uppercase) || has_containers(),
        (_, None) => false,
    };
    is_object.then_some(lookalike)
}

/// Checks whether a mapping looks like an object, regardless of `apiVersion` and `kind`. This is
/// the case if it has `metadata`, and also a `spec`, `template` or `data`. It is also the case if
/// all its fields are fields of objects, and its `spec` has a field for pods or volumes.
fn has_fields(tree: &Tree<'_>, node: NodeId) -> bool {
    const SPEC_FIELDS: [&str; 5] = ["containers", "template", "jobTemplate", "volumes", "hostPath"];
    let is_mapping = |key| has_mapping(tree, node, key);
    if is_mapping("metadata") && ["spec", "template", "data"].into_iter().any(is_mapping) {
        return true;
    }
    let has_pods = |spec: NodeId| SPEC_FIELDS.iter().any(|field| tree.get(spec, field).is_some());
    has_only_object_fields(tree, node) && tree.get(node, "spec").is_some_and(has_pods)
}

/// Checks whether all keys of a mapping are fields of objects, or misspellings of them.
fn has_only_object_fields(tree: &Tree<'_>, node: NodeId) -> bool {
    const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    let is_field = |key: &str| misspelled_field(key, FIELDS.into_iter()).is_some();
    tree.entries(node).iter().all(|entry| is_field(&tree.key(entry.key)))
}

/// Checks whether a mapping has a key whose value is a mapping.
fn has_mapping(tree: &Tree<'_>, node: NodeId, key: &str) -> bool {
    tree.get(node, key).is_some_and(|value| matches!(tree.view(value), View::Mapping))
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
