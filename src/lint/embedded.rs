//! Manifests in the strings of an object, such as a Pod in a ConfigMap.

use std::ops::Range;

use super::{not_object, word};
use crate::source::{self, MappingEntry, NodeId, NodeRef, Tree, View};

/// The maximum nesting depth of strings that contain manifests.
pub(super) const MAX_DEPTH: usize = 8;

/// A string that may contain manifests.
#[derive(Clone, Copy, Debug)]
pub(super) struct EmbeddedText {
    /// The key of the string; `None` for an item of a list.
    pub key: Option<NodeId>,
    pub value: NodeId,
}

/// Checks whether a kind is ConfigMap or Secret, whose strings may be manifests. No other kind that
/// volcheck skips contains manifests to apply.
pub(super) fn is_config_map_or_secret(api_version: &str, kind: &str) -> bool {
    api_version == "v1" && matches!(kind, "ConfigMap" | "Secret")
}

/// Checks whether strings in `text` may contain a manifest, a patch or paths on nodes. Also returns
/// true if `text` contains escapes, which may hide a key.
///
/// `objects` is the number of objects outside of strings. Each of them has one `apiVersion`, so any
/// further `apiVersion` may be in a string.
pub(super) fn may_contain_manifest(text: &str, objects: usize) -> bool {
    let bytes = text.as_bytes();
    // An escaped line break joins the parts of a word.
    let is_encoded = |at: usize| matches!(bytes.get(at + 1), Some(b'x' | b'u' | b'U' | b'\n' | b'\r'));
    word::API_VERSION.find_iter(text).nth(objects).is_some()
        || word::NODE_PATHS.is_in(text)
        || (word::HOST_PATH.is_in(text) && word::PATCH.is_in(text))
        || memchr::memchr_iter(b'\\', bytes).any(is_encoded)
}

/// The key of a patch in a kustomization.
pub(super) const PATCH: &str = "patch";

/// The key of the node paths in the configuration of the local-path-provisioner.
pub(super) const NODE_PATHS: &str = "nodePathMap";

/// The key of a mapping from storage classes to their configurations, which can also contain node
/// paths.
pub(super) const CLASS_CONFIGS: &str = "storageClassConfigs";

/// Returns the strings of the object at `root` that may contain manifests, in the order of the
/// text. Omits `status`. Also omits `metadata`, because the annotation
/// `kubectl.kubernetes.io/last-applied-configuration` contains a copy of the object itself.
pub(super) fn find(text: &str, tree: &Tree<'_>, root: NodeId) -> Vec<EmbeddedText> {
    let objects = usize::from(tree.get(root, "apiVersion").is_some());
    if !may_contain_manifest(&text[tree.range(tree.target(root))], objects) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let View::Sequence(_) = tree.view(root) {
        collect(tree, EmbeddedText { key: None, value: root }, &mut found);
    }
    for &MappingEntry { key, value } in tree.written_entries(root) {
        if !matches!(&*tree.key(key), "metadata" | "status") {
            collect(tree, EmbeddedText { key: Some(key), value }, &mut found);
        }
    }
    found
}

/// Adds the strings in a value that may contain manifests. Does not follow aliases.
fn collect(tree: &Tree<'_>, text: EmbeddedText, found: &mut Vec<EmbeddedText>) {
    if tree.target(text.value) != text.value {
        return;
    }
    match tree.view(text.value) {
        View::Scalar(value) if is_relevant_text(value) => found.push(text),
        View::Scalar(_) => {}
        View::Sequence(items) => {
            items.iter().for_each(|item| collect(tree, EmbeddedText { key: None, value: *item }, found));
        }
        View::Mapping => {
            for &MappingEntry { key, value } in tree.written_entries(text.value) {
                collect(tree, EmbeddedText { key: Some(key), value }, found);
            }
        }
    }
}

/// Checks whether a string may be a manifest, a JSON patch with a host path or the configuration of
/// the local-path-provisioner.
pub(super) fn is_relevant_text(value: &str) -> bool {
    [
        &[&word::API_VERSION, &word::KIND][..],
        &[&word::OPERATION, &word::PATH, &word::HOST_PATH],
        &[&word::NODE_PATHS],
    ]
    .iter()
    .any(|words| words.iter().all(|word| word.is_in(value)))
}

