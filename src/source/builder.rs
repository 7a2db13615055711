//! Builds a [`Tree`] from the nodes that a parser reports in text order.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::error::{ParseError, ParseErrorKind};
use super::scalar::{Scalar, ScalarStyle};
use super::tree::{Content, MAX_DEPTH, MappingEntry, Node, NodeId, Tree, View};

/// The approximate number of bytes of text per node in a typical manifest.
const BYTES_PER_NODE: usize = 24;

/// A collection that is not closed yet.
struct OpenCollection {
    id: NodeId,
    is_mapping: bool,
    /// The index of the first child in [`TreeBuilder::stack`].
    first_child: usize,
}

/// The size of a node after alias expansion.
#[derive(Clone, Copy, Default)]
struct ExpandedSize {
    nodes: u64,
    /// The number of nodes that come from aliases.
    aliased: u64,
    /// The total length of the scalars, in bytes.
    text: u64,
    /// The total length of the scalars that come from aliases.
    aliased_text: u64,
    depth: u32,
}

/// The maximum total length of the scalars that come from aliases, in bytes.
///
/// Each string can contain a manifest that is checked. Without this limit, checking a short file
/// could take very long. The API server accepts no object of this size.
const MAX_ALIASED_TEXT: u64 = 16 << 20;

/// A builder for one tree.
///
/// Add scalars, aliases and collections in text order. Open a collection before its children, and
/// close it after them. The children of a mapping are alternating keys and values.
pub(super) struct TreeBuilder<'t> {
    text: &'t str,
    tree: Tree<'t>,
    open: Vec<OpenCollection>,
    /// Finished nodes whose parent is not closed yet.
    stack: Vec<NodeId>,
}

impl<'t> TreeBuilder<'t> {
    /// Creates a builder with memory reserved for the nodes in `text_len` bytes of text.
    pub(super) fn new(text: &'t str, text_len: usize) -> Self {
        let nodes = text_len / BYTES_PER_NODE;
        let tree = Tree {
            nodes: Vec::with_capacity(nodes),
            items: Vec::new(),
            entries: Vec::with_capacity(nodes / 2),
            tags: Vec::new(),
            irregular_mappings: Vec::new(),
            alias_targets: BTreeSet::new(),
            root: NodeId(0),
            end: 0,
            nulls: RefCell::default(),
        };
        Self { text, tree, open: Vec::new(), stack: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tree.nodes.is_empty()
    }

    /// Returns the ID that the next node will have.
    pub(super) fn next_id(&self) -> NodeId {
        NodeId(self.tree.nodes.len() as u32)
    }

    /// Checks whether `id` is a collection that is not closed yet.
    pub(super) fn is_open(&self, id: NodeId) -> bool {
        self.open.iter().any(|collection| collection.id == id)
    }

    /// Returns the finished tree of a document that ends at the offset `end`. Returns an error if
    /// the document is too large or nested too deeply after alias expansion.
    pub(super) fn finish(mut self, end: usize) -> Result<Tree<'t>, ParseError> {
        self.tree.end = end;
        self.tree.root = self.stack.pop().unwrap_or(NodeId(0));
        debug_assert!(self.tree.nodes.is_sorted_by_key(|node| node.start));
        self.check_expansion()?;
        Ok(self.tree)
    }

    fn add(&mut self, span: Range<usize>, content: Content<'t>) -> NodeId {
        let id = self.next_id();
        // `MAX_FILE_BYTES` is far below 4 GiB.
        self.tree.nodes.push(Node { start: span.start as u32, end: span.end as u32, content });
        id
    }

    /// Adds a scalar.
    pub(super) fn scalar(
        &mut self,
        span: Range<usize>,
        value: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<&str>,
    ) {
        let tag = tag.map_or(0, |tag| self.tag_index(tag));
        let id = self.add(span, Content::Scalar { value, style, tag });
        self.stack.push(id);
    }

    fn tag_index(&mut self, tag: &str) -> u16 {
        let known = self.tree.tags.iter().position(|known| &**known == tag);
        let index = known.unwrap_or_else(|| {
            self.tree.tags.push(tag.into());
            self.tree.tags.len() - 1
        });
        // Tags beyond the range of `u16` are ignored. No manifest has that many tags.
        u16::try_from(index + 1).unwrap_or(0)
    }

