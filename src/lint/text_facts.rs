//! Facts about the text of a document that the decoded object no longer shows.

use crate::model::Mark;
use crate::rules::{DuplicateKey, MergeOverride, TextFacts};
use crate::source::{Chunk, NodeId, Tree};

/// Returns the repeated and overridden keys in the object at `root`.
pub(super) fn repeated_keys(tree: &Tree<'_>, root: NodeId) -> TextFacts {
    let mut facts = TextFacts::default();
    let object = tree.range(root);
    for &mapping in tree.irregular() {
        let range = tree.range(mapping);
        if range.start < object.start || range.end > object.end {
            continue;
        }
        for duplicate in tree.duplicates(mapping) {
            let (first, last) = (duplicate.first, duplicate.last);
            facts.duplicate_keys.push(DuplicateKey {
                key: tree.key(last.0).into_owned(),
                has_same_value: tree.same(first.1, last.1),
                kept: tree.range(last.0).into(),
                dropped: tree.range(first.0).into(),
            });
        }
        for (overridden, merge) in tree.overridden(mapping) {
            facts.merge_overrides.push(MergeOverride {
                key: tree.key(overridden.0).into_owned(),
                dropped: tree.range(overridden.0).into(),
                kept: tree.range(merge.0).into(),
            });
        }
    }
    facts
}

/// Returns the first text between the end of the document and the end of its chunk: kubectl ignores
/// it.
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
