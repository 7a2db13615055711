//! Which documents needn't be parsed.
//!
//! Most of a tree of manifests is CustomResourceDefinitions, Services and the like, which can't hold a volume.
//! They are recognised by their own first lines, and only where no other reading is possible: at any doubt
//! the parser decides.

use memchr::{memchr, memchr_iter, memmem};

use super::plain::{before_comment, key_length};
use super::scalar::{Scalar, resolve};

/// How many objects a document surely holds, where all are of kinds that `skip(api_version, kind)` says hold no
/// volume; none at any doubt.
///
/// The document is one object, or a list of them under `items`. Its top level must be a block mapping at
/// column 0 with plain keys, among them one `apiVersion` and one `kind`. A text that isn't YAML may be counted;
/// a document that is never is by mistake.
pub fn harmless_objects(text: &str, skip: impl Fn(&str, &str) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    // Line ends that the parser knows and these loops don't.
    if memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n')) {
        return None;
    }
    let odd = ["\u{85}", "\u{2028}", "\u{2029}", "\u{FEFF}"];
    if !bytes.is_ascii() && odd.iter().any(|end| memmem::find(bytes, end.as_bytes()).is_some()) {
        return None;
    }
    if is_harmless(text, &skip) {
        return Some(1);
    }
    memmem::find(bytes, b"\nitems:").and_then(|_| List::default().read(text, &skip))
}

/// Whether the text is one such object.
fn is_harmless(text: &str, skip: &impl Fn(&str, &str) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (mut api_version, mut kind) = (None, None);
    // The line before was `kind: X`, which an indented line would continue.
    let mut open = false;
    let mut empty = true;
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = &text[at..end];
        at = end + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line.as_bytes().first() {
            None | Some(b'#') => continue,
            Some(b' ') => {
                let settled = api_version.is_some() && kind.is_some();
                if (settled && !open) || line.bytes().all(|byte| byte == b' ') {
                    continue;
                }
                if empty || open || line.bytes().any(may_span_lines) {
                    return false;
                }
                continue;
            }
            Some(b'-') if !empty && (line.len() == 1 || line.as_bytes()[1] == b' ') => {
                let settled = api_version.is_some() && kind.is_some();
                if open || (!settled && line.bytes().any(may_span_lines)) {
                    return false;
                }
                continue;
            }
            _ => {}
        }
        (open, empty) = (false, false);
        let Some((key, value)) = plain_pair(line) else { return false };
        let slot = match key {
            "items" => return false,
            "apiVersion" => &mut api_version,
            "kind" => &mut kind,
            _ => {
                let settled = api_version.is_some() && kind.is_some();
                if !settled && value.bytes().any(may_span_lines) {
                    return false;
                }
                continue;
            }
        };
        let value = before_comment(value);
        if slot.is_some() || !is_plain_word(value) {
            return false;
        }
        *slot = Some(value);
        open = true;
    }
    match (api_version, kind) {
        (Some(api_version), Some(kind)) => skip(api_version, kind),
        _ => false,
    }
}

/// A list of objects, each an item in block style under `items`.
///
/// Unlike in a single object, what stands in quotes, in flow style or behind an anchor is a doubt wherever it
/// stands, but for the bodies of block scalars, which can't leave their indentation.
#[derive(Default)]
struct List<'t> {
    outer: Type<'t>,
    item: Option<Type<'t>>,
    /// The column of the items' dashes, once there is one.
    dash: Option<usize>,
    in_items: bool,
    count: usize,
}

#[derive(Default)]
struct Type<'t> {
    api_version: Option<&'t str>,
    kind: Option<&'t str>,
}

impl<'t> Type<'t> {
    /// Takes a key and its value; none where the key must not be there, or not twice.
    fn take(&mut self, key: &str, value: &'t str) -> Option<bool> {
        let slot = match key {
            "apiVersion" => &mut self.api_version,
            "kind" => &mut self.kind,
            _ => return Some(false),
        };
        if slot.is_some() || !is_plain_word(value) {
            return None;
        }
        *slot = Some(value);
        Some(true)
    }
}

