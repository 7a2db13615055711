//! Edits of YAML that keep its comments, order, indentation and line breaks.

use std::ops::Range;

use crate::source::{self, MappingEntry, NodeId, Tree};

/// A replacement of a part of a text.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Edit {
    pub(super) fn insert(at: usize, text: String) -> Self {
        Self { range: at..at, text }
    }

    /// Inserts lines at `at`, which is the start of a line or the end of the text.
    pub(super) fn insert_lines(text: &str, at: usize, lines: &[String]) -> Self {
        let line_break = line_break(text);
        let is_cut_off = at == text.len() && !text.is_empty() && !text.ends_with('\n');
        let joined = lines.join(line_break);
        Self::insert(at, if is_cut_off { line_break.to_owned() + &joined } else { joined + line_break })
    }
}

/// Applies edits that do not overlap.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for Edit { range, text: new } in edits {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Returns the line break that the text uses.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(end) if text[..end].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns the offset of the start of the line that contains `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Returns the offset after the line that contains the byte before `at`.
fn line_end(text: &str, at: usize) -> usize {
    if text[..at].ends_with('\n') {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// Returns the offset after the lines of a node that ends at `end`. Includes the comments on the
/// following lines if they are indented by more than `indent` columns.
fn end_of_lines(text: &str, end: usize, indent: usize) -> usize {
    let mut at = line_end(text, end);
    loop {
        let line = &text[at..];
        let line = &line[..line.find('\n').map_or(line.len(), |end| end + 1)];
        let content = line.trim_start_matches([' ', '\t']);
        if !content.starts_with('#') || line.len() - content.len() <= indent {
            return at;
        }
        at += line.len();
    }
}

/// Items to add to the collection that is the value of a key.
#[derive(Debug)]
pub(super) struct Addition {
    pub(super) key: &'static str,
    pub(super) is_mapping: bool,
    /// The lines of all items in block style, without indentation.
    pub(super) lines: Vec<String>,
    /// Each item in flow style, with all strings quoted, as in JSON.
    pub(super) flow: Vec<String>,
}

impl Addition {
    fn brackets(&self) -> String {
        let items = self.flow.join(", ");
        if self.is_mapping { format!("{{{items}}}") } else { format!("[{items}]") }
    }

    fn indented(&self, indent: usize) -> Vec<String> {
        self.lines.iter().map(|line| format!("{:indent$}{line}", "")).collect()
    }

    /// Adds the items to the mapping `parent`, and adds the key if it is missing. In block style, a
    /// new key is inserted at the offset `end` or, if it is `None`, after the last entry.
    pub(super) fn edits(
        &self,
        text: &str,
        tree: &Tree<'_>,
        parent: NodeId,
        end: Option<usize>,
    ) -> Result<Vec<Edit>, String> {
        let alias = |id| tree.target(id) != id;
        let entries = tree.written_entries(parent);
        let Some(last) = entries.last().filter(|_| !alias(parent)) else {
            return Err("the mapping is empty or an alias".to_owned());
        };
        let start = tree.range(parent).start;
        let is_flow = text[start..].starts_with('{');
        let column = |at: usize| at - line_start(text, at).max(bom(text, at));
        let indent = column(start);
        let Some(entry) = entries.iter().find(|entry| tree.key(entry.key) == self.key) else {
            if is_flow {
                let added = format!(", \"{}\": {}", self.key, self.brackets());
                return Ok(vec![Edit::insert(end_of_entry(tree, *last), added)]);
            }
            let at = end.unwrap_or_else(|| end_of_lines(text, end_of_entry(tree, *last), indent));
            let mut lines = vec![format!("{:indent$}{}:", "", self.key)];
            lines.extend(self.indented(indent + 2));
            let follows_text = end.is_some() && !text[..at].trim_end_matches('\r').ends_with("\n\n");
            if follows_text && !text[..at].ends_with("\n\r\n") {
                lines.insert(0, String::new());
            }
            return Ok(vec![Edit::insert_lines(text, at, &lines)]);
        };
        if alias(entry.value) {
            return Err(format!("`{}` is an alias", self.key));
        }
        let children: Vec<NodeId> = match self.is_mapping {
            true => tree.written_entries(entry.value).iter().map(|entry| entry.key).collect(),
            false => tree.items(entry.value).to_vec(),
        };
        let value = tree.range(entry.value);
        let is_flow_value = text[value.clone()].starts_with(['{', '[']);
        if is_flow_value && !children.is_empty() {
            let last = match self.is_mapping {
                true => tree.written_entries(entry.value).last().map(|entry| entry.value),
                false => children.last().copied(),
            };
            let at = last.map_or(value.end, |last| tree.range(last).end);
            return Ok(vec![Edit::insert(at, format!(", {}", self.flow.join(", ")))]);
        }
        if let Some(first) = children.first() {
            let at = tree.range(*first).start;
            let marker = if self.is_mapping { at } else { text[..at].rfind('-').unwrap_or(at) };
            let indent = column(marker);
            let at = end_of_lines(text, value.end, indent);
            return Ok(vec![Edit::insert_lines(text, at, &self.indented(indent))]);
        }
        if !tree.is_null(entry.value) && !is_flow_value {
            return Err(format!("`{}` has an unexpected type", self.key));
        }
        let key = tree.range(entry.key).end;
        let colon = text[key..].find(':').map_or(key, |colon| key + colon + 1);
        let value = colon..value.end.max(colon);
        if is_flow {
            return Ok(vec![Edit { range: value, text: format!(" {}", self.brackets()) }]);
        }
        let at = line_end(text, value.end);
        let indent = column(tree.range(entry.key).start) + 2;
        Ok(vec![
            Edit { range: value, text: String::new() },
            Edit::insert_lines(text, at, &self.indented(indent)),
        ])
    }
}

/// Returns the end of an entry. A null value may have no text.
fn end_of_entry(tree: &Tree<'_>, entry: MappingEntry) -> usize {
    tree.range(entry.value).end.max(tree.range(entry.key).end)
}

/// Returns the offset of the start of the text after the byte order mark if `at` is on the first
/// line, and 0 otherwise.
fn bom(text: &str, at: usize) -> usize {
    if text.starts_with('\u{FEFF}') && line_start(text, at) == 0 { 3 } else { 0 }
}

/// Returns a string as a scalar for block and flow style. Quotes it only if necessary.
pub(super) fn scalar(text: &str) -> String {
    let list = format!("[{text}]");
    let tree = source::parse(&list, 0..list.len()).ok().flatten();
    let is_plain = tree.is_some_and(|tree| match tree.items(tree.root()) {
        [item] => tree.range(*item) == (1..1 + text.len()) && tree.as_str(*item).as_deref() == Some(text),
        _ => false,
    });
    if is_plain && !text.contains(['\n', '\'', '"']) { text.to_owned() } else { quoted(text) }
}

/// Returns a string in double quotes, as in JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
