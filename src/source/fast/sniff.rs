//! Finds documents that do not need to be parsed.
//!
//! Most documents in a repository are CustomResourceDefinitions, Services and other objects without
//! volumes. This file finds their `apiVersion` and `kind` with a line-by-line scan. See the
//! [contract](super).

use std::iter;

use memchr::{memchr, memchr_iter, memchr3_iter, memmem};

use super::super::scalar::{Scalar, resolve_plain};
use super::lexer::{split_entry, strip_comment};

/// Checks whether a text contains a line break of YAML that [`str::lines`] does not recognize, or a
/// byte order mark.
fn has_special_character(text: &str) -> bool {
    const CHARACTERS: [&str; 4] = ["\u{85}", "\u{2028}", "\u{2029}", "\u{FEFF}"];
    let bytes = text.as_bytes();
    let is_special =
        |at: usize| CHARACTERS.iter().any(|character| bytes[at..].starts_with(character.as_bytes()));
    // The first bytes of the characters.
    !text.is_ascii() && memchr3_iter(0xC2, 0xE2, 0xEF, bytes).any(is_special)
}

/// Returns the number of objects in a document if `can_skip(api_version, kind)` is true for all of
/// them. Returns `None` if it is false for one of them, or when in doubt.
///
/// The document must be one object, or a list of objects under `items`. Its top level must be a
/// block mapping at column 0 with plain keys, among them one `apiVersion` and one `kind`. For valid
/// YAML, a returned number is exact. For other text, it is unspecified.
pub fn count_skippable(text: &str, can_skip: impl Fn(&str, &str) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    if memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n')) {
        return None;
    }
    if has_special_character(text) {
        return None;
    }
    if let Some(object) = single_object(text) {
        return can_skip(object.api_version?, object.kind?).then_some(1);
    }
    memmem::find(bytes, b"\nitems:").and_then(|_| ListScanner::default().scan(text, &can_skip))
}

/// Iterates over the lines of a text as [`str::lines`] does, but faster.
fn lines(mut text: &str) -> impl Iterator<Item = &str> {
    iter::from_fn(move || {
        let end = memchr(b'\n', text.as_bytes()).map_or(text.len(), |at| at + 1);
        let (line, rest) = text.split_at(end);
        text = rest;
        let content = line.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        (!line.is_empty()).then(|| content.unwrap_or(line))
    })
}

/// The `apiVersion` and `kind` of an object, as far as they have been found.
#[derive(Default)]
struct ObjectType<'t> {
    api_version: Option<&'t str>,
    kind: Option<&'t str>,
}

impl<'t> ObjectType<'t> {
    /// Adds an entry of the object. Returns true if the key is `apiVersion` or `kind`, and false
    /// for any other key. Returns `None` if one of these two keys is a duplicate, or if its value
    /// might not be a string.
    fn add(&mut self, key: &str, value: &'t str) -> Option<bool> {
        let field = match key {
            "apiVersion" => &mut self.api_version,
            "kind" => &mut self.kind,
            _ => return Some(false),
        };
        let value = strip_comment(value);
        if field.is_some() || !is_plain_string(value) {
            return None;
        }
        *field = Some(value);
        Some(true)
    }

    fn is_complete(&self) -> bool {
        self.api_version.is_some() && self.kind.is_some()
    }
}

