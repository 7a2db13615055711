//! A document as a tree whose every node knows its place in the text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::libyaml::{Event, EventKind, Parser, Style};
use super::scalar::{self, Scalar};

/// Lists and mappings may stand this deep in one another, aliases followed.
///
/// Kubernetes objects stay below 40, schemas in a CustomResourceDefinition below 100.
pub const MAX_DEPTH: usize = 200;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

#[derive(Debug)]
struct Node<'t> {
    start: u32,
    end: u32,
    data: Data<'t>,
}

#[derive(Debug)]
enum Data<'t> {
    /// `tag` is an index into the tree's tags, from 1; 0 is none.
    Scalar { value: Cow<'t, str>, style: Style, tag: u16 },
    Sequence { items: Range<u32> },
    Mapping { pairs: Range<u32>, shape: Shape },
    Alias(NodeId),
}

/// Whether a mapping's keys are all that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
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
#[derive(Debug)]
pub struct Tree<'t> {
    nodes: Vec<Node<'t>>,
    items: Vec<NodeId>,
    pairs: Vec<Pair>,
    tags: Vec<Box<str>>,
    irregular: Vec<NodeId>,
    root: NodeId,
    /// Where the document ended, in bytes; what stands behind it is not part of it.
    end: usize,
}

impl<'t> Tree<'t> {
    /// The first document of the part `chunk` of `text`; none where there is only white space and comments.
    ///
    /// All places are those of `text`, not of the part.
    pub fn parse(text: &'t str, chunk: Range<usize>) -> Result<Option<Self>, TreeError> {
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

    fn is_merge(&self, key: NodeId) -> bool {
        match &self.node(key).data {
            Data::Scalar { value, style: Style::Plain, tag: 0 } => value == "<<",
            Data::Scalar { value, tag, .. } if *tag > 0 => {
                value == "<<" && &*self.tags[usize::from(*tag) - 1] == "tag:yaml.org,2002:merge"
            }
            _ => false,
        }
    }

    /// Adds the mapping's pairs to `merged`; `found` collects what a `<<` overrides.
    fn merge(&self, id: NodeId, merged: &mut Merged, mut found: Option<&mut Vec<(Pair, Pair)>>) {
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
                if let (Some(old), Some(found)) = (merged.find(self, added.0), found.as_deref_mut()) {
                    found.push((old, added));
                }
                merged.put(self, added);
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
            if !self.is_merge(pair.0) {
                if let Some(first) = last.insert(self.key(pair.0), pair) {
                    found.push(Duplicate { mapping, first, last: pair });
                }
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
                let (left, right) = (self.entries(a), self.entries(b));
                left.len() == right.len()
                    && left.iter().all(|(key, value)| {
                        self.pair(b, &self.key(*key)).is_some_and(|(_, other)| self.same(*value, other))
                    })
            }
            _ => false,
        }
    }
}

/// Pairs in the order of their first appearance, each key once.
#[derive(Default)]
struct Merged {
    pairs: Vec<Pair>,
}

impl Merged {
    fn find(&self, tree: &Tree<'_>, key: NodeId) -> Option<Pair> {
        let key = tree.key(key);
        self.pairs.iter().copied().find(|(name, _)| tree.key(*name) == key)
    }

    fn put(&mut self, tree: &Tree<'_>, pair: Pair) {
        let key = tree.key(pair.0);
        match self.pairs.iter_mut().find(|(name, _)| tree.key(*name) == key) {
            Some(old) => *old = pair,
            None => self.pairs.push(pair),
        }
    }
}

/// What is open while the parser is inside it.
struct Frame {
    id: NodeId,
    /// Where its children begin in the builder's stack.
    children: usize,
    mapping: bool,
}

/// What following every alias of a node would make of it.
#[derive(Clone, Copy, Default)]
struct Expansion {
    nodes: u64,
    aliased: u64,
    depth: u32,
}

