//! Recognition of templates and placeholders in text that is valid YAML before it is rendered.

use std::ops::Range;

use crate::source::Tree;

/// Returns the byte range of the first ytt directive in the document `tree`, which is in the byte
/// range `chunk` of `text`. ytt directives are comments, such as `#@ data.values.name`.
pub(super) fn ytt_directive(text: &str, chunk: Range<usize>, tree: &Tree<'_>) -> Option<Range<usize>> {
    // Values and their schemas (`#@data/values`, `#@schema/nullable`) are not Kubernetes objects.
    const MODULES: [&str; 4] = ["overlay/", "yaml/", "library/", "assert/"];
    let start = chunk.start;
    let directives = memchr::memmem::find_iter(&text.as_bytes()[chunk], "#@").map(|at| start + at);
    let is_directive = |at: &usize| {
        let rest = &text[at + 2..];
        let is_comment = text[..*at].ends_with([' ', '\n', '\r']) || *at == 0;
        is_comment
            && (rest.starts_with(' ') || MODULES.iter().any(|module| rest.starts_with(module)))
            && !tree.is_in_scalar(*at)
    };
    let at = directives.into_iter().find(is_directive)?;
    let line = text[at..].lines().next().unwrap_or_default();
    Some(at..at + line.trim_end().len())
}

/// Returns the first placeholder in a value, which a program replaces before the manifest is
/// applied: `${SIZE}`, `$(SIZE)`, `{{ size }}`, `<SIZE>`, `__SIZE__`, `@SIZE@`, `$SIZE` or `SIZE`.
pub(super) fn placeholder(value: &str) -> Option<&str> {
    const DELIMITERS: [(&str, &str); 7] =
        [("${{", "}}"), ("${", "}"), ("$(", ")"), ("{{", "}}"), ("<", ">"), ("__", "__"), ("@", "@")];
    let delimited = DELIMITERS.iter().find_map(|(open, close)| {
        let start = value.find(open)?;
        let inner = &value[start + open.len()..];
        let length = inner.find(close).filter(|length| *length > 0)?;
        Some(&value[start..start + open.len() + length + close.len()])
    });
    let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = value.len() > 2 && value.starts_with(|c: char| c.is_ascii_uppercase() || c == '$');
    let name = value.strip_prefix('$').unwrap_or(value);
    delimited.or_else(|| (is_name && name.chars().all(is_word)).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::placeholder;

    #[test]
    fn recognizes_placeholders() {
        for (value, expected) in [
            ("${REPLICAS}", "${REPLICAS}"),
            ("${SIZE:=1Gi}", "${SIZE:=1Gi}"),
            ("${{REPLICAS}}", "${{REPLICAS}}"),
            ("$(SIZE)Gi", "$(SIZE)"),
            ("{{ .Values.size }}", "{{ .Values.size }}"),
            ("<size>", "<size>"),
            ("__SIZE__", "__SIZE__"),
            ("@size@", "@size@"),
            ("$SIZE", "$SIZE"),
            ("REPLACE_ME", "REPLACE_ME"),
        ] {
            assert_eq!(placeholder(value), Some(expected), "{value}");
        }
        for value in ["", "yes", "1GiB", "true", "10 Gi", "{}", "<>", "${}", "$", "GB"] {
            assert_eq!(placeholder(value), None, "{value}");
        }
    }
}
