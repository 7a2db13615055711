//! From a parser's events to a tree: anchors, merge keys, and limits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::libyaml::{Event, EventKind, Parser, Style};
use super::scalar::Scalar;
use super::tree::{Data, MAX_DEPTH, Node, NodeId, Shape, Tree, TreeError, View};

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
    tree: Tree<'t>,
    open: Vec<Frame>,
    stack: Vec<NodeId>,
    anchors: HashMap<Box<str>, NodeId>,
    aliases: usize,
}

impl<'t> Builder<'t> {
    /// A builder of what stands in the part `chunk` of `text`.
    pub(super) fn new(text: &'t str, chunk: Range<usize>) -> Self {
        Self::with_room(text, chunk.clone(), chunk.len() / 24)
    }

    /// The same, with room for `nodes`.
    pub(super) fn with_room(text: &'t str, chunk: Range<usize>, nodes: usize) -> Self {
        let tree = Tree {
            nodes: Vec::with_capacity(nodes),
            items: Vec::new(),
            pairs: Vec::with_capacity(nodes / 2),
            tags: Vec::new(),
            irregular: Vec::new(),
            root: NodeId(0),
            end: chunk.end,
        };
        Self { text, chunk, tree, open: Vec::new(), stack: Vec::new(), anchors: HashMap::new(), aliases: 0 }
    }

    /// Reads the first document of the part.
    pub(super) fn run_yaml(mut self) -> Result<Option<Tree<'t>>, TreeError> {
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
                EventKind::DocumentStart { version: None | Some((1, 1)) } => {}
                EventKind::DocumentStart { .. } => {
                    let at = self.byte(event.start);
                    return Err(TreeError {
                        message: "found incompatible YAML document".to_owned(),
                        span: at..at,
                    });
                }
                EventKind::DocumentEnd => {
                    let end = self.byte(event.end);
                    return self.finish(end).map(Some);
                }
                _ => self.add(event)?,
            }
        }
    }

    /// Whether anything was added.
    pub(super) fn has_root(&self) -> bool {
        !self.tree.nodes.is_empty()
    }

    /// The finished tree; the document ends at the byte `end`.
    pub(super) fn finish(mut self, end: usize) -> Result<Tree<'t>, TreeError> {
        self.tree.end = end;
        self.tree.root = self.stack.pop().unwrap_or(NodeId(0));
        self.check_expansion()?;
        Ok(self.tree)
    }

    /// A place of the parser, which counts bytes of the part, as one of the text.
    fn byte(&self, offset: u64) -> usize {
        let at = (self.chunk.start + offset as usize).min(self.chunk.end);
        (self.chunk.start..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.chunk.start)
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
                    return Err(TreeError {
                        message: format!("anchor `{name}` value contains itself"),
                        span,
                    });
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
                    Some(written) if style == Style::Quoted && has_json_escape(written) => {
                        return Err(TreeError {
                            message: "found unknown escape character `\\/`".to_owned(),
                            span,
                        });
                    }
                    _ => self.quoted_as_written(&span, value),
                };
                (anchor, Data::Scalar { value, style, tag })
            }
            EventKind::SequenceStart { anchor } => (anchor, Data::Sequence { items: 0..0 }),
            EventKind::MappingStart { anchor } => {
                (anchor, Data::Mapping { pairs: 0..0, shape: Shape::Plain })
            }
            EventKind::DocumentStart { .. } | EventKind::DocumentEnd | EventKind::StreamEnd => return Ok(()),
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
        let children = &self.stack[frame.children..];
        // A block collection's own end is the start of what follows it: the last child says where it ends.
        let last = children.last().map(|child| self.tree.nodes[child.0 as usize].end);
        if frame.mapping {
            let start = self.tree.pairs.len() as u32;
            self.tree.pairs.extend(children.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            self.stack.truncate(frame.children);
            self.close_mapping(frame.id, start..self.tree.pairs.len() as u32)?;
        } else {
            let start = self.tree.items.len() as u32;
            self.tree.items.extend_from_slice(children);
            self.stack.truncate(frame.children);
            self.tree.nodes[frame.id.0 as usize].data =
                Data::Sequence { items: start..self.tree.items.len() as u32 };
        }
        let node = &mut self.tree.nodes[frame.id.0 as usize];
        let byte = |at: usize| self.text.as_bytes().get(at);
        let flow = matches!(byte(node.start as usize), Some(b'{' | b'['))
            && matches!(byte(end.wrapping_sub(1)), Some(b'}' | b']'));
        node.end = if flow { end as u32 } else { last.unwrap_or(node.end) };
        self.stack.push(frame.id);
        Ok(())
    }

    fn close_mapping(&mut self, id: NodeId, pairs: Range<u32>) -> Result<(), TreeError> {
        self.tree.nodes[id.0 as usize].data = Data::Mapping { pairs: pairs.clone(), shape: Shape::Plain };
        let mut merges = false;
        for index in pairs.clone() {
            let (key, value) = self.tree.pairs[index as usize];
            if self.tree.is_plain_word(key) {
                continue;
            }
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
        if pairs.len() > 12 || !pairs.iter().all(|(key, _)| self.tree.is_plain_word(*key)) {
            let mut keys: Vec<_> = pairs.iter().map(|(key, _)| self.tree.key(*key)).collect();
            keys.sort_unstable();
            return keys.windows(2).any(|pair| pair[0] == pair[1]);
        }
        pairs.iter().enumerate().any(|(at, (key, _))| {
            let word = self.tree.written(*key);
            pairs[..at].iter().any(|(other, _)| self.tree.written(*other) == word)
        })
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

/// Whether a quoted scalar holds `\/`, which JSON and libyaml know and go-yaml doesn't.
fn has_json_escape(written: &str) -> bool {
    let mut bytes = written.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next() == Some(b'/') {
            return written.starts_with('"');
        }
    }
    false
}

/// go-yaml's limit on the part of a document that comes from aliases (`decode.go`).
fn allowed_alias_ratio(nodes: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let nodes = nodes as f64;
    (0.99 - 0.89 * ((nodes - LOW) / (HIGH - LOW))).clamp(0.10, 0.99)
}
