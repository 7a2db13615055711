//! Writes YAML that YAML 1.1 parsers, such as the one in kubectl, and YAML 1.2 parsers read alike.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns a value as block-style YAML.
pub(super) fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out.trim_start().to_owned()
}

/// Writes a value after its key or the `-` of its list. `indent` is the indentation of its lines.
fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let _ = write!(out, "\n{:indent$}{}:", "", scalar(key));
                // As in the Kubernetes documentation, lists in mappings are not indented.
                write(value, if value.is_array() { indent } else { indent + 2 }, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "\n{:indent$}-", "");
                let mut text = String::new();
                write(item, indent + 2, &mut text);
                // A mapping starts on the line of the `-`.
                match text.strip_prefix('\n') {
                    Some(text) if item.is_object() => out.extend([" ", text.trim_start()]),
                    _ => out.push_str(&text),
                }
            }
        }
        Value::String(text) if is_block(text) => {
            out.push_str(" |");
            for line in text.lines() {
                let _ = write!(out, "\n{:indent$}{line}", "");
            }
        }
        Value::String(text) => out.extend([" ", &scalar(text)]),
        other => {
            let _ = write!(out, " {other}");
        }
    }
}

/// Checks whether a text can be a block scalar: it has several lines, and a single newline at the
/// end.
fn is_block(text: &str) -> bool {
    let is_plain = |line: &str| line.trim_end() == line && !line.contains(is_special);
    let body = text.strip_suffix('\n').unwrap_or_default();
    !body.is_empty() && !body.starts_with([' ', '\n']) && !body.ends_with('\n') && body.lines().all(is_plain)
}

/// Returns a text as a plain scalar, or as a quoted one if a parser could misread the plain scalar.
fn scalar(text: &str) -> String {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let has_plain_start =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || text.starts_with("--");
    let has_special =
        text.starts_with("---") || text.ends_with([':', ' ']) || text.contains(": ") || text.contains(" #");
    let is_ascii = text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if has_plain_start && !has_special && is_ascii && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // A JSON string is a quoted scalar, but YAML allows fewer unescaped characters.
    let escape = |c: char| match c {
        c if is_special(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    Value::from(text).to_string().chars().map(escape).collect()
}

/// Checks whether a character is a control character, a line break or a byte order mark.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_keep_their_type_and_content() {
        let texts = [
            "",
            " ",
            "a",
            "a b",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "- a",
            "-",
            "--a=[::]:1",
            "---",
            "--- a",
            "off",
            "No",
            "y",
            "null",
            "~",
            "1",
            "1.5",
            "0o7",
            "0x1f",
            "1e3",
            "1:30",
            "2026-01-01",
            ".inf",
            "=",
            "<<",
            "*a",
            "&a",
            "!a",
            "%a",
            "{a}",
            "[a]",
            "'a'",
            "\"a\"",
            "a\\b",
            "a\tb",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "a\n\nb\n",
            " a\nb\n",
            "a \nb\n",
            "a\n b\n",
            "\na\n",
            "\n",
            "ä\u{2028}\u{7f}\u{85}b",
            "/a",
            "?a",
            "@a",
            "`a`",
            "a,b",
            "a|b\n",
            "|\n",
        ];
        for text in texts {
            let value = json!({ "text": text, "list": [text, [text], { (text): text }], (text): [] });
            let yaml = to_string(&value);
            let parsed: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
            assert_eq!(parsed, value, "{yaml}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_are_quoted() {
        let value = json!({"on": "off", "a": ["y", {"b": 1, "c": null}], "d": {}, "e": "x\ny\n"});
        let expected = "a:\n- \"y\"\n- b: 1\n  c: null\nd: {}\ne: |\n  x\n  y\n\"on\": \"off\"\n";
        assert_eq!(to_string(&value), expected);
    }
}
