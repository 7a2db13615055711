//! Which documents needn't be parsed.
//!
//! Most of a tree of manifests is CustomResourceDefinitions, Services and the like, which can't hold a volume.
//! They are recognised by their own first lines, and only where no other reading is possible: at any doubt
//! the parser decides.

use memchr::{memchr, memchr_iter, memmem};

/// Whether the document surely is one object of a kind that `skip(api_version, kind)` says holds no volume.
///
/// Its top level must be a block mapping at column 0 with plain keys, among them one `apiVersion` and one
/// `kind`, and no `items`. A text that isn't YAML may be skipped; a document that is never is by mistake.
pub fn holds_no_volume(text: &str, skip: impl Fn(&str, &str) -> bool) -> bool {
    let bytes = text.as_bytes();
    // Line ends that the parser knows and this loop doesn't.
    if memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n')) {
        return false;
    }
    if !bytes.is_ascii()
        && ["\u{85}", "\u{2028}", "\u{2029}", "\u{FEFF}"]
            .iter()
            .any(|end| memmem::find(bytes, end.as_bytes()).is_some())
    {
        return false;
    }
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
                if line.bytes().all(|byte| byte == b' ') {
                    continue;
                }
                let settled = api_version.is_some() && kind.is_some();
                if empty || open || (!settled && line.bytes().any(may_span_lines)) {
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
        let value = value.split(" #").next().unwrap_or_default().trim_end_matches(' ');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-');
        if slot.is_some() || value.is_empty() || !value.bytes().all(plain) {
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

/// What may begin a value that goes on at column 0 of a later line, or that isn't what it looks like.
fn may_span_lines(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'{' | b'[' | b'&' | b'*' | b'!')
}

fn plain_pair(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = line.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let first = key.as_bytes().first()?;
    if !first.is_ascii_alphabetic() || !key.bytes().all(plain) {
        return None;
    }
    if rest.is_empty() {
        Some((key, ""))
    } else {
        rest.strip_prefix(' ').map(|value| (key, value.trim_start_matches(' ')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(text: &str) -> bool {
        holds_no_volume(text, |api_version, kind| api_version == "v1" && kind == "Service")
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
            "kind: Service\n",
            "",
        ] {
            assert!(!skipped(doubt), "skipped {doubt:?}");
        }
    }
}
