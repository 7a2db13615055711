//! A parser for the subset of YAML that nearly all manifests use.
//!
//! The subset consists of ASCII text with block mappings and sequences, single-line scalars,
//! literal block scalars (`|`) and single-line flow collections. See the [contract](super).

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::super::builder::TreeBuilder;
use super::super::scalar::ScalarStyle;
use super::super::tree::Tree;
use super::lexer::{MAX_KEY_LEN, glob_len, split_entry, strip_comment, word_len};

/// The maximum nesting of block collections, well below the limit of the general parser.
const MAX_LEVELS: usize = 64;

/// The maximum nesting of flow collections.
const MAX_FLOW_DEPTH: usize = 8;

/// Parses the document in the byte range `chunk` of `text`. Returns `None` when in doubt, as do the
/// methods of the parser.
pub(in crate::source) fn parse(text: &str, chunk: Range<usize>) -> Option<Tree<'_>> {
    // The compiler can vectorize a fold, but not a loop that exits early.
    let is_unsupported = |byte: &u8| u8::from(!matches!(byte, b' '..=b'~' | b'\n'));
    if text.as_bytes()[chunk.clone()].iter().map(is_unsupported).fold(0, |any, byte| any | byte) != 0 {
        return None;
    }
    let builder = TreeBuilder::new(text, chunk.len());
    PlainParser { text, end: chunk.end, offset: chunk.start, builder, levels: Vec::new(), pending: None }
        .parse()
}

/// An open block collection.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Level {
    column: usize,
    is_mapping: bool,
}

struct PlainParser<'t> {
    text: &'t str,
    end: usize,
    /// The start of the next line.
    offset: usize,
    builder: TreeBuilder<'t>,
    levels: Vec<Level>,
    /// The offset after a `:` or `-` without a value on its line. The value may follow on later
    /// lines.
    pending: Option<usize>,
}

