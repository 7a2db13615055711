//! Spans of field paths.

use std::ops::Range;

use super::file::File;
use super::position::Span;
use super::tree::{MappingEntry, NodeId, Tree, View};
use crate::model::{FieldPath, Segment};

/// Returns the span of the value at `path` in the object `root`. If the value is absent, returns
/// the span of the nearest enclosing value.
///
/// The span of a mapping or a sequence is the span of its first entry. If a value has no text, as
/// in `emptyDir:`, returns the span of its key. A span never extends beyond its first line.
pub fn locate(file: &File, tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Span {
    match nearest(tree, root, path) {
        // The value has no text.
        (_, Some(entry)) if tree.range(entry.value).is_empty() => file.span(tree.range(entry.key)),
        (node, _) => node_span(file, tree, node),
    }
}

/// Returns the span of the key at `path`, or of the item if `path` ends with an index. If the key
/// is absent, returns the span of the nearest enclosing key or item.
pub fn locate_key(file: &File, tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Span {
    match nearest(tree, root, path) {
        (_, Some(entry)) => file.span(tree.range(entry.key)),
        (node, None) => node_span(file, tree, node),
    }
}

/// Returns the node at `path` in the object `root`, or `None` if it is absent. A key whose value is
/// null counts as absent.
pub fn find_node(tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Option<NodeId> {
    path.segments().iter().try_fold(root, |node, segment| match segment {
        Segment::Key(key) => tree.get(node, key),
        Segment::Index(index) => tree.items(node).get(*index).copied(),
    })
}

/// Returns the span of a node. For a mapping or a sequence, returns the span of its first entry.
pub fn node_span(file: &File, tree: &Tree<'_>, node: NodeId) -> Span {
    file.span(first_entry_range(tree, node))
}

/// Returns the node at `path`, or the deepest existing node on the way to it. Also returns the
/// entry if the returned node is the value of a mapping entry.
fn nearest(tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> (NodeId, Option<MappingEntry>) {
    let mut nearest = (root, None);
    for segment in path.segments() {
        let next = match segment {
            Segment::Key(key) => tree.entry(nearest.0, key).map(|entry| (entry.value, Some(entry))),
            Segment::Index(index) => tree.items(nearest.0).get(*index).map(|item| (*item, None)),
        };
        match next {
            Some(next) => nearest = next,
            None => break,
        }
    }
    nearest
}

fn first_entry_range(tree: &Tree<'_>, node: NodeId) -> Range<usize> {
    if is_alias(tree, node) {
        return tree.range(node);
    }
    match tree.view(node) {
        View::Scalar(_) => tree.range(node),
        View::Sequence(items) => {
            items.first().map_or(tree.range(node), |item| first_entry_range(tree, *item))
        }
        View::Mapping => match tree.written_entries(node).first() {
            None => tree.range(node),
            Some(entry) => {
                let key = tree.range(entry.key);
                let is_inline =
                    is_alias(tree, entry.value) || matches!(tree.view(entry.value), View::Scalar(_));
                let end = if is_inline { tree.range(entry.value).end.max(key.end) } else { key.end };
                key.start..end
            }
        },
    }
}

fn is_alias(tree: &Tree<'_>, node: NodeId) -> bool {
    tree.target(node) != node
}
