//! A document as a tree of nodes. Each node has a location in the text.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, hash_map};
use std::ops::Range;

use super::scalar::{self, Scalar, ScalarStyle, TagError};

/// The maximum nesting depth of collections, including those of expanded aliases.
///
/// Kubernetes objects usually have fewer than 40 levels, and schemas in a CustomResourceDefinition
/// fewer than 100.
pub const MAX_DEPTH: usize = 200;

/// The ID of a node in a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'t> {
    /// The offset of the first byte.
    pub(super) start: u32,
    /// The offset after the last byte.
    pub(super) end: u32,
    pub(super) content: Content<'t>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content<'t> {
    Scalar {
        value: Cow<'t, str>,
        style: ScalarStyle,
        /// The explicit tag as an index into [`Tree::tags`], from 1; 0 if there is none.
        tag: u16,
    },
    Sequence {
        /// A part of [`Tree::items`].
        items: Range<u32>,
    },
    Mapping {
        /// A part of [`Tree::entries`].
        entries: Range<u32>,
        /// Whether the mapping has a duplicate key or a merge key.
        is_irregular: bool,
    },
    Alias(NodeId),
}

/// The content of a node, after resolving aliases.
#[derive(Debug)]
pub enum View<'a> {
    /// A scalar and its text.
    Scalar(&'a str),
    /// A sequence and its items.
    Sequence(&'a [NodeId]),
    /// A mapping; see [`Tree::entries`].
    Mapping,
}

/// A key of a mapping and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappingEntry {
    pub key: NodeId,
    pub value: NodeId,
}

/// Two entries that set the same key of a mapping. One of them may come from a merge key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyConflict {
    /// The entry that kubectl drops.
    pub dropped: MappingEntry,
    /// The entry that kubectl applies.
    pub kept: MappingEntry,
}

/// A parsed document.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) items: Vec<NodeId>,
    pub(super) entries: Vec<MappingEntry>,
    pub(super) tags: Vec<Box<str>>,
    pub(super) irregular_mappings: Vec<NodeId>,
    /// The nodes that aliases refer to, each once.
    pub(super) alias_targets: BTreeSet<NodeId>,
    pub(super) root: NodeId,
    pub(super) end: usize,
    /// The nodes that [`Tree::set_null`] has made null.
    pub(super) nulls: RefCell<HashSet<NodeId>>,
}

impl<'t> Tree<'t> {
    /// Returns the outermost node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// Returns the offset of the end of the document, after its end marker if it has one.
    pub fn end(&self) -> usize {
        self.end
    }

    fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id.0 as usize]
    }

    /// Returns the content of a node that is not an alias. Aliases to a node with another content
    /// refer to this content, too.
    fn content(&self, id: NodeId) -> &Content<'t> {
        const NULL: &Content<'_> =
            &Content::Scalar { value: Cow::Borrowed(""), style: ScalarStyle::Plain, tag: 0 };
        let nulls = self.nulls.borrow();
        if !nulls.is_empty() && nulls.contains(&id) { NULL } else { &self.node(id).content }
    }

    /// Returns the byte range of the node in the text. For an alias, returns the range of the
    /// alias, not of its target.
    pub fn range(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        node.start as usize..node.end as usize
    }

    /// Checks whether the byte at `offset` is part of a scalar.
    pub fn is_in_scalar(&self, offset: usize) -> bool {
        // The nodes are sorted by their start, and a scalar contains no other node.
        let following = self.nodes.partition_point(|node| node.start as usize <= offset);
        let last = self.nodes[..following].last();
        last.is_some_and(|node| matches!(node.content, Content::Scalar { .. }) && offset < node.end as usize)
    }

    /// Returns the byte range of the mapping entry whose key starts at `offset`. If no key starts
    /// at `offset`, or if `is_item` is true, returns the range of the longest node that starts
    /// there. Returns `None` if no node starts there.
    ///
    /// `is_item` is true if the content of a sequence item starts at `offset`.
    pub fn range_starting_at(&self, offset: usize, is_item: bool) -> Option<Range<usize>> {
        let starts_here = |id: NodeId| self.node(id).start as usize == offset;
        let entry = self.entries.iter().filter(|_| !is_item).find(|entry| starts_here(entry.key));
        if let Some(entry) = entry {
            return Some(offset..self.range(entry.key).end.max(self.range(entry.value).end));
        }
        let nodes = self.nodes.iter().filter(|node| node.start as usize == offset);
        Some(offset..nodes.map(|node| node.end as usize).max()?)
    }

    /// Returns the node that an alias refers to, or `id` itself for any other node.
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).content {
            Content::Alias(target) => target,
            _ => id,
        }
    }

    /// Checks whether a byte range is in a node that an alias refers to.
    pub fn is_shared(&self, range: &Range<usize>) -> bool {
        self.alias_targets.iter().any(|target| {
            let target = self.range(*target);
            target.start <= range.start && range.end <= target.end
        })
    }

    /// Returns the content of the node.
    pub fn view(&self, id: NodeId) -> View<'_> {
        match self.content(self.target(id)) {
            Content::Scalar { value, .. } => View::Scalar(value),
            Content::Sequence { items } => {
                View::Sequence(&self.items[items.start as usize..items.end as usize])
            }
            Content::Mapping { .. } => View::Mapping,
            Content::Alias(_) => unreachable!("an alias refers to another alias"),
        }
    }

    /// Returns the value of a scalar, or an error if it does not match its tag. Returns `None` for
    /// collections.
    pub fn scalar(&self, id: NodeId) -> Option<Result<Scalar<'_>, TagError>> {
        let Content::Scalar { value, style, tag } = self.content(self.target(id)) else { return None };
        let untagged = match style {
            ScalarStyle::Plain => scalar::resolve_plain(value),
            ScalarStyle::Quoted | ScalarStyle::Block => Scalar::Str(Cow::Borrowed(value)),
        };
        Some(match tag {
            0 => Ok(untagged),
            tag => scalar::resolve_tagged(self.tag(*tag), value, untagged),
        })
    }

    fn tag(&self, tag: u16) -> &str {
        &self.tags[usize::from(tag) - 1]
    }

    /// Checks whether the node is null, in any notation.
    pub fn is_null(&self, id: NodeId) -> bool {
        match self.content(self.target(id)) {
            Content::Scalar { value, style: ScalarStyle::Plain, tag: 0 } => scalar::is_plain_null(value),
            Content::Scalar { tag: 0, .. } => false,
            _ => matches!(self.scalar(id), Some(Ok(Scalar::Null))),
        }
    }

    /// Returns the value of a scalar if kubectl reads it as a string, or `None` for any other node.
    pub fn as_str(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match self.scalar(id)? {
            Ok(Scalar::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns a key as a string. Keys of other types are converted to strings as kubectl does when
    /// it converts YAML to JSON.
    pub fn key(&self, id: NodeId) -> Cow<'_, str> {
        if self.is_plain_word(id) {
            return Cow::Borrowed(self.raw_scalar(id));
        }
        match self.scalar(id) {
            Some(Ok(Scalar::Str(text))) => text,
            Some(Ok(Scalar::Bool(value))) => Cow::Borrowed(if value { "true" } else { "false" }),
            Some(Ok(Scalar::Int(value))) => Cow::Owned(value.to_string()),
            Some(Ok(Scalar::Uint(value))) => Cow::Owned(value.to_string()),
            Some(Ok(Scalar::Float(value))) => Cow::Owned(value.to_string()),
            // The builder rejects such keys.
            Some(Ok(Scalar::Null) | Err(_)) | None => Cow::Borrowed(""),
        }
    }

    /// Returns the text of a scalar regardless of its type, or an empty string for other nodes.
    pub(super) fn raw_scalar(&self, id: NodeId) -> &str {
        match &self.node(id).content {
            Content::Scalar { value, .. } => value,
            _ => "",
        }
    }

    /// Checks quickly whether a key is a string and not a merge key. Returns true for nearly all
    /// keys. If it returns false, the key may still be a string.
    ///
    /// A key of another type is empty, or it starts with a digit, a sign, a dot, `~` or the first
    /// letter of `null`, `true`, `false`, `yes`, `no`, `on` or `off`. These words have at most five
    /// letters.
    pub(super) fn is_plain_word(&self, id: NodeId) -> bool {
        match &self.node(id).content {
            Content::Scalar { value, tag: 0, .. } => match value.as_bytes() {
                [b'f' | b'n' | b'o' | b't' | b'y' | b'F' | b'N' | b'O' | b'T' | b'Y', ..] => value.len() > 5,
                [first, ..] => first.is_ascii_alphabetic(),
                [] => false,
            },
            _ => false,
        }
    }

    /// Returns the items of a sequence, or an empty slice for other nodes.
    pub fn items(&self, id: NodeId) -> &[NodeId] {
        match self.view(id) {
            View::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Makes the node null. For an alias, makes its target null.
    pub fn set_null(&self, id: NodeId) {
        self.nulls.borrow_mut().insert(self.target(id));
    }

    /// Returns the entries of a mapping as they are written, including merge keys and duplicate
    /// keys. Returns an empty slice for other nodes.
    pub fn written_entries(&self, id: NodeId) -> &[MappingEntry] {
        match self.content(self.target(id)) {
            Content::Mapping { entries, .. } => &self.entries[entries.start as usize..entries.end as usize],
            _ => &[],
        }
    }

    /// Returns the entries of a mapping as kubectl applies them: merge keys are expanded, and the
    /// last of several equal keys wins. Returns no entries for other nodes.
    pub fn entries(&self, id: NodeId) -> Cow<'_, [MappingEntry]> {
        match *self.content(self.target(id)) {
            Content::Mapping { is_irregular: true, .. } => {
                let mut merged = MergedEntries::default();
                self.merge(id, &mut merged, None);
                Cow::Owned(merged.entries)
            }
            _ => Cow::Borrowed(self.written_entries(id)),
        }
    }

    /// Returns the value of `key` as kubectl applies it, or `None` if it is absent or null.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entry(id, key).map(|entry| entry.value).filter(|value| !self.is_null(*value))
    }

    /// Returns the entry of `key` as kubectl applies it, even if the value is null. Returns `None`
    /// if it is absent.
    pub fn entry(&self, id: NodeId, key: &str) -> Option<MappingEntry> {
        self.entries(id).iter().copied().find(|entry| self.key(entry.key) == key)
    }

    pub(super) fn is_merge_key(&self, key: NodeId) -> bool {
        match &self.node(key).content {
            Content::Scalar { value, style: ScalarStyle::Plain, tag: 0 } => value == "<<",
            Content::Scalar { value, tag, .. } if *tag > 0 => {
                value == "<<" && self.tag(*tag) == "tag:yaml.org,2002:merge"
            }
            _ => false,
        }
    }

    /// Adds the entries of a mapping to `merged`. If `overrides` is set, also records the entries
    /// that a merge key overrides.
    fn merge<'m>(
        &'m self,
        id: NodeId,
        merged: &mut MergedEntries<'m>,
        mut overrides: Option<&mut Vec<KeyConflict>>,
    ) {
        for &entry in self.written_entries(id) {
            if !self.is_merge_key(entry.key) {
                merged.insert(self, entry);
                continue;
            }
            let target = self.target(entry.value);
            let sources = match self.view(target) {
                // The first of several mappings takes precedence, so apply it last.
                View::Sequence(items) => items.iter().rev().copied().collect(),
                _ => vec![target],
            };
            let mut inner = MergedEntries::default();
            for source in sources {
                self.merge(source, &mut inner, None);
            }
            for kept in inner.entries {
                if let (Some(dropped), Some(overrides)) =
                    (merged.insert(self, kept), overrides.as_deref_mut())
                {
                    overrides.push(KeyConflict { dropped, kept });
                }
            }
        }
    }

    /// Returns the mappings with a duplicate key or a merge key, in the order in which they end.
    pub fn irregular_mappings(&self) -> &[NodeId] {
        &self.irregular_mappings
    }

    /// Returns the duplicate keys of a mapping, each with its previous occurrence.
    pub fn duplicate_keys(&self, mapping: NodeId) -> Vec<KeyConflict> {
        let mut last: HashMap<Cow<'_, str>, MappingEntry> = HashMap::new();
        let mut conflicts = Vec::new();
        for &kept in self.written_entries(mapping) {
            if !self.is_merge_key(kept.key)
                && let Some(dropped) = last.insert(self.key(kept.key), kept)
            {
                conflicts.push(KeyConflict { dropped, kept });
            }
        }
        conflicts
    }

    /// Returns the keys of a mapping that a later merge key overrides.
    pub fn merge_overrides(&self, mapping: NodeId) -> Vec<KeyConflict> {
        let mut overrides = Vec::new();
        self.merge(mapping, &mut MergedEntries::default(), Some(&mut overrides));
        overrides
    }

    fn sorted_entries(&self, mapping: NodeId) -> Vec<(Cow<'_, str>, NodeId)> {
        let entries = self.entries(mapping);
        let mut sorted: Vec<_> = entries.iter().map(|entry| (self.key(entry.key), entry.value)).collect();
        sorted.sort_unstable();
        sorted
    }

    /// Checks whether kubectl reads two nodes as equal values.
    pub fn are_equal(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (self.target(a), self.target(b));
        if a == b {
            return true;
        }
        match (self.view(a), self.view(b)) {
            (View::Scalar(_), View::Scalar(_)) => self.scalar(a) == self.scalar(b),
            (View::Sequence(a), View::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.are_equal(*a, *b))
            }
            (View::Mapping, View::Mapping) => {
                let (a, b) = (self.sorted_entries(a), self.sorted_entries(b));
                a.len() == b.len()
                    && a.iter().zip(&b).all(|((key, value), (other_key, other_value))| {
                        key == other_key && self.are_equal(*value, *other_value)
                    })
            }
            _ => false,
        }
    }
}

/// The entries of a mapping, one per key, in the order in which the keys first appear.
#[derive(Default)]
struct MergedEntries<'m> {
    entries: Vec<MappingEntry>,
    indices: HashMap<Cow<'m, str>, usize>,
}

impl<'m> MergedEntries<'m> {
    /// Inserts an entry. Returns the entry that it replaces, or `None` if the key is new.
    fn insert(&mut self, tree: &'m Tree<'_>, entry: MappingEntry) -> Option<MappingEntry> {
        match self.indices.entry(tree.key(entry.key)) {
            hash_map::Entry::Occupied(index) => {
                Some(std::mem::replace(&mut self.entries[*index.get()], entry))
            }
            hash_map::Entry::Vacant(index) => {
                index.insert(self.entries.len());
                self.entries.push(entry);
                None
            }
        }
    }
}