/// Returns the objects that the value at `root` contains as mappings, or `root` if it is an object.
/// Omits objects that are nested in other objects. Does not follow aliases.
pub(super) fn objects(text: &str, root: NodeRef<'_>) -> Vec<NodeId> {
    let mut found = Vec::new();
    if word::API_VERSION.is_in(&text[root.tree.range(root.tree.target(root.node))]) {
        collect_objects(root.tree, root.node, &mut found);
    }
    found
}

fn collect_objects(tree: &Tree<'_>, node: NodeId, found: &mut Vec<NodeId>) {
    if tree.target(node) != node {
        return;
    }
    if let View::Sequence(items) = tree.view(node) {
        items.iter().for_each(|item| collect_objects(tree, *item, found));
    } else if is_object(tree, node) {
        found.push(node);
    } else {
        tree.written_entries(node).iter().for_each(|entry| collect_objects(tree, entry.value, found));
    }
}

/// Checks whether a value is an object, and not only a reference to one.
fn is_object(tree: &Tree<'_>, node: NodeId) -> bool {
    let is_mapping = |key| tree.get(node, key).is_some_and(|value| !tree.written_entries(value).is_empty());
    not_object::has_type(tree, node) && (is_mapping("metadata") || is_mapping("spec"))
}

/// The probable purpose of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A manifest or a patch.
    Manifest,
    /// Helm values.
    Values,
    Other,
}

/// Returns the purpose of a string according to its key and its first field.
pub(super) fn purpose(key: Option<&str>, value: &str) -> Purpose {
    const FIELDS: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "items", "op"];
    let has_extension = |key: &str| [".yaml", ".yml", ".json"].iter().any(|end| key.ends_with(end));
    let has_field = |field: &&str| {
        let rest = first_content(value).strip_prefix(*field);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    match key {
        Some("values" | "valuesContent") => Purpose::Values,
        Some(key) if key == PATCH || has_extension(key) => Purpose::Manifest,
        _ if FIELDS.iter().any(has_field) => Purpose::Manifest,
        _ => Purpose::Other,
    }
}

/// Returns the text from its first key on, without comments, list indicators, brackets and quotes
/// before the key.
fn first_content<'t>(text: &'t str) -> &'t str {
    let trim = |text: &'t str| text.trim_start_matches(|c: char| c.is_whitespace() || "-[{\"'".contains(c));
    let mut rest = trim(text);
    while let Some((_, after)) = rest.strip_prefix('#').and_then(|comment| comment.split_once('\n')) {
        rest = trim(after);
    }
    rest
}

/// Returns the byte ranges of the documents in the literal block scalar at `scalar`. A literal
/// block scalar differs from its value only by its indentation, so the documents can be parsed in
/// place. Returns `None` if the scalar has another form or is empty.
pub(super) fn literal_documents(text: &str, scalar: Range<usize>) -> Option<Vec<Range<usize>>> {
    let (header, content) =
        text[scalar.clone()].split_once('\n').filter(|(header, _)| header.starts_with('|'))?;
    let lines = || content.split_inclusive('\n').filter(|line| !line.trim().is_empty());
    let indentation = lines().map(|line| line.len() - line.trim_start_matches(' ').len()).min()?;
    let mut start = scalar.start + header.len() + 1;
    let mut offset = start;
    let mut documents = Vec::new();
    for line in content.split_inclusive('\n') {
        if line.get(indentation..).is_some_and(|line| line.starts_with("---")) {
            documents.push(start..offset);
            start = offset + line.len();
        }
        offset += line.len();
    }
    documents.push(start..offset);
    Some(documents)
}

/// Returns the byte ranges of the documents in `value`, the value of a string.
pub(super) fn documents(value: &str) -> Vec<Range<usize>> {
    source::split_documents(value).into_iter().map(|chunk| chunk.range).collect()
}