/// Returns the type of the only object in a document, or `None` when in doubt.
///
/// Until both `apiVersion` and `kind` are found, the function returns `None` at any character that
/// may start a multi-line value. Afterwards, such values are harmless: if a line in one of them
/// looks like another `apiVersion` or `kind`, it counts as a duplicate key, and the function
/// returns `None`.
fn single_object(text: &str) -> Option<ObjectType<'_>> {
    let bytes = text.as_bytes();
    let mut object = ObjectType::default();
    // Whether an indented line would continue the value of `apiVersion` or `kind`.
    let mut is_value_open = false;
    let mut is_first = true;
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = &text[at..end];
        at = end + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line.as_bytes() {
            [] | [b'#', ..] => {}
            [b' ', ..] => {
                if object.is_complete() && !is_value_open {
                    at = end + unindented_line(&bytes[end..]);
                    continue;
                }
                if line.bytes().all(|byte| byte == b' ') {
                    continue;
                }
                if is_first || is_value_open || line.bytes().any(may_span_lines) {
                    return None;
                }
            }
            [b'-'] | [b'-', b' ', ..] if !is_first => {
                if is_value_open || (!object.is_complete() && line.bytes().any(may_span_lines)) {
                    return None;
                }
            }
            _ => {
                is_first = false;
                let (key, value) = split_entry(line)?;
                if key == "items" {
                    return None;
                }
                is_value_open = object.add(key, value)?;
                if !is_value_open && !object.is_complete() && value.bytes().any(may_span_lines) {
                    return None;
                }
            }
        }
    }
    object.is_complete().then_some(object)
}

/// Returns the offset of the first line that follows a line break and does not start with a space.
/// If there is no such line, returns the length of the text.
fn unindented_line(bytes: &[u8]) -> usize {
    /// The number of bytes that are compared without a branch.
    const BLOCK: usize = 64;
    let is_start = |previous: u8, byte: u8| (previous == b'\n') & (byte != b' ');
    let next = bytes.get(1..).unwrap_or_default();
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let (next_blocks, _) = next.as_chunks::<BLOCK>();
    let has_start = |(previous, next): (&[u8; BLOCK], &[u8; BLOCK])| {
        let mut found = false;
        for at in 0..BLOCK {
            found |= is_start(previous[at], next[at]);
        }
        found
    };
    let start = BLOCK * blocks.iter().zip(next_blocks).position(has_start).unwrap_or(next_blocks.len());
    let within = bytes[start..].iter().zip(&next[start..]).position(|(&a, &b)| is_start(a, b));
    within.map_or(bytes.len(), |within| start + within + 1)
}

/// A scanner for a list of objects in block style, with each object as an item under `items`.
///
/// Unlike [`single_object`], the scanner returns `None` at any quote, flow collection or anchor.
/// In block scalars, it ignores these characters, because the indentation alone determines where a
/// block scalar ends.
#[derive(Default)]
struct ListScanner<'t> {
    list: ObjectType<'t>,
    /// The object that is being scanned.
    item: Option<ObjectType<'t>>,
    /// The column of the dash before each item.
    dash: Option<usize>,
    is_in_items: bool,
    count: usize,
}

impl<'t> ListScanner<'t> {
    fn scan(mut self, text: &'t str, can_skip: &impl Fn(&str, &str) -> bool) -> Option<usize> {
        // The column of the key of the current block scalar.
        let mut block_scalar_key = None::<usize>;
        // The column of the last key, if it is an `apiVersion` or `kind`. A deeper line would
        // continue its value.
        let mut open_key = None::<usize>;
        for line in lines(text) {
            let indent = line.bytes().position(|byte| byte != b' ').unwrap_or(line.len());
            let content = &line[indent..];
            if content.is_empty() || block_scalar_key.is_some_and(|column| indent > column) {
                continue;
            }
            block_scalar_key = None;
            if content.starts_with('#') {
                continue;
            }
            if content.bytes().any(|byte| may_span_lines(byte) || byte == b'\t' || byte == b'%')
                || content.starts_with(['?', ':', '|', '>', '@', '`', ','])
                || open_key.is_some_and(|column| indent > column)
            {
                return None;
            }
            let (column, content) = match content.strip_prefix("- ") {
                Some(rest) if self.is_item(indent) => {
                    self.end_item(can_skip)?;
                    self.dash = Some(indent);
                    self.item = Some(ObjectType::default());
                    (indent + 2, rest)
                }
                Some(rest) if rest.contains(['|', '>']) => return None,
                Some(_) => {
                    open_key = None;
                    continue;
                }
                None if content == "-" => return None,
                None => (indent, content),
            };
            let Some((key, value)) = split_entry(content) else {
                // A line without a key continues a plain scalar, unless a key of the list or of an
                // item is expected here.
                if column == 0 || self.dash.is_some_and(|dash| column <= dash + 2) {
                    return None;
                }
                continue;
            };
            let value = strip_comment(value);
            block_scalar_key = value.starts_with(['|', '>']).then_some(column);
            open_key = self.add_entry(column, key, value, can_skip)?.then_some(column);
        }
        self.end_item(can_skip)?;
        (self.count > 0 && self.list.is_complete()).then_some(self.count)
    }

