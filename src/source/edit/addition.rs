//! Additions of items to collections.

use super::TextEdit;
use super::lines::{column, end_of_lines, line_end};
use crate::source::{MappingEntry, NodeId, Tree};

/// Items to add to the collection that is the value of a key.
#[derive(Debug)]
pub struct Addition {
    pub key: &'static str,
    pub is_mapping: bool,
    /// The lines of all items in block style, without indentation.
    pub lines: Vec<String>,
    /// Each item in flow style, with all strings quoted, as in JSON.
    pub flow: Vec<String>,
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
    pub fn edits(
        &self,
        text: &str,
        tree: &Tree<'_>,
        parent: NodeId,
        end: Option<usize>,
    ) -> Result<Vec<TextEdit>, String> {
        let alias = |id| tree.target(id) != id;
        let entries = tree.written_entries(parent);
        let Some(last) = entries.last().filter(|_| !alias(parent)) else {
            return Err("the mapping is empty or an alias".to_owned());
        };
        let start = tree.range(parent).start;
        let is_flow = text[start..].starts_with('{');
        let indent = column(text, start);
        let Some(entry) = entries.iter().find(|entry| tree.key(entry.key) == self.key) else {
            if is_flow {
                let added = format!(", \"{}\": {}", self.key, self.brackets());
                return Ok(vec![TextEdit::insert(end_of_entry(tree, *last), added)]);
            }
            let at = end.unwrap_or_else(|| end_of_lines(text, end_of_entry(tree, *last), indent));
            let mut lines = vec![format!("{:indent$}{}:", "", self.key)];
            lines.extend(self.indented(indent + 2));
            let follows_text = end.is_some() && !text[..at].trim_end_matches('\r').ends_with("\n\n");
            if follows_text && !text[..at].ends_with("\n\r\n") {
                lines.insert(0, String::new());
            }
            return Ok(vec![TextEdit::insert_lines(text, at, &lines)]);
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
            return Ok(vec![TextEdit::insert(at, format!(", {}", self.flow.join(", ")))]);
        }
        if let Some(first) = children.first() {
            let at = tree.range(*first).start;
            let marker = if self.is_mapping { at } else { text[..at].rfind('-').unwrap_or(at) };
            let indent = column(text, marker);
            let at = end_of_lines(text, value.end, indent);
            return Ok(vec![TextEdit::insert_lines(text, at, &self.indented(indent))]);
        }
        if !tree.is_null(entry.value) && !is_flow_value {
            return Err(format!("`{}` has an unexpected type", self.key));
        }
        let key = tree.range(entry.key).end;
        let colon = text[key..].find(':').map_or(key, |colon| key + colon + 1);
        let value = colon..value.end.max(colon);
        if is_flow {
            return Ok(vec![TextEdit::replace(value, format!(" {}", self.brackets()))]);
        }
        let at = line_end(text, value.end);
        let indent = column(text, tree.range(entry.key).start) + 2;
        Ok(vec![TextEdit::replace(value, ""), TextEdit::insert_lines(text, at, &self.indented(indent))])
    }
}

/// Returns the end of an entry. A null value may have no text.
fn end_of_entry(tree: &Tree<'_>, entry: MappingEntry) -> usize {
    tree.range(entry.value).end.max(tree.range(entry.key).end)
}
