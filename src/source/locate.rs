//! From a field path back to the text.

use std::ops::Range;

use super::file::{File, Span};
use super::tree::{NodeId, Pair, Tree, View};
use crate::model::{FieldPath, Segment};

/// The span of the value at `path` in the object `root`; of the nearest value around it where there is none.
///
/// A mapping's or a list's span is that of its first entry, and none is longer than its line.
pub fn locate(file: &File, tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Span {
    let (node, pair) = walk(tree, root, path);
    match pair {
        // A value that isn't written has no text of its own: `emptyDir:`.
        Some((key, value)) if tree.range(value).is_empty() => file.span(tree.range(key)),
        _ => span_of(file, tree, node),
    }
}

/// The span of the key at `path`; of an item of a list, that of the item.
pub fn locate_key(file: &File, tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Span {
    match walk(tree, root, path) {
        (_, Some((key, _))) => file.span(tree.range(key)),
        (node, None) => span_of(file, tree, node),
    }
}

/// The node at `path` in the object `root`.
pub fn find(tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> Option<NodeId> {
    path.segments().iter().try_fold(root, |at, segment| match segment {
        Segment::Key(key) => tree.get(at, key),
        Segment::Index(index) => tree.items(at).get(*index).copied(),
    })
}

/// The span of a node.
pub fn span_of(file: &File, tree: &Tree<'_>, node: NodeId) -> Span {
    file.span(first_entry(tree, node))
}

/// The node at `path`, or the last one on the way, and the pair that it is the value of.
fn walk(tree: &Tree<'_>, root: NodeId, path: &FieldPath) -> (NodeId, Option<Pair>) {
    let mut at = (root, None);
    for segment in path.segments() {
        let next = match segment {
            Segment::Key(key) => tree.pair(at.0, key).map(|pair| (pair.1, Some(pair))),
            Segment::Index(index) => tree.items(at.0).get(*index).map(|item| (*item, None)),
        };
        match next {
            Some(next) => at = next,
            None => return at,
        }
    }
    at
}

fn first_entry(tree: &Tree<'_>, node: NodeId) -> Range<usize> {
    // An alias is its own text, where the value is used.
    if tree.target(node) != node {
        return tree.range(node);
    }
    match tree.view(node) {
        View::Scalar(_) => tree.range(node),
        View::Sequence(items) => items.first().map_or(tree.range(node), |item| first_entry(tree, *item)),
        View::Mapping => match tree.written_pairs(node).first() {
            None => tree.range(node),
            Some(&(key, value)) => {
                let key = tree.range(key);
                let is_scalar = tree.target(value) != value || matches!(tree.view(value), View::Scalar(_));
                let end = if is_scalar { tree.range(value).end.max(key.end) } else { key.end };
                key.start..end
            }
        },
    }
}