    /// Checks whether a dash in the column `indent` starts an item of the list.
    fn is_item(&self, indent: usize) -> bool {
        self.is_in_items && self.dash.is_none_or(|dash| dash == indent)
    }

    /// Adds an entry of the list or of an item. Returns true if the key is the `apiVersion` or
    /// `kind` of the list or the item, and false for any other key. Returns `None` when in doubt.
    fn add_entry(
        &mut self,
        column: usize,
        key: &str,
        value: &'t str,
        can_skip: &impl Fn(&str, &str) -> bool,
    ) -> Option<bool> {
        if column == 0 {
            self.end_item(can_skip)?;
            self.is_in_items = key == "items";
            if self.is_in_items && (self.dash.is_some() || !value.is_empty()) {
                return None;
            }
            return self.list.add(key, value);
        }
        match (&mut self.item, self.dash) {
            (Some(item), Some(dash)) if column == dash + 2 => {
                if key == "items" {
                    return None;
                }
                item.add(key, value)
            }
            (Some(_), Some(dash)) if column < dash + 2 => None,
            // The first item must directly follow `items`.
            (None, _) if self.is_in_items => None,
            _ => Some(false),
        }
    }

    /// Counts the item that ends here. Returns `None` if it cannot be skipped.
    fn end_item(&mut self, can_skip: &impl Fn(&str, &str) -> bool) -> Option<()> {
        let Some(item) = self.item.take() else { return Some(()) };
        self.count += 1;
        can_skip(item.api_version?, item.kind?).then_some(())
    }
}

/// Checks whether a value that contains this byte may continue at column 0 of a later line, or may
/// use an anchor, an alias or a tag.
fn may_span_lines(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'{' | b'[' | b'&' | b'*' | b'!')
}

