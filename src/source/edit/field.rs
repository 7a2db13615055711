//! Edits of fields, as edits of the text.

use std::ops::Range;

use super::lines::{column, end_of_lines, line_end, line_start};
use super::style::{quoted, scalar, scalar_like};
use super::{EditError, TextEdit};
use crate::finding::{Edit, EditValue};
use crate::model::{FieldPath, Segment};
use crate::source::{MappingEntry, NodeId, Tree, View};

/// The number of columns by which a new block mapping is indented.
const INDENT: usize = 2;

/// Returns the keys after which a key is inserted: after the first of them that exists or, if none
/// exists, after the last key of the mapping.
fn predecessors(key: &str) -> &'static [&'static str] {
    match key {
        "emptyDir" => &["name"],
        "readOnly" | "subPathExpr" => &["mountPath"],
        "recursiveReadOnly" => &["readOnly", "mountPath"],
        "sizeLimit" => &["medium"],
        "type" => &["path"],
        _ => &[],
    }
}

/// Converts edits of fields in the object `root` to edits of the text.
///
/// # Errors
///
/// Returns an error if an edit would change other fields, too, or if the notation of the text is
/// not supported. The result must still be checked, because YAML has many notations.
pub fn field_edits(
    text: &str,
    tree: &Tree<'_>,
    root: NodeId,
    edits: &[Edit],
) -> Result<Vec<TextEdit>, EditError> {
    let fields = Fields { text, tree, root };
    let mut text_edits = Vec::with_capacity(edits.len());
    let mut rest = edits;
    while let [first, tail @ ..] = rest {
        rest = tail;
        text_edits.extend(match (first, tail) {
            (Edit::Remove(old), [Edit::Set(new, value), tail @ ..]) if fields.replaces(old, new) => {
                rest = tail;
                fields.replace(old, new, value)?
            }
            (Edit::Remove(path), _) => fields.remove(&fields.find(path)?)?,
            (Edit::Set(path, value), _) => fields.set(path, value)?,
            (Edit::Rename(path, key), _) => fields.rename(path, key)?,
        });
    }
    if text_edits.iter().any(|edit| tree.is_shared(&edit.range)) {
        return Err(EditError::Shared);
    }
    Ok(text_edits)
}

/// The text that contains the fields.
struct Fields<'t> {
    text: &'t str,
    tree: &'t Tree<'t>,
    root: NodeId,
}

/// A node on the way to a field.
#[derive(Clone, Copy)]
struct Step {
    node: NodeId,
    /// The entry whose value the node is; `None` for the object and for items of lists.
    entry: Option<MappingEntry>,
}

/// The result of a search for a field.
struct Found<'p> {
    /// The existing nodes on the way to the field, from the object to the field.
    steps: Vec<Step>,
    /// The end of the path that does not exist.
    missing: &'p [Segment],
}

impl Found<'_> {
    /// Returns the last existing node and the node that contains it. Returns an error if it is the
    /// object.
    fn last_and_parent(&self) -> Result<(Step, Step), EditError> {
        match self.steps.as_slice() {
            [.., parent, last] => Ok((*last, *parent)),
            _ => Err(EditError::Unsupported),
        }
    }
}