    /// Adds an alias.
    pub(super) fn alias(&mut self, span: Range<usize>, target: NodeId) {
        self.tree.alias_targets.insert(target);
        let id = self.add(span, Content::Alias(target));
        self.stack.push(id);
    }

    /// Opens a sequence or a mapping. `span` is the token that starts it. Returns an error if the
    /// nesting exceeds [`MAX_DEPTH`].
    pub(super) fn open(&mut self, span: Range<usize>, is_mapping: bool) -> Result<(), ParseError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(ParseErrorKind::TooDeep.at(span));
        }
        let content = if is_mapping {
            Content::Mapping { entries: 0..0, is_irregular: false }
        } else {
            Content::Sequence { items: 0..0 }
        };
        let id = self.add(span, content);
        self.open.push(OpenCollection { id, is_mapping, first_child: self.stack.len() });
        Ok(())
    }

    /// Closes the innermost collection. `end` is the offset after its last token. Returns an error
    /// if a key of a mapping is invalid.
    pub(super) fn close(&mut self, end: usize) -> Result<(), ParseError> {
        let Some(OpenCollection { id, is_mapping, first_child }) = self.open.pop() else { return Ok(()) };
        let children = &self.stack[first_child..];
        let last_end = children.last().map(|child| self.tree.nodes[child.0 as usize].end);
        let content = if is_mapping {
            let start = self.tree.entries.len() as u32;
            let entries = children.chunks_exact(2).map(|pair| MappingEntry { key: pair[0], value: pair[1] });
            self.tree.entries.extend(entries);
            let entries = start..self.tree.entries.len() as u32;
            let is_irregular = self.check_keys(entries.clone())?;
            if is_irregular {
                self.tree.irregular_mappings.push(id);
            }
            Content::Mapping { entries, is_irregular }
        } else {
            let start = self.tree.items.len() as u32;
            self.tree.items.extend_from_slice(children);
            Content::Sequence { items: start..self.tree.items.len() as u32 }
        };
        self.stack.truncate(first_child);
        let node = &mut self.tree.nodes[id.0 as usize];
        node.content = content;
        let is_flow = starts_with_bracket(&self.text[node.start as usize..])
            && matches!(self.text.as_bytes().get(end.wrapping_sub(1)), Some(b'}' | b']'));
        // A parser notices the end of a block collection only at the next token, so use the end of
        // the last child.
        node.end = if is_flow { end as u32 } else { last_end.unwrap_or(node.end) };
        self.stack.push(id);
        Ok(())
    }

    /// Returns an error if a key of a mapping is invalid. Otherwise, returns true if the mapping
    /// has a duplicate key or a merge key.
    fn check_keys(&self, entries: Range<u32>) -> Result<bool, ParseError> {
        let entries = &self.tree.entries[entries.start as usize..entries.end as usize];
        let mut has_merge_key = false;
        for entry in entries.iter().filter(|entry| !self.tree.is_plain_word(entry.key)) {
            let error = match self.tree.scalar(entry.key) {
                None => Some(ParseErrorKind::CollectionAsKey),
                Some(Ok(Scalar::Null)) => Some(ParseErrorKind::NullKey),
                Some(Err(error)) => Some(error.into()),
                Some(Ok(_)) if self.tree.is_merge_key(entry.key) => {
                    has_merge_key = true;
                    let is_mapping = |id| matches!(self.tree.view(id), View::Mapping);
                    let is_valid = match self.tree.view(entry.value) {
                        View::Sequence(items) => items.iter().all(|item| is_mapping(*item)),
                        _ => is_mapping(entry.value),
                    };
                    (!is_valid).then_some(ParseErrorKind::InvalidMerge)
                }
                Some(Ok(_)) => None,
            };
            if let Some(kind) = error {
                return Err(kind.at(self.tree.range(entry.key)));
            }
        }
        Ok(has_merge_key || self.has_duplicate_key(entries))
    }

    fn has_duplicate_key(&self, entries: &[MappingEntry]) -> bool {
        /// The maximum number of keys for which comparing all pairs is faster than sorting.
        const MAX_PAIRWISE: usize = 12;
        if entries.len() > MAX_PAIRWISE || !entries.iter().all(|entry| self.tree.is_plain_word(entry.key)) {
            let mut keys: Vec<_> = entries.iter().map(|entry| self.tree.key(entry.key)).collect();
            keys.sort_unstable();
            return keys.windows(2).any(|pair| pair[0] == pair[1]);
        }
        entries.iter().enumerate().any(|(index, entry)| {
            let key = self.tree.raw_scalar(entry.key);
            entries[..index].iter().any(|other| self.tree.raw_scalar(other.key) == key)
        })
    }

    /// Returns an error if the document exceeds a limit after alias expansion: the limit of go-yaml
    /// on the ratio of nodes from aliases, [`MAX_ALIASED_TEXT`], or [`MAX_DEPTH`].
    fn check_expansion(&self) -> Result<(), ParseError> {
        if self.tree.alias_targets.is_empty() {
            return Ok(());
        }
        let mut sizes = vec![ExpandedSize::default(); self.tree.nodes.len()];
        let document = self.expanded_size(self.tree.root, &mut sizes);
        let is_excessive = document.aliased > 100
            && document.nodes > 1000
            && document.aliased as f64 / document.nodes as f64 > allowed_alias_ratio(document.nodes);
        let kind = if is_excessive || document.aliased_text > MAX_ALIASED_TEXT {
            ParseErrorKind::ExcessiveAliasing
        } else if document.depth as usize > MAX_DEPTH {
            ParseErrorKind::TooDeepWithAliases
        } else {
            return Ok(());
        };
        Err(kind.at(self.tree.range(self.tree.root)))
    }

    /// Returns the size of a node after alias expansion. `known` caches the results.
    ///
    /// The recursion is limited by the nesting of the text: the target of an alias precedes the
    /// alias, so its size is already known.
    fn expanded_size(&self, id: NodeId, known: &mut [ExpandedSize]) -> ExpandedSize {
        let index = id.0 as usize;
        if known[index].nodes > 0 {
            return known[index];
        }
        let mut size = ExpandedSize { nodes: 1, ..ExpandedSize::default() };
        let mut add_child = |child: ExpandedSize| {
            size.nodes = size.nodes.saturating_add(child.nodes);
            size.aliased = size.aliased.saturating_add(child.aliased);
            size.text = size.text.saturating_add(child.text);
            size.aliased_text = size.aliased_text.saturating_add(child.aliased_text);
            size.depth = size.depth.max(child.depth + 1);
        };
        match &self.tree.nodes[index].content {
            Content::Scalar { .. } => size.text = self.tree.range(id).len() as u64,
            Content::Alias(target) => {
                let target = self.expanded_size(*target, known);
                size = ExpandedSize { aliased: target.nodes, aliased_text: target.text, ..target };
            }
            Content::Sequence { items } => {
                for item in items.clone() {
                    add_child(self.expanded_size(self.tree.items[item as usize], known));
                }
            }
            Content::Mapping { entries, .. } => {
                for entry in entries.clone() {
                    let MappingEntry { key, value } = self.tree.entries[entry as usize];
                    add_child(self.expanded_size(key, known));
                    add_child(self.expanded_size(value, known));
                }
            }
        }
        known[index] = size;
        size
    }
}

/// Checks whether a collection starts with a bracket, after its anchor and its tag.
fn starts_with_bracket(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'{' | b'[') => true,
        Some(b'&' | b'!') => {
            let rest = text.trim_start_matches(|c: char| !c.is_ascii_whitespace());
            starts_with_bracket(rest.trim_start())
        }
        _ => false,
    }
}

/// Returns the maximum ratio of nodes from aliases in a document of `nodes` nodes, as in go-yaml
/// (`decode.go`).
fn allowed_alias_ratio(nodes: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let nodes = nodes as f64;
    (0.99 - 0.89 * ((nodes - LOW) / (HIGH - LOW))).clamp(0.10, 0.99)
}
