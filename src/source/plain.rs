//! The plain style that nearly all manifests are written in, read without the YAML engine: it is seven times as
//! fast.
//!
//! Block mappings and lists, one-line scalars, `|` texts and small flow collections, in ASCII. At any doubt
//! [`read`] gives up in favour of the engine, which alone says what is wrong with a text: what it does read, it
//! reads into the very tree that the engine's events make, to the byte.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::build::Builder;
use super::libyaml::Style;
use super::tree::{Tree, TreeError};

/// Deeper nesting is left to the engine, whose limits are counted there.
const MAX_LEVELS: usize = 64;

/// The document in the part `chunk` of `text`, where that is in plain style without any doubt.
pub(super) fn read(text: &str, chunk: Range<usize>) -> Option<Tree<'_>> {
    // Without a way out of the loop, it takes many bytes at a time.
    let odd = |byte: &u8| u8::from(!matches!(byte, b' '..=b'~' | b'\n'));
    if text.as_bytes()[chunk.clone()].iter().map(odd).fold(0, |any, odd| any | odd) != 0 {
        return None;
    }
    let builder = Builder::new(text, chunk.clone());
    Reader { text, end: chunk.end, at: chunk.start, builder, levels: Vec::new(), pending: None }.run()
}

/// An open block collection.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Level {
    column: usize,
    is_mapping: bool,
}

struct Reader<'t> {
    text: &'t str,
    end: usize,
    at: usize,
    builder: Builder<'t>,
    levels: Vec<Level>,
    /// Behind the `:` or `-` whose value the line had no room for.
    pending: Option<usize>,
}