impl<'t> PlainParser<'t> {
    fn parse(mut self) -> Option<Tree<'t>> {
        while let Some((start, line)) = self.next_line() {
            let content = line.trim_start_matches(' ');
            if !content.is_empty() && !content.starts_with('#') {
                self.content(start, line.len() - content.len(), content)?;
            }
        }
        self.close_levels(None)?;
        // The general parser distinguishes an empty document from a null value.
        if self.builder.is_empty() { None } else { self.builder.finish(self.end).ok() }
    }

    /// Returns the offset and the text of the next line, and advances past it.
    fn next_line(&mut self) -> Option<(usize, &'t str)> {
        let rest = &self.text[self.offset..self.end];
        if rest.is_empty() {
            return None;
        }
        let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let start = self.offset;
        self.offset = (start + length + 1).min(self.end);
        Some((start, &rest[..length]))
    }

    /// Parses a line that is neither blank nor a comment. `start` is the offset of the line, and
    /// `column` is the column of `content` in it.
    fn content(&mut self, start: usize, column: usize, content: &'t str) -> Option<()> {
        let item = match content.strip_prefix('-') {
            Some("") => Some(""),
            Some(rest) => rest.starts_with(' ').then_some(rest),
            None => None,
        };
        self.enter_level(start, Level { column, is_mapping: item.is_none() })?;
        let Some(rest) = item else { return self.entry(start + column, content) };
        let value = rest.trim_start_matches(' ');
        if value.is_empty() || value.starts_with('#') {
            self.pending = Some(start + column + 1);
            return Some(());
        }
        if value == "-" || value.starts_with("- ") {
            return None;
        }
        let value_column = column + content.len() - value.len();
        if split_entry(value).is_some() {
            self.open_level(start, Level { column: value_column, is_mapping: true })?;
            return self.entry(start + value_column, value);
        }
        self.value(start + value_column, value)
    }

    /// Makes `level` the innermost level, for the line at the offset `start`. Opens the level if
    /// this is its first line.
    fn enter_level(&mut self, start: usize, level: Level) -> Option<()> {
        let is_new = match self.levels.last() {
            None => level.column == 0 && level.is_mapping,
            Some(last) if self.pending.is_some() => {
                // The items of a sequence may be in the same column as its key.
                level.column > last.column
                    || (level.column == last.column && last.is_mapping && !level.is_mapping)
            }
            Some(_) => false,
        };
        if is_new {
            self.pending = None;
            return self.open_level(start, level);
        }
        self.close_levels(Some(level))?;
        (self.levels.last() == Some(&level)).then_some(())
    }

    /// Closes the levels that end before a line of `level`. `None` means the end of the text, which
    /// closes all levels.
    fn close_levels(&mut self, level: Option<Level>) -> Option<()> {
        if let Some(offset) = self.pending.take() {
            self.scalar(offset..offset, "", ScalarStyle::Plain);
        }
        while let Some(last) = self.levels.last() {
            let contains = |level: Level| {
                last.column < level.column
                    || (last.column == level.column && (last.is_mapping || !level.is_mapping))
            };
            if level.is_some_and(contains) {
                break;
            }
            self.levels.pop();
            self.builder.close(self.end).ok()?;
        }
        Some(())
    }

    /// Opens a block collection on the line at the offset `start`.
    fn open_level(&mut self, start: usize, level: Level) -> Option<()> {
        if self.levels.len() >= MAX_LEVELS {
            return None;
        }
        self.levels.push(level);
        let offset = start + level.column;
        self.builder.open(offset..offset + 1, level.is_mapping).ok()
    }

    fn scalar(&mut self, span: Range<usize>, value: &'t str, style: ScalarStyle) {
        self.builder.scalar(span, Cow::Borrowed(value), style, None);
    }

    /// Parses a key at `offset` and the part of its value on the same line.
    fn entry(&mut self, offset: usize, content: &'t str) -> Option<()> {
        let (key, value) = split_entry(content)?;
        self.scalar(offset..offset + key.len(), key, ScalarStyle::Plain);
        if value.is_empty() || value.starts_with('#') {
            self.pending = Some(offset + key.len() + 1);
            return Some(());
        }
        self.value(offset + content.len() - value.len(), value)
    }

    /// Parses a value at `offset` that extends to the end of the line or to a comment.
    fn value(&mut self, offset: usize, value: &'t str) -> Option<()> {
        match value.as_bytes()[0] {
            b'|' => return self.literal(offset, value),
            b'"' | b'\'' | b'[' | b'{' => {
                let rest = self.flow_node(offset, value, 0)?;
                let comment = rest.trim_start_matches(' ');
                let is_end = comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len());
                return is_end.then_some(());
            }
            _ => {}
        }
        let scalar = strip_comment(value);
        let is_plain = match scalar.as_bytes() {
            [b'-', next, ..] => *next != b' ',
            [first, ..] => first.is_ascii_alphanumeric() || b"/._+~$()\\^;=<".contains(first),
            [] => false,
        };
        let is_indicator = |colon: usize| matches!(scalar.as_bytes().get(colon + 1), None | Some(b' '));
        if !is_plain || memchr_iter(b':', scalar.as_bytes()).any(is_indicator) {
            return None;
        }
        self.scalar(offset..offset + scalar.len(), scalar, ScalarStyle::Plain);
        Some(())
    }

    /// Parses a quoted scalar, a word or a flow collection on one line. Returns the rest of the
    /// line.
    fn flow_node(&mut self, offset: usize, text: &'t str, depth: usize) -> Option<&'t str> {
        let first = *text.as_bytes().first()?;
        match first {
            b'"' | b'\'' => {
                let inner = &text[1..];
                let length = memchr(first, inner.as_bytes())?;
                let (value, rest) = (&inner[..length], &inner[length + 1..]);
                if rest.as_bytes().first() == Some(&first) || value.contains('\\') {
                    return None;
                }
                self.scalar(offset..offset + length + 2, value, ScalarStyle::Quoted);
                Some(rest)
            }
            b'[' | b'{' if depth < MAX_FLOW_DEPTH => self.flow_collection(offset, text, depth),
            _ => {
                let (word, rest) = text.split_at(glob_len(text));
                let is_plain = match word.as_bytes() {
                    [b'-', second, ..] => second.is_ascii_alphanumeric(),
                    [first, ..] => first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_'),
                    [] => false,
                };
                if !is_plain {
                    return None;
                }
                self.scalar(offset..offset + word.len(), word, ScalarStyle::Plain);
                Some(rest)
            }
        }
    }

    /// Parses a flow collection on one line. Returns the rest of the line.
    fn flow_collection(&mut self, offset: usize, text: &'t str, depth: usize) -> Option<&'t str> {
        let is_mapping = text.starts_with('{');
        let closing = if is_mapping { '}' } else { ']' };
        self.builder.open(offset..offset + 1, is_mapping).ok()?;
        let offset_of = |rest: &str| offset + text.len() - rest.len();
        let mut rest = text[1..].trim_start_matches(' ');
        while !rest.starts_with(closing) {
            if is_mapping {
                let (key, value) = rest.split_at(word_len(rest));
                if !(1..=MAX_KEY_LEN).contains(&key.len()) || !key.as_bytes()[0].is_ascii_alphabetic() {
                    return None;
                }
                let key_offset = offset_of(rest);
                self.scalar(key_offset..key_offset + key.len(), key, ScalarStyle::Plain);
                rest = value.strip_prefix(": ")?.trim_start_matches(' ');
            }
            rest = self.flow_node(offset_of(rest), rest, depth + 1)?.trim_start_matches(' ');
            if let Some(next) = rest.strip_prefix(',') {
                rest = next.trim_start_matches(' ');
                if !next.starts_with(' ') || rest.starts_with(closing) {
                    return None;
                }
            } else if !rest.starts_with(closing) {
                return None;
            }
        }
        rest = &rest[1..];
        self.builder.close(offset_of(rest)).ok()?;
        Some(rest)
    }

    /// Parses a literal block scalar with the indicator `|` or `|-` at `offset`. Its text starts on
    /// the next line. The text ends before a line that is not blank and is less indented than the
    /// first line of the text.
    fn literal(&mut self, offset: usize, header: &'t str) -> Option<()> {
        let indicator = strip_comment(header);
        if !matches!(indicator, "|" | "|-") {
            return None;
        }
        let body = self.offset;
        let (_, first) = self.next_line()?;
        let indent = first.len() - first.trim_start_matches(' ').len();
        if indent == first.len() || indent <= self.levels.last()?.column {
            return None;
        }
        self.offset = body;
        let mut text = String::new();
        let mut line_breaks = 0;
        loop {
            let line_start = self.offset;
            let Some((_, line)) = self.next_line() else { break };
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if spaces == line.len() && spaces <= indent {
                line_breaks += 1;
                continue;
            }
            if spaces < indent {
                self.offset = line_start;
                break;
            }
            text.extend(std::iter::repeat_n('\n', line_breaks));
            text.push_str(&line[indent..]);
            line_breaks = 1;
        }
        // If the document does not end with a line break, the value does not, either. The general
        // parser handles this case.
        if self.text.as_bytes()[self.offset - 1] != b'\n' {
            return None;
        }
        if indicator == "|" {
            text.push('\n');
        }
        self.builder.scalar(offset..self.offset, Cow::Owned(text), ScalarStyle::Block, None);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::yaml;
    use super::*;

    const PLAIN: &str = "\
# A comment.
apiVersion: v1
kind: Pod # another

metadata:
  annotations:
    example.com/a: \"b: c # d\"  # e
    empty:
  labels: {app: a, b: \"c\", path: /var/log/**, name: a-*-b}
spec:
  containers:
  - name: c
    args: [-c, 'a b', /x, \"y\", []]
    image: registry:5000/a:1 # tag
    command:
    - sh
    -
    - |
      set -e
        # kept

      exec a

    - -x
    env: []
    readOnly: y
  volumes:
    - name: v
      emptyDir: {}
    -   emptyDir: { sizeLimit: 1Gi }
        name: w
  text: |- # c
    a: b
 # A comment in a lower column.
  nothing:
";

    /// Checks whether the fast parser parses `text`. If it does, asserts that the general parser
    /// returns the same tree.
    fn is_parsed(text: &str) -> bool {
        let tree = parse(text, 0..text.len());
        if let Some(tree) = &tree {
            let general = yaml::parse(text, 0..text.len());
            assert_eq!(general.as_ref().map(Option::as_ref), Ok(Some(tree)), "{text}");
        }
        tree.is_some()
    }

    #[test]
    fn parses_like_the_general_parser() {
        assert!(is_parsed(PLAIN));
        for text in ["a:", "a: b", "a:\n- b", "a:\n-", "a: |\n  b\n", "a: |\n  b\n\n\n", "a: '{'", "1: on\n"]
        {
            assert!(is_parsed(text), "{text:?}");
        }
    }

    #[test]
    fn returns_none_when_in_doubt() {
        for text in [
            "",
            "# c\n",
            "a",
            "- a",
            " a: b",
            "a: b\n  c",
            "a: b\n  c: d",
            "a: b\n- c",
            "a: b\n c: d",
            "a:\n  b: c\n d: e",
            "a:\n    b: c\n  d: e",
            "a:\n- b\n c: d",
            "a:\n  b",
            "a:\n- b\n  c",
            "a:\n- - b",
            "a: b: c",
            "a: b:",
            "a: \"b",
            "a: \"b\\n\"",
            "a: 'b''c'",
            "a: 'b' c",
            "a: 'b'#c",
            "a: [b",
            "a: [b]c",
            "a: [b,]",
            "a: [b,c]",
            "a: [b c]",
            "a: [*b]",
            "a: {*b: c}",
            "a: {b*: c}",
            "a: {b}",
            "a: {\"b\": c}",
            "a: [-]",
            "a: {b:c}",
            "a: {b: c: d}",
            "a: &b c",
            "a: *b",
            "a: !!str b",
            "a: >\n  b\n",
            "a: |2\n  b\n",
            "a: |+\n  b\n",
            "a: |\n\n  b\n",
            "a: |\nb: c\n",
            "a: |\n  b",
            "a: @b",
            "a: %b",
            "a: - b",
            "a: ? b",
            "<<: b",
            "? a",
            "\"a\": b",
            "a :b",
            "a:b",
            "a:\tb",
            "a: b\r\n",
            "a: é",
            "...",
            "%YAML 1.1",
            "a: 1\n...\n",
            "{a: b}",
        ] {
            assert!(!is_parsed(text), "{text:?}");
        }
        // Keys over the length limit, in block and in flow style.
        let long = "k".repeat(1100);
        assert!(!is_parsed(&format!("{long}: a\n")) && !is_parsed(&format!("a: {{{long}: b}}\n")));
        // Errors and duplicate keys, which the builder detects.
        assert!(!is_parsed("null: a"));
        assert!(is_parsed("a: 1\na: 2\n"));
        // Levels over the limit.
        let nested = |depth: usize| -> String {
            (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect()
        };
        assert!(is_parsed(&nested(MAX_LEVELS)) && !is_parsed(&nested(MAX_LEVELS + 1)));
    }
}