impl Fields<'_> {
    /// Finds a field. Returns an error if it is reached by an alias or a merge key.
    fn find<'p>(&self, path: &'p FieldPath) -> Result<Found<'p>, EditError> {
        let mut steps = vec![Step { node: self.root, entry: None }];
        let segments = path.segments();
        let mut node = self.root;
        for (index, segment) in segments.iter().enumerate() {
            if self.tree.target(node) != node {
                return Err(EditError::Shared);
            }
            let step = match segment {
                Segment::Key(key) => self.tree.entry(node, key).map(|entry| (entry.value, Some(entry))),
                Segment::Index(item) => self.tree.items(node).get(*item).map(|item| (*item, None)),
            };
            let Some((next, entry)) = step else {
                return Ok(Found { steps, missing: &segments[index..] });
            };
            if entry.is_some_and(|entry| !self.tree.written_entries(node).contains(&entry)) {
                return Err(EditError::Shared);
            }
            node = next;
            steps.push(Step { node, entry });
        }
        Ok(Found { steps, missing: &[] })
    }

    /// Checks whether a field that is removed and one that is added are in the same mapping.
    fn replaces(&self, old: &FieldPath, new: &FieldPath) -> bool {
        let is_missing = |path| self.find(path).is_ok_and(|found| found.missing.len() == 1);
        matches!((old.segments(), new.segments()), ([old @ .., Segment::Key(_)], [new @ .., _]) if old == new)
            && is_missing(new)
    }

    /// Replaces an entry of a mapping with another one.
    fn replace(
        &self,
        old: &FieldPath,
        new: &FieldPath,
        value: &EditValue,
    ) -> Result<Vec<TextEdit>, EditError> {
        let (Step { entry, .. }, _) = self.find(old)?.last_and_parent()?;
        let (Some(entry), Some(Segment::Key(key))) = (entry, new.segments().last()) else {
            return Err(EditError::Unsupported);
        };
        let style = self.style(entry);
        let range = self.tree.range(entry.key).start..self.end_of_entry(entry);
        Ok(vec![TextEdit::replace(range, style.entry(&[key], value))])
    }

    fn rename(&self, path: &FieldPath, key: &str) -> Result<Vec<TextEdit>, EditError> {
        let found = self.find(path)?;
        let (Step { entry: Some(entry), .. }, _) = found.last_and_parent()? else {
            return Err(EditError::Unsupported);
        };
        let range = self.tree.range(entry.key);
        let key = scalar_like(key, &self.text[range.clone()]);
        Ok(vec![TextEdit::replace(range, key)])
    }

    fn set(&self, path: &FieldPath, value: &EditValue) -> Result<Vec<TextEdit>, EditError> {
        let found = self.find(path)?;
        let Some(Step { node, entry }) = found.steps.last().copied() else {
            return Err(EditError::Unsupported);
        };
        if found.missing.is_empty() {
            return Ok(vec![self.set_value(entry.ok_or(EditError::Unsupported)?, value)]);
        }
        if self.tree.target(node) != node {
            return Err(EditError::Shared);
        }
        let key = |segment: &'_ Segment| match segment {
            Segment::Key(key) => Ok(key.to_string()),
            Segment::Index(_) => Err(EditError::Unsupported),
        };
        let keys: Vec<String> = found.missing.iter().map(key).collect::<Result<_, _>>()?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if !self.tree.written_entries(node).is_empty() {
            return self.insert(node, &keys, value);
        }
        match (self.tree.view(node), entry) {
            (View::Mapping, _) | (_, Some(_)) if self.is_empty(node) => {
                let (_, parent) = found.last_and_parent()?;
                self.fill(node, entry, parent.node, &keys, value)
            }
            _ => Err(EditError::Unsupported),
        }
    }

    /// Checks whether a node is null or an empty mapping.
    fn is_empty(&self, node: NodeId) -> bool {
        self.tree.is_null(node)
            || matches!(self.tree.view(node), View::Mapping) && self.tree.written_entries(node).is_empty()
    }

    /// Sets the value of an existing entry.
    fn set_value(&self, entry: MappingEntry, value: &EditValue) -> TextEdit {
        let range = self.tree.range(entry.value).start..self.end(entry.value);
        let style = self.style(entry);
        if range.is_empty() {
            return TextEdit::insert(self.after_colon(entry), format!(" {}", style.value(value)));
        }
        let old = &self.text[range.clone()];
        let new = match value {
            // Empty quotes say nothing about the style.
            EditValue::Str(text) if old.starts_with(['"', '\'']) && old.len() > 2 => scalar_like(text, old),
            _ => style.value(value),
        };
        TextEdit::replace(range, new)
    }

    /// Inserts an entry with nested `keys` into a mapping that is not empty.
    fn insert(&self, parent: NodeId, keys: &[&str], value: &EditValue) -> Result<Vec<TextEdit>, EditError> {
        let entries = self.tree.written_entries(parent);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Err(EditError::Unsupported);
        };
        let find = |key: &&str| entries.iter().rev().find(|entry| self.tree.key(entry.key) == *key);
        let before = predecessors(keys[0]).iter().find_map(find).unwrap_or(last);
        let style = self.style(*before);
        let end = self.end_of_entry(*before);
        if self.is_flow(parent) {
            return Ok(self.insert_flow(*before, end, &style.entry(keys, value)));
        }
        let mapping = self.tree.range(parent).start;
        let is_explicit = self.text[mapping..].starts_with('?');
        let start = if is_explicit { mapping } else { self.tree.range(first.key).start };
        let indent = column(self.text, start);
        let at = end_of_lines(self.text, end, indent);
        let lines = style.lines(keys, value, indent);
        Ok(vec![TextEdit::insert_lines(self.text, at, &lines)])
    }

    /// Inserts an entry into a flow mapping, after the entry `before`, which ends at `end`.
    fn insert_flow(&self, before: MappingEntry, end: usize, entry: &str) -> Vec<TextEdit> {
        let key = self.tree.range(before.key).start;
        let start = line_start(self.text, key);
        let indent = &self.text[start..key];
        if !indent.chars().all(|c| matches!(c, ' ' | '\t')) {
            let comma = if self.style(before).is_compact { "," } else { ", " };
            return vec![TextEdit::insert(end, format!("{comma}{entry}"))];
        }
        // Each entry has its own line.
        let next_line = line_end(self.text, end.max(start + 1));
        let rest = self.text[end..next_line].trim();
        let (has_comma, rest) =
            rest.strip_prefix(',').map_or((false, rest), |rest| (true, rest.trim_start()));
        if !rest.is_empty() && !rest.starts_with('#') || next_line == self.text.len() {
            let line_break = super::line_break(self.text, end);
            return vec![TextEdit::insert(end, format!(",{line_break}{indent}{entry}"))];
        }
        let comma = if has_comma { "," } else { "" };
        let line = TextEdit::insert_lines(self.text, next_line, &[format!("{indent}{entry}{comma}")]);
        match has_comma {
            true => vec![line],
            false => vec![TextEdit::insert(end, ","), line],
        }
    }

    /// Replaces a value that is null or an empty mapping with a mapping that has one entry.
    fn fill(
        &self,
        node: NodeId,
        entry: Option<MappingEntry>,
        parent: NodeId,
        keys: &[&str],
        value: &EditValue,
    ) -> Result<Vec<TextEdit>, EditError> {
        let Some(entry) = entry else {
            let flow = format!("{{{}}}", Style::default().entry(keys, value));
            return Ok(vec![TextEdit::replace(self.tree.range(node), flow)]);
        };
        let (style, colon) = (self.style(entry), self.after_colon(entry));
        let old = colon..self.end(node).max(colon);
        if self.is_flow(parent) {
            let space = if style.is_compact { "" } else { " " };
            let flow = format!("{space}{{{}}}", style.entry(keys, value));
            return Ok(vec![TextEdit::replace(old, flow)]);
        }
        let indent = column(self.text, self.tree.range(entry.key).start) + INDENT;
        let at = line_end(self.text, old.end);
        let lines = TextEdit::insert_lines(self.text, at, &style.lines(keys, value, indent));
        Ok(match old.is_empty() {
            true => vec![lines],
            false => vec![TextEdit::replace(old, ""), lines],
        })
    }

    /// Removes the last existing node, which is an entry of a mapping or an item of a list. Removes
    /// a list with its last item.
    fn remove(&self, found: &Found<'_>) -> Result<Vec<TextEdit>, EditError> {
        if !found.missing.is_empty() {
            return Err(EditError::Unsupported);
        }
        let (last, parent) = found.last_and_parent()?;
        let Some(entry) = last.entry else {
            let items = self.tree.items(parent.node);
            if items.len() == 1 {
                let steps = found.steps[..found.steps.len() - 1].to_vec();
                return match parent.entry {
                    Some(_) => self.remove(&Found { steps, missing: &[] }),
                    None => Err(EditError::Unsupported),
                };
            }
            let part = |id: &NodeId| self.tree.range(*id).start..self.end(*id);
            return self.remove_part(parent.node, last.node, items.iter().map(part).collect());
        };
        let entries = self.tree.written_entries(parent.node);
        let part = |entry: &MappingEntry| self.tree.range(entry.key).start..self.end_of_entry(*entry);
        match entries {
            [_] => self.empty(parent, part(&entry)),
            _ => self.remove_part(parent.node, entry.key, entries.iter().map(part).collect()),
        }
    }

    /// Replaces a mapping with an empty one. `content` is the range of its only entry.
    fn empty(&self, mapping: Step, content: Range<usize>) -> Result<Vec<TextEdit>, EditError> {
        let range = self.tree.range(mapping.node);
        let (range, new) = match mapping.entry {
            Some(entry) if !self.is_flow(mapping.node) => (self.after_colon(entry)..content.end, " {}"),
            _ if self.is_flow(mapping.node) => (range, "{}"),
            _ => (content.clone(), "{}"),
        };
        if self.has_comment(range.start..content.start) || self.has_comment(content.end..range.end) {
            return Err(EditError::Comment);
        }
        Ok(vec![TextEdit::replace(range, new)])
    }

    /// Removes the part of a collection that starts with `node`. `parts` are the ranges of all
    /// entries or items, of which there are at least two.
    fn remove_part(
        &self,
        collection: NodeId,
        node: NodeId,
        parts: Vec<Range<usize>>,
    ) -> Result<Vec<TextEdit>, EditError> {
        let start = self.tree.range(node).start;
        let index = parts.iter().position(|part| part.start == start).ok_or(EditError::Unsupported)?;
        let (part, next) = (parts[index].clone(), parts.get(index + 1));
        if self.is_flow(collection) {
            return match (next, index.checked_sub(1).map(|before| &parts[before])) {
                (Some(next), _) if self.has_comment(part.end..next.start) => Err(EditError::Comment),
                (Some(next), _) => Ok(vec![TextEdit::replace(part.start..next.start, "")]),
                (None, Some(before)) if self.has_comment(before.end..part.start) => Err(EditError::Comment),
                (None, Some(before)) => Ok(vec![TextEdit::replace(before.end..part.end, "")]),
                (None, None) => Err(EditError::Unsupported),
            };
        }
        let is_item = matches!(self.tree.view(collection), View::Sequence(_));
        let marker = match is_item {
            true => self.text[..part.start].rfind('-').ok_or(EditError::Unsupported)?,
            false => part.start,
        };
        let (line, end) =
            (line_start(self.text, marker), end_of_lines(self.text, part.end, column(self.text, marker)));
        if self.text[line..marker].trim_matches([' ', '\u{FEFF}']).is_empty() {
            let line = marker - column(self.text, marker);
            // Keep a missing line break at the end of the text.
            let is_cut_off = end == self.text.len() && !self.text.ends_with('\n');
            let line = if is_cut_off { self.text[..line].trim_end_matches(['\r', '\n']).len() } else { line };
            return Ok(vec![TextEdit::replace(line..end, "")]);
        }
        // The first entry of an item is on the line of the marker.
        let next = next.filter(|_| !is_item).ok_or(EditError::Unsupported)?;
        let end = if self.has_comment(end..next.start) {
            end + (self.text[end..].len() - self.text[end..].trim_start().len())
        } else {
            next.start
        };
        Ok(vec![TextEdit::replace(part.start..end, "")])
    }

    /// Checks whether a range contains a comment.
    fn has_comment(&self, range: Range<usize>) -> bool {
        let mut marks = self.text[range.clone()].match_indices('#');
        marks.any(|(at, _)| !self.tree.is_in_scalar(range.start + at))
    }

    /// Checks whether a collection that is not empty is in flow style, including JSON.
    fn is_flow(&self, collection: NodeId) -> bool {
        let range = self.tree.range(collection);
        let first = match self.tree.view(collection) {
            View::Mapping => self.tree.written_entries(collection).first().map(|entry| entry.key),
            _ => self.tree.items(collection).first().copied(),
        };
        let end = first.map_or(range.end, |first| self.tree.range(first).start);
        self.text[range.start..end].contains(['{', '['])
    }

    /// Returns the end of a node. The range of a block scalar includes its last line break.
    fn end(&self, node: NodeId) -> usize {
        let range = self.tree.range(node);
        range.start + self.text[range].trim_end().len()
    }

    /// Returns the end of an entry, which may have no value.
    fn end_of_entry(&self, entry: MappingEntry) -> usize {
        self.end(entry.value).max(self.after_colon(entry))
    }

    /// Returns the offset after the colon of an entry.
    fn after_colon(&self, entry: MappingEntry) -> usize {
        let key = self.tree.range(entry.key).end;
        self.text[key..].find(':').map_or(key, |colon| key + colon + 1)
    }

    /// Returns the style of an entry.
    fn style(&self, entry: MappingEntry) -> Style {
        let key = self.tree.range(entry.key);
        let value = self.tree.range(entry.value);
        let is_quoted = self.text[key].starts_with('"');
        Style { is_quoted, is_compact: !value.is_empty() && value.start == self.after_colon(entry) }
    }
}