/// Checks whether kubectl certainly reads a plain value as a string, and not as a number or a
/// boolean.
fn is_plain_string(value: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-');
    !value.is_empty() && value.bytes().all(is_allowed) && matches!(resolve_plain(value), Scalar::Str(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: |-\n      {\"kind\": [\n      - x\n  kind: Service\n  spec:\n  - a: b\n- kind: Service\n  apiVersion: v1\nkind: List\n";

    fn is_skipped(text: &str) -> bool {
        let is_core = |api_version: &str| !api_version.contains('/') || api_version == "v1";
        count_skippable(text, |api_version, kind| is_core(api_version) && kind == "Service").is_some()
    }

    #[test]
    fn finds_the_next_unindented_line() {
        assert_eq!((unindented_line(b""), unindented_line(b"\n"), unindented_line(b"\n a")), (0, 1, 3));
        for length in 0..200 {
            let text = format!("{}\n  x\n\r\n", " ".repeat(length));
            assert_eq!(unindented_line(text.as_bytes()), length + 5, "{length}");
            assert_eq!(unindented_line(&text.as_bytes()[..length + 5]), length + 5, "{length}");
        }
    }

    #[test]
    fn counts_skippable_objects() {
        let count = |text: &str| count_skippable(text, |_, kind| kind == "Service");
        assert_eq!(count("apiVersion: v1\nkind: Service\n"), Some(1));
        assert_eq!(count(LIST), Some(2));
        assert_eq!(count(&LIST.replace('\n', "\r\n")), Some(2));
        assert_eq!(
            count("kind: List\napiVersion: v1\nitems:\n  - apiVersion: v1\n    kind: Service\n"),
            Some(1)
        );
    }

    #[test]
    fn does_not_skip_ambiguous_lists() {
        for (from, to) in [
            ("kind: Service\n  spec", "kind: Pod\n  spec"),
            ("kind: Service\n  spec", "kind: Service\n  kind: Service\n  spec"),
            ("kind: Service\n  spec", "kind: Service\n    x\n  spec"),
            ("  - a: b\n", "  - a: b\n  items:\n  - kind: Pod\n"),
            ("  - a: b\n", "  - a: \"\n"),
            ("  - a: b\n", "  - a: {\n"),
            ("  - a: b\n", "  - a: |\n      x\n"),
            ("  - a: b\n", "  <<: *x\n"),
            ("  - a: b\n", "  ? kind\n  : Pod\n"),
            ("  - a: b\n", " kind: Pod\n"),
            ("- kind: Service\n", "-\n  kind: Service\n"),
            ("- kind: Service\n", "- - kind: Service\n"),
            ("kind: List\n", "kind: List\nitems:\n- kind: Pod\n"),
            ("kind: List\n", "...\n"),
            ("kind: List\n", ""),
            ("items:\n", "items:\n  kind: Pod\n"),
            ("items:\n", "items: # c\n- &a\n"),
            ("    a: |-\n", "    a: '\n"),
        ] {
            let text = LIST.replacen(from, to, 1);
            assert_ne!(text, LIST, "{from:?}");
            assert!(!is_skipped(&text), "skipped {text:?}");
        }
    }

    #[test]
    fn skips_plain_objects() {
        assert!(is_skipped("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"));
        assert!(is_skipped("# c\n\nkind: Service # c\r\napiVersion: v1\r\nspec:\r\n- a: \"x\"\r\n"));
        assert!(is_skipped("data:\n  a: b\napiVersion: v1\nkind: Service"));
    }

    #[test]
    fn does_not_skip_ambiguous_objects() {
        for text in [
            "apiVersion: v1\nkind: Pod\n",
            "apiVersion: serving.knative.dev/v1\nkind: Service\n",
            "apiVersion: v1\nkind: Service\nkind: Pod\n",
            "apiVersion: v1\nkind: Service\n\"kind\": Pod\n",
            "apiVersion: v1\nkind: Service\n'kind': Pod\n",
            "apiVersion: v1\nkind: Service\n? kind\n: Pod\n",
            "apiVersion: v1\nkind: Service\n!!str kind: Pod\n",
            "apiVersion: v1\nkind: Service\n&a kind: Pod\n",
            "apiVersion: v1\nkind: Service\n<<: {kind: Pod}\n",
            "apiVersion: v1\nkind: Service\nkind : Pod\n",
            "apiVersion: v1\nkind: Service\nitems:\n- kind: Pod\n",
            "apiVersion: v1\nkind: Service\n...\nkind: Pod\n",
            "apiVersion: v1\nkind: Service\n\n  Account\n",
            "apiVersion: v1\nkind: \"Service\"\n",
            "apiVersion: v1\nkind: !!str Service\n",
            "data: \"\nkind: Service\napiVersion: v1\n  \"\nx: y\n",
            "data: {\nkind: Service,\napiVersion: v1\n}\n",
            " apiVersion: v1\n kind: Pod\n",
            "apiVersion: v1\rkind: Service\rkind: Pod\r",
            "apiVersion: v1\nkind: Service\u{85}kind: Pod\n",
            "{apiVersion: v1, kind: Pod}",
            "apiVersion: v1\nkind: Service\n\tkind: Pod\n",
            "apiVersion: 61\nkind: Service\n",
            "kind: Service\n",
            "",
        ] {
            assert!(!is_skipped(text), "skipped {text:?}");
        }
    }
}