impl<'t> List<'t> {
    fn read(mut self, text: &'t str, skip: &impl Fn(&str, &str) -> bool) -> Option<usize> {
        // The column of the key whose block scalar goes on, and that of a `kind` that an indented line would
        // continue.
        let (mut body, mut open) = (None::<usize>, None::<usize>);
        for line in text.lines() {
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            if content.is_empty() || body.is_some_and(|key| indent > key) {
                continue;
            }
            body = None;
            if content.starts_with('#') {
                continue;
            }
            if content.bytes().any(|byte| may_span_lines(byte) || byte == b'\t' || byte == b'%')
                || content.starts_with(['?', ':', '|', '>', '@', '`', ','])
                || open.is_some_and(|key| indent > key)
            {
                return None;
            }
            let (column, content) = match content.strip_prefix("- ") {
                Some(rest) if self.begins_item(indent) => {
                    self.end_item(skip)?;
                    (self.dash, self.item) = (Some(indent), Some(Type::default()));
                    (indent + 2, rest)
                }
                Some(rest) if rest.contains(['|', '>']) => return None,
                Some(_) => {
                    open = None;
                    continue;
                }
                None if content == "-" => return None,
                None => (indent, content),
            };
            let Some((key, value)) = plain_pair(content) else {
                // The continuation of a plain scalar; a key is never one.
                if column == 0 || self.dash.is_some_and(|dash| column <= dash + 2) {
                    return None;
                }
                continue;
            };
            let value = before_comment(value);
            body = value.starts_with(['|', '>']).then_some(column);
            open = self.key(column, key, value, skip)?.then_some(column);
        }
        self.end_item(skip)?;
        (self.count > 0 && self.outer.api_version.is_some() && self.outer.kind.is_some())
            .then_some(self.count)
    }

    fn begins_item(&self, indent: usize) -> bool {
        self.in_items && self.dash.is_none_or(|dash| dash == indent)
    }

    /// Takes a key in a column; whether its value may not go on.
    fn key(
        &mut self,
        column: usize,
        key: &str,
        value: &'t str,
        skip: &impl Fn(&str, &str) -> bool,
    ) -> Option<bool> {
        if column == 0 {
            self.end_item(skip)?;
            self.in_items = key == "items";
            if self.in_items && (self.dash.is_some() || !value.is_empty()) {
                return None;
            }
            return self.outer.take(key, value);
        }
        match (&mut self.item, self.dash) {
            (Some(item), Some(dash)) if column == dash + 2 => {
                if key == "items" {
                    return None;
                }
                item.take(key, value)
            }
            (Some(_), Some(dash)) if column < dash + 2 => None,
            // Between `items` and its first item there is nothing.
            (None, _) if self.in_items => None,
            _ => Some(false),
        }
    }

    /// Counts the item that has ended; none where it isn't surely harmless.
    fn end_item(&mut self, skip: &impl Fn(&str, &str) -> bool) -> Option<()> {
        let Some(item) = self.item.take() else { return Some(()) };
        self.count += 1;
        skip(item.api_version?, item.kind?).then_some(())
    }
}

/// What may begin a value that goes on at column 0 of a later line, or that isn't what it looks like.
fn may_span_lines(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'{' | b'[' | b'&' | b'*' | b'!')
}

/// Whether a value is a string to kubectl without any doubt: not a number, nor one of YAML's many booleans.
fn is_plain_word(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-');
    !value.is_empty() && value.bytes().all(plain) && matches!(resolve(value), Scalar::Str(_))
}

fn plain_pair(line: &str) -> Option<(&str, &str)> {
    let length = key_length(line)?;
    Some((&line[..length], line[length + 1..].trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(text: &str) -> bool {
        let is_core = |api_version: &str| !api_version.contains('/') || api_version == "v1";
        harmless_objects(text, |api_version, kind| is_core(api_version) && kind == "Service").is_some()
    }

    const LIST: &str = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: |-\n      {\"kind\": [\n      - x\n  kind: Service\n  spec:\n  - a: b\n- kind: Service\n  apiVersion: v1\nkind: List\n";

    #[test]
    fn skips_lists_of_what_is_plain_to_see() {
        let count = |text: &str| harmless_objects(text, |_, kind| kind == "Service");
        assert_eq!(count(LIST), Some(2));
        assert_eq!(count(&LIST.replace('\n', "\r\n")), Some(2));
        assert_eq!(
            count("kind: List\napiVersion: v1\nitems:\n  - apiVersion: v1\n    kind: Service\n"),
            Some(1)
        );
        assert_eq!(count("apiVersion: v1\nkind: Service\n"), Some(1));
    }

    #[test]
    fn leaves_every_doubt_in_a_list_to_the_parser() {
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
            let doubt = LIST.replacen(from, to, 1);
            assert_ne!(doubt, LIST, "{from:?}");
            assert!(!skipped(&doubt), "skipped {doubt:?}");
        }
    }

    #[test]
    fn skips_what_is_plain_to_see() {
        assert!(skipped("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"));
        assert!(skipped("# c\n\nkind: Service # c\r\napiVersion: v1\r\nspec:\r\n- a: \"x\"\r\n"));
        assert!(skipped("data:\n  a: b\napiVersion: v1\nkind: Service"));
    }

    #[test]
    fn leaves_every_doubt_to_the_parser() {
        for doubt in [
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
            assert!(!skipped(doubt), "skipped {doubt:?}");
        }
    }
}