/// The style of new entries.
#[derive(Clone, Copy, Default)]
struct Style {
    /// Whether keys and strings have double quotes, as in JSON.
    is_quoted: bool,
    /// Whether there are no spaces after colons and commas.
    is_compact: bool,
}

impl Style {
    fn string(self, text: &str) -> String {
        if self.is_quoted { quoted(text) } else { scalar(text) }
    }

    fn value(self, value: &EditValue) -> String {
        match value {
            EditValue::Str(text) => self.string(text),
            EditValue::Bool(value) => value.to_string(),
            EditValue::EmptyMapping => "{}".to_owned(),
        }
    }

    /// Returns an entry with nested keys, in flow style.
    fn entry(self, keys: &[impl AsRef<str>], value: &EditValue) -> String {
        let colon = if self.is_compact { ":" } else { ": " };
        let mut text = self.value(value);
        for (depth, key) in keys.iter().rev().enumerate() {
            let inner = if depth == 0 { text } else { format!("{{{text}}}") };
            text = format!("{}{colon}{inner}", self.string(key.as_ref()));
        }
        text
    }

    /// Returns the lines of an entry with nested keys, in block style.
    fn lines(self, keys: &[&str], value: &EditValue, indent: usize) -> Vec<String> {
        let last = keys.len() - 1;
        let line = |(depth, key): (usize, &&str)| {
            let value = if depth == last { format!(" {}", self.value(value)) } else { String::new() };
            format!("{:width$}{}:{value}", "", self.string(key), width = indent + depth * INDENT)
        };
        keys.iter().enumerate().map(line).collect()
    }
}
