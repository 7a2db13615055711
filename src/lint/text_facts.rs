//! Facts about the text of a document that are lost when it is decoded.

use crate::model::Mark;
use crate::rules::{DuplicateKey, MergeOverride, TextFacts};
use crate::source::{Chunk, NodeId, NodeRef, Tree};

/// Returns the duplicate keys, and the keys that a merge key overrides, in the object at `root`.
/// Omits those in `embedded` objects.
pub(super) fn repeated_keys(tree: &Tree<'_>, root: NodeId, embedded: &[NodeRef<'_>]) -> TextFacts {
    let mut facts = TextFacts::default();
    let object = tree.range(root);
    // The mappings are sorted by their ends, so the mappings of the object are adjacent. A mapping
    // that starts before the object can end together with it. The loop skips such mappings.
    let mappings = tree.irregular_mappings();
    let first = mappings.partition_point(|mapping| tree.range(*mapping).end <= object.start);
    let last = mappings.partition_point(|mapping| tree.range(*mapping).end <= object.end);
    let mut embedded: Vec<_> = embedded.iter().map(|inner| tree.range(inner.node)).collect();
    embedded.sort_by_key(|range| range.start);
    for &mapping in &mappings[first..last] {
        let range = tree.range(mapping);
        let preceding = embedded[..embedded.partition_point(|inner| inner.start <= range.start)].last();
        let is_embedded = preceding.is_some_and(|inner| range.end <= inner.end);
        if range.start < object.start || is_embedded {
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

/// Returns the first line of text between the end of the document and the end of its chunk. kubectl
/// ignores this text. Returns `None` if there are only empty lines, comments and end markers
/// (`...`).
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
