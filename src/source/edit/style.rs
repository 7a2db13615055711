//! Scalars in the style of the surrounding text.

use crate::source::parse;

/// Returns a string as a scalar for block and flow style. Quotes it only if necessary.
pub fn scalar(text: &str) -> String {
    let list = format!("[{text}]");
    let tree = parse(&list, 0..list.len()).ok().flatten();
    let is_plain = tree.is_some_and(|tree| match tree.items(tree.root()) {
        [item] => tree.range(*item) == (1..1 + text.len()) && tree.as_str(*item).as_deref() == Some(text),
        _ => false,
    });
    if is_plain && !text.contains(['\n', '\'', '"']) { text.to_owned() } else { quoted(text) }
}

/// Returns a string in double quotes, as in JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a string in the style of the scalar `old`: with the same quotes, if it has any.
pub(super) fn scalar_like(text: &str, old: &str) -> String {
    match old.as_bytes().first() {
        Some(b'"') => quoted(text),
        Some(b'\'') if !text.contains(['\n', '\r']) => format!("'{}'", text.replace('\'', "''")),
        _ => scalar(text),
    }
}
