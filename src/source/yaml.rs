//! The general YAML parser: builds a tree from the events of libyaml.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::builder::TreeBuilder;
use super::error::{ParseError, ParseErrorKind};
use super::libyaml::{Event, EventKind, EventParser};
use super::scalar::ScalarStyle;
use super::tree::{NodeId, Tree};

/// Parses the first document in the byte range `chunk` of `text`. Returns `None` if there is none.
pub(super) fn parse(text: &str, chunk: Range<usize>) -> Result<Option<Tree<'_>>, ParseError> {
    let builder = TreeBuilder::new(text, chunk.len());
    YamlParser { text, chunk, builder, anchors: HashMap::new() }.parse()
}

struct YamlParser<'t> {
    text: &'t str,
    chunk: Range<usize>,
    builder: TreeBuilder<'t>,
    anchors: HashMap<Box<str>, NodeId>,
}

impl<'t> YamlParser<'t> {
    fn parse(mut self) -> Result<Option<Tree<'t>>, ParseError> {
        let mut events = EventParser::new(&self.text[self.chunk.clone()]);
        loop {
            let event = events.next_event().map_err(|error| {
                let offset = self.offset(error.offset);
                ParseErrorKind::Yaml(error.message).at(offset..offset)
            })?;
            match event.kind {
                EventKind::StreamEnd => return Ok(None),
                EventKind::DocumentStart { version: None | Some((1, 1)) } => {}
                EventKind::DocumentStart { .. } => {
                    let start = self.offset(event.start);
                    return Err(ParseErrorKind::IncompatibleVersion.at(start..start));
                }
                EventKind::DocumentEnd => {
                    let end = self.offset(event.end);
                    return self.builder.finish(end).map(Some);
                }
                _ => self.add(event)?,
            }
        }
    }

    /// Converts an offset in the chunk to an offset in the text.
    fn offset(&self, in_chunk: u64) -> usize {
        let offset = (self.chunk.start + in_chunk as usize).min(self.chunk.end);
        self.text.floor_char_boundary(offset)
    }

    fn add(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        let start = self.offset(event.start);
        let span = start..self.offset(event.end).max(start);
        match event.kind {
            EventKind::Alias(name) => {
                let target = *self
                    .anchors
                    .get(name)
                    .ok_or_else(|| ParseErrorKind::UnknownAnchor(name.to_owned()).at(span.clone()))?;
                if self.builder.is_open(target) {
                    return Err(ParseErrorKind::RecursiveAnchor(name.to_owned()).at(span));
                }
                self.builder.alias(span, target);
            }
            EventKind::Scalar { anchor, tag, value, style } => {
                self.set_anchor(anchor);
                let value = self.borrowed_value(&span, value, style)?;
                self.builder.scalar(span, value, style, tag);
            }
            EventKind::SequenceStart { anchor } => {
                self.set_anchor(anchor);
                self.builder.open(span, false)?;
            }
            EventKind::MappingStart { anchor } => {
                self.set_anchor(anchor);
                self.builder.open(span, true)?;
            }
            EventKind::CollectionEnd => self.builder.close(span.end)?,
            EventKind::DocumentStart { .. } | EventKind::DocumentEnd | EventKind::StreamEnd => {}
        }
        Ok(())
    }

    /// Makes `anchor` refer to the next node.
    fn set_anchor(&mut self, anchor: Option<&str>) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor.into(), self.builder.next_id());
        }
    }

    /// Returns the value of a scalar. Borrows it from the text if it occurs there verbatim, as most
    /// values do. Fails if the scalar contains an escape that go-yaml rejects.
    fn borrowed_value(
        &self,
        span: &Range<usize>,
        value: &str,
        style: ScalarStyle,
    ) -> Result<Cow<'t, str>, ParseError> {
        let written = &self.text[span.clone()];
        if written == value {
            return Ok(Cow::Borrowed(written));
        }
        if style == ScalarStyle::Quoted && has_slash_escape(written) {
            return Err(ParseErrorKind::UnknownEscape.at(span.clone()));
        }
        match self.text.get(span.start + 1..span.end.saturating_sub(1)) {
            Some(unquoted) if unquoted == value => Ok(Cow::Borrowed(unquoted)),
            _ => Ok(Cow::Owned(value.to_owned())),
        }
    }
}

/// Checks whether a quoted scalar contains the escape `\/`.
fn has_slash_escape(written: &str) -> bool {
    let mut bytes = written.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next() == Some(b'/') {
            return written.starts_with('"');
        }
    }
    false
}
