//! Facts about the text of a document that decoding loses.

use crate::model::Mark;
use crate::rules::{DuplicateKey, MergeOverride, TextFacts};
use crate::source::{Chunk, NodeId, NodeRef, Tree};

/// Returns the duplicate keys and the overridden merge keys in the object at `root`, except for
/// those in `embedded` objects.
pub(super) fn repeated_keys(tree: &Tree<'_>, root: NodeId, embedded: &[NodeRef<'_>]) -> TextFacts {
    let mut facts = TextFacts::default();
    let contains = |object: NodeId, mapping: NodeId| {
        let (object, range) = (tree.range(object), tree.range(mapping));
        range.start >= object.start && range.end <= object.end
    };
    for &mapping in tree.irregular_mappings() {
        if !contains(root, mapping) || embedded.iter().any(|inner| contains(inner.node, mapping)) {
            continue;
        }
        for conflict in tree.duplicate_keys(mapping) {
            facts.duplicate_keys.push(DuplicateKey {
                key: tree.key(conflict.kept.key).into_owned(),
                has_same_value: tree.are_equal(conflict.dropped.value, conflict.kept.value),
                kept: tree.range(conflict.kept.key).into(),
                dropped: tree.range(conflict.dropped.key).into(),
            });
        }
        for conflict in tree.merge_overrides(mapping) {
            facts.merge_overrides.push(MergeOverride {
                key: tree.key(conflict.dropped.key).into_owned(),
                dropped: tree.range(conflict.dropped.key).into(),
                kept: tree.range(conflict.kept.key).into(),
            });
        }
    }
    facts
}

/// Returns the first line of text between the end of the document and the end of its chunk, which
/// kubectl ignores.
pub(super) fn dropped_text(text: &str, tree: &Tree<'_>, chunk: &Chunk) -> Option<Mark> {
    let mut offset = tree.end();
    for line in text[tree.end()..chunk.range.end].split_inclusive(['\n', '\r']) {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') && content != "..." {
            let start = offset + (line.len() - line.trim_start().len());
            return Some((start..start + content.len()).into());
        }
        offset += line.len();
    }
    None
}