impl<'t> Reader<'t> {
    fn run(mut self) -> Option<Tree<'t>> {
        while let Some((start, line)) = self.line() {
            let content = line.trim_start_matches(' ');
            if !content.is_empty() && !content.starts_with('#') {
                self.content(start, line.len() - content.len(), content)?;
            }
        }
        self.dedent(None)?;
        // An empty document is the engine's to tell from a null one.
        if self.builder.has_root() { self.builder.finish(self.end).ok() } else { None }
    }

    /// The next line and where it begins.
    fn line(&mut self) -> Option<(usize, &'t str)> {
        let rest = &self.text[self.at..self.end];
        if rest.is_empty() {
            return None;
        }
        let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let start = self.at;
        self.at = (start + length + 1).min(self.end);
        Some((start, &rest[..length]))
    }

    /// A line that is neither blank nor a comment, with its first byte in `column`.
    fn content(&mut self, start: usize, column: usize, content: &'t str) -> Option<()> {
        let item = match content.strip_prefix('-') {
            Some("") => Some(""),
            Some(rest) => rest.starts_with(' ').then_some(rest),
            None => None,
        };
        self.begin(start, column, item.is_none())?;
        let Some(rest) = item else { return self.pair(start, column, content) };
        let value = rest.trim_start_matches(' ');
        if value.is_empty() || value.starts_with('#') {
            self.pending = Some(start + column + 1);
            return Some(());
        }
        if value == "-" || value.starts_with("- ") {
            return None;
        }
        let inner = column + content.len() - value.len();
        if key_length(value).is_some() {
            self.open(start + inner, Level { column: inner, is_mapping: true })?;
            return self.pair(start, inner, value);
        }
        self.value(start + inner, value)
    }

    /// Makes the collection that a line in `column` belongs to the innermost one; opens it where the line is its
    /// first.
    fn begin(&mut self, start: usize, column: usize, is_mapping: bool) -> Option<()> {
        let level = Level { column, is_mapping };
        let is_nested = match self.levels.last() {
            None => column == 0 && is_mapping,
            Some(last) if self.pending.is_some() => {
                // The items of a list may stand in the column of the key that it belongs to.
                column > last.column || (column == last.column && last.is_mapping && !is_mapping)
            }
            Some(_) => false,
        };
        if is_nested {
            self.pending = None;
            return self.open(start + column, level);
        }
        self.dedent(Some(level))?;
        (self.levels.last() == Some(&level)).then_some(())
    }

    /// Closes what a line of the collection `level` ends; at the end of the text everything.
    fn dedent(&mut self, level: Option<Level>) -> Option<()> {
        if let Some(at) = self.pending.take() {
            self.builder.scalar(at..at, Cow::Borrowed(""), Style::Plain);
        }
        while let Some(last) = self.levels.last() {
            let stays = |level: Level| {
                last.column < level.column
                    || (last.column == level.column && (last.is_mapping || !level.is_mapping))
            };
            if level.is_some_and(stays) {
                break;
            }
            self.levels.pop();
            self.builder.close(self.end).ok()?;
        }
        Some(())
    }

    fn open(&mut self, at: usize, level: Level) -> Option<()> {
        if self.levels.len() >= MAX_LEVELS {
            return None;
        }
        self.levels.push(level);
        known(self.builder.open(at..at + 1, level.is_mapping))
    }

    /// A key, and what of its value stands on the same line.
    fn pair(&mut self, start: usize, column: usize, content: &'t str) -> Option<()> {
        let length = key_length(content)?;
        let at = start + column;
        self.builder.scalar(at..at + length, Cow::Borrowed(&content[..length]), Style::Plain);
        let value = content[length + 1..].trim_start_matches(' ');
        if value.is_empty() || value.starts_with('#') {
            self.pending = Some(at + length + 1);
            return Some(());
        }
        self.value(at + content.len() - value.len(), value)
    }

    /// A value that begins at `at`, and fills the line but for a comment.
    fn value(&mut self, at: usize, value: &'t str) -> Option<()> {
        match value.as_bytes()[0] {
            b'|' => return self.literal(at, value),
            b'"' | b'\'' | b'[' | b'{' => {
                let rest = self.flow(at, value, 0)?;
                let comment = rest.trim_start_matches(' ');
                let ends = comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len());
                return ends.then_some(());
            }
            _ => {}
        }
        let scalar = before_comment(value);
        let begins = match scalar.as_bytes() {
            [b'-', next, ..] => *next != b' ',
            [first, ..] => first.is_ascii_alphanumeric() || b"/._+~$()\\^;=<".contains(first),
            [] => false,
        };
        let is_pair = |at: usize| matches!(scalar.as_bytes().get(at + 1), None | Some(b' '));
        if !begins || memchr_iter(b':', scalar.as_bytes()).any(is_pair) {
            return None;
        }
        self.builder.scalar(at..at + scalar.len(), Cow::Borrowed(scalar), Style::Plain);
        Some(())
    }

    /// A quoted scalar, a word, or a flow collection of them, all on one line; what stands behind it.
    fn flow(&mut self, at: usize, value: &'t str, depth: usize) -> Option<&'t str> {
        let first = *value.as_bytes().first()?;
        match first {
            b'"' | b'\'' => {
                let inner = &value[1..];
                let length = memchr(first, inner.as_bytes())?;
                let rest = &inner[length + 1..];
                if rest.as_bytes().first() == Some(&first) || inner[..length].contains('\\') {
                    return None;
                }
                let scalar = Cow::Borrowed(&inner[..length]);
                self.builder.scalar(at..at + length + 2, scalar, Style::Quoted);
                Some(rest)
            }
            b'[' | b'{' if depth < 8 => self.collection(at, value, depth),
            _ => {
                let length = glob_length(value);
                let word = &value[..length];
                let begins = match word.as_bytes() {
                    [b'-', second, ..] => second.is_ascii_alphanumeric(),
                    [first, ..] => first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_'),
                    [] => false,
                };
                if !begins {
                    return None;
                }
                self.builder.scalar(at..at + length, Cow::Borrowed(word), Style::Plain);
                Some(&value[length..])
            }
        }
    }

    /// A flow collection; what stands behind it.
    fn collection(&mut self, at: usize, value: &'t str, depth: usize) -> Option<&'t str> {
        let is_mapping = value.starts_with('{');
        let closing = if is_mapping { '}' } else { ']' };
        known(self.builder.open(at..at + 1, is_mapping))?;
        let place = |rest: &str| at + value.len() - rest.len();
        let mut rest = value[1..].trim_start_matches(' ');
        while !rest.starts_with(closing) {
            if is_mapping {
                let length = word_length(rest);
                if !(1..LONGEST_KEY).contains(&length) || !rest.as_bytes()[0].is_ascii_alphabetic() {
                    return None;
                }
                let key = place(rest);
                self.builder.scalar(key..key + length, Cow::Borrowed(&rest[..length]), Style::Plain);
                rest = rest[length..].strip_prefix(": ")?.trim_start_matches(' ');
            }
            rest = self.flow(place(rest), rest, depth + 1)?.trim_start_matches(' ');
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
        known(self.builder.close(place(rest)))?;
        Some(rest)
    }

    /// The text behind a `|` or `|-`: the lines that are indented as its first one is, or deeper.
    fn literal(&mut self, at: usize, header: &'t str) -> Option<()> {
        let indicator = before_comment(header);
        if !matches!(indicator, "|" | "|-") {
            return None;
        }
        let body = self.at;
        let (_, first) = self.line()?;
        let indent = first.len() - first.trim_start_matches(' ').len();
        if indent == first.len() || indent <= self.levels.last()?.column {
            return None;
        }
        self.at = body;
        let mut text = String::new();
        let mut breaks = 0;
        loop {
            let before = self.at;
            let Some((_, line)) = self.line() else { break };
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if spaces == line.len() && spaces <= indent {
                breaks += 1;
                continue;
            }
            if spaces < indent {
                self.at = before;
                break;
            }
            text.extend(std::iter::repeat_n('\n', breaks));
            text.push_str(&line[indent..]);
            breaks = 1;
        }
        // Whether the last line ends matters to its text.
        if self.text.as_bytes()[self.at - 1] != b'\n' {
            return None;
        }
        if indicator == "|" {
            text.push('\n');
        }
        self.builder.scalar(at..self.at, Cow::Owned(text), Style::Block);
        Some(())
    }
}

/// A line's text without the comment behind it.
pub(super) fn before_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let comment = memchr_iter(b'#', bytes).find(|at| *at > 0 && bytes[at - 1] == b' ');
    line[..comment.unwrap_or(line.len())].trim_end_matches(' ')
}

/// The engine takes no key of more than 1024 bytes.
const LONGEST_KEY: usize = 1000;

/// What the builder refuses, the engine is to say in its own order.
fn known(result: Result<(), TreeError>) -> Option<()> {
    result.ok()
}

/// The length of the plain key that a line begins with; none where that is in any doubt.
pub(super) fn key_length(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let length = word_length(line);
    let begins = bytes.first()?.is_ascii_alphanumeric() || bytes[0] == b'_';
    let ends = bytes.get(length) == Some(&b':') && matches!(bytes.get(length + 1), None | Some(b' '));
    (begins && ends && length < LONGEST_KEY).then_some(length)
}

fn word_length(text: &str) -> usize {
    text.bytes().position(|byte| !is_of_word(byte)).unwrap_or(text.len())
}

/// The length of a word or of a glob: a `*` that doesn't begin it is a letter like any other.
fn glob_length(text: &str) -> usize {
    text.bytes().position(|byte| !is_of_word(byte) && byte != b'*').unwrap_or(text.len())
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

#[cfg(test)]
mod tests {
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
 # A comment may stand anywhere.
  nothing:
";

    fn is_plain(text: &str) -> bool {
        let tree = read(text, 0..text.len());
        if let Some(tree) = &tree {
            let by_engine = Tree::parse_by_engine(text, 0..text.len());
            assert_eq!(by_engine.as_ref().map(Option::as_ref), Ok(Some(tree)), "{text}");
        }
        tree.is_some()
    }

    #[test]
    fn reads_plain_style_as_the_engine_does() {
        assert!(is_plain(PLAIN));
        for text in ["a:", "a: b", "a:\n- b", "a:\n-", "a: |\n  b\n", "a: |\n  b\n\n\n", "a: '{'", "1: on\n"]
        {
            assert!(is_plain(text), "{text:?}");
        }
    }

    #[test]
    fn leaves_every_doubt_to_the_engine() {
        for doubt in [
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
            assert!(!is_plain(doubt), "{doubt:?}");
        }
        // What is too long for a key, wherever it stands.
        let long = "k".repeat(1100);
        assert!(!is_plain(&format!("{long}: a\n")) && !is_plain(&format!("a: {{{long}: b}}\n")));
        // A key that can't be one, nesting, and keys that stand twice are no matter of style.
        assert!(!is_plain("null: a"));
        assert!(is_plain("a: 1\na: 2\n"));
        let nested = |depth: usize| -> String {
            (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect()
        };
        assert!(is_plain(&nested(MAX_LEVELS)) && !is_plain(&nested(MAX_LEVELS + 1)));
    }
}