/// Makes a tree of the events of a parser.
pub(super) struct Builder<'t> {
    text: &'t str,
    chunk: Range<usize>,
    offsets: Offsets,
    tree: Tree<'t>,
    open: Vec<Frame>,
    stack: Vec<NodeId>,
    anchors: HashMap<Box<str>, NodeId>,
    aliases: usize,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str, chunk: Range<usize>) -> Self {
        let expected = chunk.len() / 24;
        let tree = Tree {
            nodes: Vec::with_capacity(expected),
            items: Vec::new(),
            pairs: Vec::with_capacity(expected / 2),
            tags: Vec::new(),
            irregular: Vec::new(),
            root: NodeId(0),
            end: chunk.end,
        };
        Self {
            text,
            offsets: Offsets::new(&text[chunk.clone()]),
            chunk,
            tree,
            open: Vec::new(),
            stack: Vec::new(),
            anchors: HashMap::new(),
            aliases: 0,
        }
    }

    fn run_yaml(mut self) -> Result<Option<Tree<'t>>, TreeError> {
        let mut parser = Parser::new(&self.text[self.chunk.clone()]);
        loop {
            let event = match parser.next() {
                Ok(event) => event,
                Err(error) => {
                    let at = self.byte(error.at);
                    return Err(TreeError { message: error.problem, span: at..at });
                }
            };
            match event.kind {
                EventKind::StreamEnd => return Ok(None),
                EventKind::DocumentStart => {}
                EventKind::DocumentEnd => {
                    let end = self.byte(event.end);
                    return self.finish(end).map(Some);
                }
                _ => self.add(event)?,
            }
        }
    }

    /// The finished tree; the document ends at the byte `end`.
    pub(super) fn finish(mut self, end: usize) -> Result<Tree<'t>, TreeError> {
        self.tree.end = end;
        self.tree.root = self.stack.pop().unwrap_or(NodeId(0));
        self.check_expansion()?;
        Ok(self.tree)
    }

    fn byte(&self, character: u64) -> usize {
        self.chunk.start + self.offsets.byte(&self.text[self.chunk.clone()], character)
    }

    fn add(&mut self, event: Event<'_>) -> Result<(), TreeError> {
        let start = self.byte(event.start);
        let span = start..self.byte(event.end).max(start);
        let (anchor, data) = match event.kind {
            EventKind::End => return self.close(span.end),
            EventKind::Alias(name) => {
                let Some(&target) = self.anchors.get(name) else {
                    return Err(TreeError { message: format!("unknown anchor `{name}` referenced"), span });
                };
                if self.open.iter().any(|frame| frame.id == target) {
                    return Err(TreeError { message: format!("anchor `{name}` value contains itself"), span });
                }
                self.aliases += 1;
                (None, Data::Alias(target))
            }
            EventKind::Scalar { anchor, tag, value, style } => {
                let tag = match tag {
                    Some(tag) => self.tag(tag),
                    None => 0,
                };
                let value = match self.text.get(span.clone()) {
                    // Most scalars stand in the text just as they are.
                    Some(written) if written == value => Cow::Borrowed(written),
                    _ => self.quoted_as_written(&span, value),
                };
                (anchor, Data::Scalar { value, style, tag })
            }
            EventKind::SequenceStart { anchor } => (anchor, Data::Sequence { items: 0..0 }),
            EventKind::MappingStart { anchor } => (anchor, Data::Mapping { pairs: 0..0, shape: Shape::Plain }),
            EventKind::DocumentStart | EventKind::DocumentEnd | EventKind::StreamEnd => return Ok(()),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor.into(), NodeId(self.tree.nodes.len() as u32));
        }
        self.push(span, data)
    }

    /// Adds a scalar, which stands for itself in the text at `span`.
    pub(super) fn scalar(&mut self, span: Range<usize>, value: Cow<'t, str>, style: Style) {
        let id = self.node(span, Data::Scalar { value, style, tag: 0 });
        self.stack.push(id);
    }

    /// Opens a list or a mapping whose text begins at `span`.
    pub(super) fn open(&mut self, span: Range<usize>, mapping: bool) -> Result<(), TreeError> {
        let data = if mapping {
            Data::Mapping { pairs: 0..0, shape: Shape::Plain }
        } else {
            Data::Sequence { items: 0..0 }
        };
        self.push(span, data)
    }

    fn node(&mut self, span: Range<usize>, data: Data<'t>) -> NodeId {
        let id = NodeId(self.tree.nodes.len() as u32);
        // Files are refused long before they are 4 GiB long.
        self.tree.nodes.push(Node { start: span.start as u32, end: span.end as u32, data });
        id
    }

    fn push(&mut self, span: Range<usize>, data: Data<'t>) -> Result<(), TreeError> {
        let is_mapping = matches!(data, Data::Mapping { .. });
        let opens = is_mapping || matches!(data, Data::Sequence { .. });
        if self.open.len() >= MAX_DEPTH {
            return Err(TreeError { message: format!("nested more than {MAX_DEPTH} levels deep"), span });
        }
        let id = self.node(span, data);
        if !opens {
            self.stack.push(id);
            return Ok(());
        }
        self.open.push(Frame { id, children: self.stack.len(), mapping: is_mapping });
        Ok(())
    }

    fn quoted_as_written(&self, span: &Range<usize>, value: &str) -> Cow<'t, str> {
        match self.text.get(span.start + 1..span.end.saturating_sub(1)) {
            Some(inner) if inner == value => Cow::Borrowed(inner),
            _ => Cow::Owned(value.to_owned()),
        }
    }

    fn tag(&mut self, tag: &str) -> u16 {
        let known = self.tree.tags.iter().position(|known| &**known == tag);
        let index = known.unwrap_or_else(|| {
            self.tree.tags.push(tag.into());
            self.tree.tags.len() - 1
        });
        // Beyond that many different tags, one is as good as none.
        u16::try_from(index + 1).unwrap_or(0)
    }

    /// Closes the innermost list or mapping, whose text ends at the byte `end`.
    pub(super) fn close(&mut self, end: usize) -> Result<(), TreeError> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let children = self.stack.split_off(frame.children);
        if frame.mapping {
            self.close_mapping(frame.id, &children)?;
        } else {
            let start = self.tree.items.len() as u32;
            self.tree.items.extend_from_slice(&children);
            self.tree.nodes[frame.id.0 as usize].data =
                Data::Sequence { items: start..self.tree.items.len() as u32 };
        }
        // A block collection's own end is the start of what follows it: the last child says where it ends.
        let last = children.last().map(|child| self.tree.nodes[child.0 as usize].end);
        let node = &mut self.tree.nodes[frame.id.0 as usize];
        let byte = |at: usize| self.text.as_bytes().get(at);
        let flow = matches!(byte(node.start as usize), Some(b'{' | b'['))
            && matches!(byte(end.wrapping_sub(1)), Some(b'}' | b']'));
        node.end = if flow { end as u32 } else { last.unwrap_or(node.end) };
        self.stack.push(frame.id);
        Ok(())
    }

    fn close_mapping(&mut self, id: NodeId, children: &[NodeId]) -> Result<(), TreeError> {
        let start = self.tree.pairs.len() as u32;
        self.tree.pairs.extend(children.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        let pairs = start..self.tree.pairs.len() as u32;
        self.tree.nodes[id.0 as usize].data = Data::Mapping { pairs: pairs.clone(), shape: Shape::Plain };
        let mut merges = false;
        for index in pairs.clone() {
            let (key, value) = self.tree.pairs[index as usize];
            let problem = match self.tree.scalar(key) {
                None => Some("a mapping or a list can't be a key".to_owned()),
                Some(Ok(Scalar::Null)) => Some("null can't be a key".to_owned()),
                Some(Err(message)) => Some(message),
                Some(Ok(_)) if self.tree.is_merge(key) => {
                    merges = true;
                    let mapping = |id| matches!(self.tree.view(id), View::Mapping);
                    let all = match self.tree.view(value) {
                        View::Sequence(items) => items.iter().all(|item| mapping(*item)),
                        _ => mapping(value),
                    };
                    (!all).then(|| "map merge requires map or sequence of maps as the value".to_owned())
                }
                Some(Ok(_)) => None,
            };
            if let Some(message) = problem {
                return Err(TreeError { message, span: self.tree.range(key) });
            }
        }
        if merges || self.repeats(pairs.clone()) {
            self.tree.nodes[id.0 as usize].data = Data::Mapping { pairs, shape: Shape::Irregular };
            self.tree.irregular.push(id);
        }
        Ok(())
    }

    fn repeats(&self, pairs: Range<u32>) -> bool {
        let pairs = &self.tree.pairs[pairs.start as usize..pairs.end as usize];
        if pairs.len() <= 12 {
            let keys = |(key, _): &Pair| self.tree.key(*key);
            return pairs.iter().enumerate().any(|(at, pair)| {
                let key = keys(pair);
                pairs[..at].iter().any(|other| keys(other) == key)
            });
        }
        let mut keys: Vec<_> = pairs.iter().map(|(key, _)| self.tree.key(*key)).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Refuses what following the aliases would blow up: go-yaml's own limits, and the depth.
    fn check_expansion(&self) -> Result<(), TreeError> {
        if self.aliases == 0 {
            return Ok(());
        }
        let mut expansions = vec![Expansion::default(); self.tree.nodes.len()];
        self.expand(self.tree.root, &mut expansions);
        let whole = expansions[self.tree.root.0 as usize];
        let excessive = whole.aliased > 100
            && whole.nodes > 1000
            && whole.aliased as f64 / whole.nodes as f64 > allowed_alias_ratio(whole.nodes);
        let message = if excessive {
            "document contains excessive aliasing".to_owned()
        } else if whole.depth as usize > MAX_DEPTH {
            format!("nested more than {MAX_DEPTH} levels deep, aliases followed")
        } else {
            return Ok(());
        };
        Err(TreeError { message, span: self.tree.range(self.tree.root) })
    }

    /// Follows the text's own nesting, which is bounded: an alias's target stands before it, so it is known.
    fn expand(&self, id: NodeId, known: &mut [Expansion]) -> Expansion {
        let index = id.0 as usize;
        if known[index].nodes > 0 {
            return known[index];
        }
        let mut sum = Expansion { nodes: 1, aliased: 0, depth: 0 };
        let mut add = |child: Expansion| {
            sum.nodes = sum.nodes.saturating_add(child.nodes);
            sum.aliased = sum.aliased.saturating_add(child.aliased);
            sum.depth = sum.depth.max(child.depth + 1);
        };
        match &self.tree.nodes[index].data {
            Data::Scalar { .. } => {}
            Data::Alias(target) => {
                let target = self.expand(*target, known);
                sum = Expansion { nodes: target.nodes, aliased: target.nodes, depth: target.depth };
            }
            Data::Sequence { items } => {
                for item in items.clone() {
                    add(self.expand(self.tree.items[item as usize], known));
                }
            }
            Data::Mapping { pairs, .. } => {
                for pair in pairs.clone() {
                    let (key, value) = self.tree.pairs[pair as usize];
                    add(self.expand(key, known));
                    add(self.expand(value, known));
                }
            }
        }
        known[index] = sum;
        sum
    }
}

/// go-yaml's limit on the part of a document that comes from aliases (`decode.go`).
fn allowed_alias_ratio(nodes: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let nodes = nodes as f64;
    (0.99 - 0.89 * ((nodes - LOW) / (HIGH - LOW))).clamp(0.10, 0.99)
}

/// Characters to bytes: the parser counts in the one, the text in the other.
struct Offsets {
    /// The byte of every 64th character; empty where all are ASCII, so that they are the same.
    every: Vec<usize>,
    length: usize,
}

impl Offsets {
    const STEP: usize = 64;

    fn new(text: &str) -> Self {
        let every = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(Self::STEP).map(|(byte, _)| byte).collect()
        };
        Self { every, length: text.len() }
    }

    fn byte(&self, text: &str, character: u64) -> usize {
        let character = character as usize;
        if self.every.is_empty() {
            return character.min(self.length);
        }
        let Some(&base) = self.every.get(character / Self::STEP) else { return self.length };
        let rest = character % Self::STEP;
        text[base..].char_indices().nth(rest).map_or(self.length, |(byte, _)| base + byte)
    }
}
