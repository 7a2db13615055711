//! A document as a tree whose every node knows its place in the text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::build::Builder;
use super::libyaml::Style;
use super::scalar::{self, Scalar};

/// Lists and mappings may stand this deep in one another, aliases followed.
///
/// Kubernetes objects stay below 40, schemas in a CustomResourceDefinition below 100.
pub const MAX_DEPTH: usize = 200;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

#[derive(Debug, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) data: Data<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Data<'t> {
    /// `tag` is an index into the tree's tags, from 1; 0 is none.
    Scalar {
        value: Cow<'t, str>,
        style: Style,
        tag: u16,
    },
    Sequence {
        items: Range<u32>,
    },
    Mapping {
        pairs: Range<u32>,
        shape: Shape,
    },
    Alias(NodeId),
}

/// Whether a mapping's keys are all that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each key once, no `<<`.
    Plain,
    /// A key twice, or a `<<`.
    Irregular,
}

/// What a node is, aliases followed.
#[derive(Debug)]
pub enum View<'a> {
    /// Neither a list nor a mapping.
    Scalar(&'a str),
    /// A list.
    Sequence(&'a [NodeId]),
    /// A mapping: ask [`Tree::entries`].
    Mapping,
}

/// One key of a mapping, and its value.
pub type Pair = (NodeId, NodeId);

/// A key that stands twice in one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// The mapping.
    pub mapping: NodeId,
    /// The pair that counts for nothing.
    pub first: Pair,
    /// The pair that replaces it.
    pub last: Pair,
}

/// Why a text isn't a document that kubectl would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeError {
    /// What is wrong, in one clause.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
}

/// One document.
#[derive(Debug, PartialEq)]
pub struct Tree<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) items: Vec<NodeId>,
    pub(super) pairs: Vec<Pair>,
    pub(super) tags: Vec<Box<str>>,
    pub(super) irregular: Vec<NodeId>,
    pub(super) root: NodeId,
    /// Where the document ended, in bytes; what stands behind it is not part of it.
    pub(super) end: usize,
}

impl<'t> Tree<'t> {
    /// The first document of the part `chunk` of `text`; none where there is only white space and comments.
    ///
    /// All places are those of `text`, not of the part.
    pub fn parse(text: &'t str, chunk: Range<usize>) -> Result<Option<Self>, TreeError> {
        match Self::parse_plain(text, chunk.clone()) {
            Some(tree) => Ok(Some(tree)),
            None => Self::parse_by_engine(text, chunk),
        }
    }

    /// The same, of a document in plain style alone; none at any doubt.
    pub fn parse_plain(text: &'t str, chunk: Range<usize>) -> Option<Self> {
        super::plain::read(text, chunk)
    }

    /// The same, by the YAML engine, which knows every style.
    pub fn parse_by_engine(text: &'t str, chunk: Range<usize>) -> Result<Option<Self>, TreeError> {
        Builder::new(text, chunk).run_yaml()
    }

    /// The JSON values that the part `chunk` of `text` is a stream of; an error where it is anything else.
    pub fn parse_json(text: &'t str, chunk: Range<usize>) -> Result<Vec<Self>, TreeError> {
        super::json::parse(text, chunk)
    }

    /// The outermost node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The byte behind the document, its end marker included.
    pub fn end(&self) -> usize {
        self.end
    }

    fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id.0 as usize]
    }

    /// Whether the byte `at` stands in a scalar.
    pub fn is_in_scalar(&self, at: usize) -> bool {
        let around = |node: &Node<'_>| (node.start as usize..node.end as usize).contains(&at);
        self.nodes.iter().any(|node| matches!(node.data, Data::Scalar { .. }) && around(node))
    }

    /// The bytes of the pair whose key begins at the byte `at`; of an item, or where no key does, those of the
    /// widest value that begins there.
    pub fn beginning_at(&self, at: usize, is_item: bool) -> Option<Range<usize>> {
        let begins = |id: &NodeId| self.node(*id).start as usize == at;
        let pair = self.pairs.iter().filter(|_| !is_item).find(|(key, _)| begins(key));
        if let Some((key, value)) = pair {
            return Some(at..self.range(*key).end.max(self.range(*value).end));
        }
        let ends = self.nodes.iter().filter(|node| node.start as usize == at).map(|node| node.end as usize);
        Some(at..ends.max()?)
    }

    /// The node itself, or what an alias stands for.
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).data {
            Data::Alias(target) => target,
            _ => id,
        }
    }

    /// What the node is, aliases followed.
    pub fn view(&self, id: NodeId) -> View<'_> {
        match &self.node(self.target(id)).data {
            Data::Scalar { value, .. } => View::Scalar(value),
            Data::Sequence { items } => View::Sequence(&self.items[items.start as usize..items.end as usize]),
            Data::Mapping { .. } => View::Mapping,
            Data::Alias(_) => unreachable!("an alias stands for a node that is none"),
        }
    }

    /// The bytes of the text that the node was written in; an alias's own.
    pub fn range(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        node.start as usize..node.end as usize
    }

    /// What a scalar means, or why kubectl refuses it; `None` for lists and mappings.
    pub fn scalar(&self, id: NodeId) -> Option<Result<Scalar<'_>, String>> {
        let Data::Scalar { value, style, tag } = &self.node(self.target(id)).data else { return None };
        let plain = match style {
            Style::Plain => scalar::resolve(value),
            Style::Quoted | Style::Block => Scalar::Str(Cow::Borrowed(value)),
        };
        Some(match tag {
            0 => Ok(plain),
            tag => scalar::tagged(&self.tags[usize::from(*tag) - 1], value, plain),
        })
    }

    /// Whether the node is null, however that is written.
    pub fn is_null(&self, id: NodeId) -> bool {
        matches!(self.scalar(id), Some(Ok(Scalar::Null)))
    }

    /// The text of a scalar that kubectl would read as a string.
    pub fn str(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match self.scalar(id)? {
            Ok(Scalar::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// A key as JSON would have it: what isn't a string becomes one.
    pub fn key(&self, id: NodeId) -> Cow<'_, str> {
        if self.is_plain_word(id) {
            return Cow::Borrowed(self.written(id));
        }
        match self.scalar(id) {
            Some(Ok(Scalar::Str(text))) => text,
            Some(Ok(Scalar::Bool(value))) => Cow::Borrowed(if value { "true" } else { "false" }),
            Some(Ok(Scalar::Int(value))) => Cow::Owned(value.to_string()),
            Some(Ok(Scalar::Uint(value))) => Cow::Owned(value.to_string()),
            Some(Ok(Scalar::Float(value))) => Cow::Owned(value.to_string()),
            // Refused while the tree was built.
            Some(Ok(Scalar::Null) | Err(_)) | None => Cow::Borrowed(""),
        }
    }

    /// The text of a scalar, whatever it means; empty for anything else.
    pub(super) fn written(&self, id: NodeId) -> &str {
        match &self.node(id).data {
            Data::Scalar { value, .. } => value,
            _ => "",
        }
    }

    /// Whether a node surely is a string and no `<<`, by its first letter: nearly all keys are.
    pub(super) fn is_plain_word(&self, id: NodeId) -> bool {
        match &self.node(id).data {
            Data::Scalar { value, tag: 0, .. } => {
                matches!(
                    value.as_bytes(),
                    [
                        b'a'..=b'e'
                        | b'g'..=b'm'
                        | b'p'..=b's'
                        | b'u'..=b'x'
                        | b'A'..=b'E'
                        | b'G'..=b'M'
                        | b'P'..=b'S'
                        | b'U'..=b'X',
                        ..,
                    ]
                ) || (value.len() > 5 && value.as_bytes()[0].is_ascii_alphabetic())
            }
            _ => false,
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self, id: NodeId) -> &[NodeId] {
        match self.view(id) {
            View::Sequence(items) => items,
            _ => &[],
        }
    }

    /// A mapping's pairs as written, `<<` and repeated keys included; none for anything else.
    pub fn written_pairs(&self, id: NodeId) -> &[Pair] {
        match &self.node(self.target(id)).data {
            Data::Mapping { pairs, .. } => &self.pairs[pairs.start as usize..pairs.end as usize],
            _ => &[],
        }
    }

    /// A mapping's pairs as kubectl applies them: of equal keys the last, merge keys where they stand.
    pub fn entries(&self, id: NodeId) -> Cow<'_, [Pair]> {
        match self.node(self.target(id)).data {
            Data::Mapping { shape: Shape::Irregular, .. } => {
                let mut merged = Merged::default();
                self.merge(id, &mut merged, None);
                Cow::Owned(merged.pairs)
            }
            _ => Cow::Borrowed(self.written_pairs(id)),
        }
    }

    /// The value of `key`, as kubectl applies it; a null counts as absent.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.pair(id, key).map(|(_, value)| value).filter(|value| !self.is_null(*value))
    }

    /// The pair of `key`, as kubectl applies it, even where its value is null.
    pub fn pair(&self, id: NodeId, key: &str) -> Option<Pair> {
        self.entries(id).iter().copied().find(|(name, _)| self.key(*name) == key)
    }

    pub(super) fn is_merge(&self, key: NodeId) -> bool {
        match &self.node(key).data {
            Data::Scalar { value, style: Style::Plain, tag: 0 } => value == "<<",
            Data::Scalar { value, tag, .. } if *tag > 0 => {
                value == "<<" && &*self.tags[usize::from(*tag) - 1] == "tag:yaml.org,2002:merge"
            }
            _ => false,
        }
    }

    /// Adds the mapping's pairs to `merged`; `found` collects what a `<<` overrides.
    fn merge<'m>(&'m self, id: NodeId, merged: &mut Merged<'m>, mut found: Option<&mut Vec<(Pair, Pair)>>) {
        for &pair in self.written_pairs(id) {
            if !self.is_merge(pair.0) {
                merged.put(self, pair);
                continue;
            }
            let target = self.target(pair.1);
            let mut sources = vec![target];
            if let View::Sequence(items) = self.view(target) {
                // Of several, the first wins, so it comes last.
                sources = items.iter().rev().copied().collect();
            }
            let mut inner = Merged::default();
            for source in sources {
                self.merge(source, &mut inner, None);
            }
            for added in inner.pairs {
                if let (Some(old), Some(found)) = (merged.put(self, added), found.as_deref_mut()) {
                    found.push((old, added));
                }
            }
        }
    }

    /// The mappings with a repeated key or a `<<`, in the order of the text.
    pub fn irregular(&self) -> &[NodeId] {
        &self.irregular
    }

    /// The keys of `mapping` that stand in it more than once.
    pub fn duplicates(&self, mapping: NodeId) -> Vec<Duplicate> {
        let mut last: HashMap<Cow<'_, str>, Pair> = HashMap::new();
        let mut found = Vec::new();
        for &pair in self.written_pairs(mapping) {
            if !self.is_merge(pair.0)
                && let Some(first) = last.insert(self.key(pair.0), pair)
            {
                found.push(Duplicate { mapping, first, last: pair });
            }
        }
        found
    }

    /// The keys of `mapping` that a later `<<` sets again: the pair before, and the one that counts.
    pub fn overridden(&self, mapping: NodeId) -> Vec<(Pair, Pair)> {
        let mut found = Vec::new();
        self.merge(mapping, &mut Merged::default(), Some(&mut found));
        found
    }

    fn sorted(&self, mapping: NodeId) -> Vec<(Cow<'_, str>, NodeId)> {
        let entries = self.entries(mapping);
        let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (self.key(*key), *value)).collect();
        sorted.sort_unstable();
        sorted
    }

    /// Whether two values are the same to kubectl.
    pub fn same(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (self.target(a), self.target(b));
        if a == b {
            return true;
        }
        match (self.view(a), self.view(b)) {
            (View::Scalar(_), View::Scalar(_)) => self.scalar(a) == self.scalar(b),
            (View::Sequence(a), View::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(*a, *b))
            }
            (View::Mapping, View::Mapping) => {
                let (left, right) = (self.sorted(a), self.sorted(b));
                let same = |((key, value), (other, its)): (&(_, _), &(_, _))| {
                    key == other && self.same(*value, *its)
                };
                left.len() == right.len() && left.iter().zip(&right).all(same)
            }
            _ => false,
        }
    }
}

/// Pairs in the order of their first appearance, each key once.
#[derive(Default)]
struct Merged<'m> {
    pairs: Vec<Pair>,
    places: HashMap<Cow<'m, str>, usize>,
}

impl<'m> Merged<'m> {
    /// Adds a pair, and gives the one that it replaces.
    fn put(&mut self, tree: &'m Tree<'_>, pair: Pair) -> Option<Pair> {
        match self.places.entry(tree.key(pair.0)) {
            Entry::Occupied(place) => Some(std::mem::replace(&mut self.pairs[*place.get()], pair)),
            Entry::Vacant(place) => {
                place.insert(self.pairs.len());
                self.pairs.push(pair);
                None
            }
        }
    }
}
