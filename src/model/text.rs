//! Text supplied by users: placeholders, characters that messages must escape, and misspelled
//! words.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The delimiters of placeholders of templating tools.
const DELIMITERS: [(&str, &str); 11] = [
    ("${{", "}}"),
    ("${", "}"),
    ("$(", ")"),
    ("{{", "}}"),
    ("#{", "}"),
    ("{", "}"),
    ("[[", "]]"),
    ("<", ">"),
    ("__", "__"),
    ("@", "@"),
    ("%%", "%%"),
];

/// Returns the first placeholder in a value, or `None` if there is none. A program replaces
/// placeholders before the manifest is applied. Examples are `${SIZE}`, `$(SIZE)`, `{{ size }}`,
/// `<SIZE>` and `__SIZE__`. A value of at least three characters that is only a name in capital
/// letters, such as `$SIZE` or `SIZE`, is also a placeholder.
pub fn placeholder(value: &str) -> Option<&str> {
    let delimited = DELIMITERS.iter().filter_map(|(open, close)| {
        let start = value.find(open)?;
        let inner = &value[start + open.len()..];
        let length = inner.find(close).filter(|length| *length > 0)?;
        Some((start, &value[start..start + open.len() + length + close.len()]))
    });
    let first = delimited.min_by_key(|(start, _)| *start);
    first.map(|(_, placeholder)| placeholder).or_else(|| is_capitalized(value).then_some(value))
}

/// Returns the first placeholder in a value as [`placeholder`] does, but ignores words in capital
/// letters without a `$`. They may be misspelled values, such as `MEMORY`.
pub fn marked_placeholder(value: &str) -> Option<&str> {
    placeholder(value).filter(|text| !text.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Checks whether a value is a word in capital letters, such as `REPLACE_ME` or `$SIZE`.
fn is_capitalized(value: &str) -> bool {
    let name = value.strip_prefix('$').unwrap_or(value);
    value.len() > 2
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The object that contains a host path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathOwner {
    /// An object of a manifest. Kubernetes takes `$(NAME)`, `${NAME}` and `$NAME` in a path
    /// literally. Any other placeholder shows that the manifest is a template.
    Manifest,
    /// An object in another object, or an object of a kind outside of Kubernetes. The program that
    /// creates Kubernetes objects from it may replace any part of the path.
    Template,
    /// An object whose name contains a variable, such as `$NAME`. The program that replaces this
    /// variable also replaces variables in the path.
    NamedByVariable,
}

/// Checks whether a host path is unknown because of a placeholder. In the paths of most objects,
/// this must be a placeholder at the start: `/srv/<NAME>` counts as known, because its directory is
/// known. For [`PathOwner::Template`], `{{`, `${` or `$(` can be anywhere in the path. For
/// [`PathOwner::NamedByVariable`], `{{` or `$` can be anywhere.
pub(super) fn is_unknown_path(path: &str, owner: PathOwner) -> bool {
    let first_name = path.split('/').next().unwrap_or_default();
    let start = placeholder(path).filter(|placeholder| path.starts_with(placeholder));
    let is_unknown = is_capitalized(first_name) && !first_name.starts_with('$')
        || start.is_some_and(|placeholder| !is_variable(placeholder));
    let contains = |starts: &[&str]| starts.iter().any(|start| path.contains(start));
    match owner {
        PathOwner::Manifest => is_unknown,
        PathOwner::Template => is_unknown || contains(&["{{", "${", "$("]),
        PathOwner::NamedByVariable => is_unknown || contains(&["{{", "$"]),
    }
}

/// Checks whether a placeholder is `$NAME`, `${NAME}` or `$(NAME)`, without a default value.
fn is_variable(placeholder: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "(){}_".contains(c);
    placeholder.strip_prefix('$').is_some_and(|name| !name.starts_with("{{") && name.chars().all(is_name))
}

/// Escapes control characters, line and paragraph separators, bidirectional and zero-width
/// characters, and the noncharacters U+FFFE and U+FFFF in `text`.
///
/// The API server accepts all of these characters in paths. kubectl prints denials unescaped. The
/// API server drops warnings that contain control characters.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if needs_escape(other) => {
                // Writing to a string can't fail.
                let _ = write!(out, "\\u{{{:04X}}}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}' | '\u{FFFE}'..='\u{FFFF}')
}

/// Returns the word in `known` that is closest to `word`, or `None` if `word` is unlikely to be a
/// misspelling of any of them.
pub fn similar<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 6))
        .min()
        .map(|(_, known)| known)
}

/// Returns the end of a message about an unknown word. It suggests a similar known word or, if
/// there is none, lists all known words.
pub fn did_you_mean<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    match similar(word, known.clone()) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => {
            let known: Vec<_> = known.map(|known| format!("`{known}`")).collect();
            match known.as_slice() {
                [others @ .., last] if !others.is_empty() => {
                    format!("; expected {} or {last}", others.join(", "))
                }
                known => format!("; expected {}", known.concat()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PathOwner, did_you_mean, is_unknown_path, placeholder, printable, similar};

    #[test]
    fn recognizes_placeholders() {
        for (value, expected) in [
            ("${REPLICAS}", "${REPLICAS}"),
            ("${SIZE:=1Gi}", "${SIZE:=1Gi}"),
            ("${{REPLICAS}}", "${{REPLICAS}}"),
            ("$(SIZE)Gi", "$(SIZE)"),
            ("{{ .Values.size }}", "{{ .Values.size }}"),
            ("{size}", "{size}"),
            ("#{size}#", "#{size}"),
            ("[[ size ]]", "[[ size ]]"),
            ("<size>", "<size>"),
            ("__SIZE__", "__SIZE__"),
            ("@size@", "@size@"),
            ("%%SIZE%%", "%%SIZE%%"),
            ("$SIZE", "$SIZE"),
            ("REPLACE_ME", "REPLACE_ME"),
            ("/<a>/{{b}}", "<a>"),
        ] {
            assert_eq!(placeholder(value), Some(expected), "{value}");
        }
        for value in ["", "yes", "1GiB", "true", "10 Gi", "{}", "<>", "${}", "$", "GB"] {
            assert_eq!(placeholder(value), None, "{value}");
        }
    }

    #[test]
    fn paths_with_a_known_directory_or_a_literal_variable_are_known() {
        let is_unknown =
            |path: &str| [PathOwner::Manifest, PathOwner::Template].map(|owner| is_unknown_path(path, owner));
        for path in [
            "__DIR__",
            "<Your HOST PATH>",
            "@DIR@/x",
            "%%DIR%%",
            "REPLACE_ME",
            "REPLACE_ME/x",
            "[[ dir ]]",
            "{{dir}}",
            "{dir}/x",
            "#{dir}#",
            "${DIR:=/srv}",
            "${DIR:-x}",
            "${{DIR}}",
            "{{ .Values.dir }}/x",
        ] {
            assert_eq!(is_unknown(path), [true, true], "{path}");
        }
        for path in ["$(DIR)", "${DIR}", "${DIR}/x", "/srv/${DIR}", "/srv/{{dir}}"] {
            assert_eq!(is_unknown(path), [false, true], "{path}");
        }
        for path in
            ["/srv/<x>", "/srv/{x}", "$DIR", "$HOME/x", "data", "./DIR", "Data", "<x", "@x", "{}", r"C:\DATA"]
        {
            assert_eq!(is_unknown(path), [false, false], "{path}");
        }
    }

    #[test]
    fn suggests_only_similar_words() {
        let words = || ["hostPaths", "rules", "exemptions"].into_iter();
        assert_eq!(similar("hostpaths", words()), Some("hostPaths"));
        assert_eq!(similar("exemption", words()), Some("exemptions"));
        assert_eq!(similar("modes", words()), None);
        assert_eq!(did_you_mean("rule", words()), "; did you mean `rules`?");
        assert_eq!(did_you_mean("x", words()), "; expected `hostPaths`, `rules` or `exemptions`");
        assert_eq!(did_you_mean("x", ["hostPaths"].into_iter()), "; expected `hostPaths`");
    }

    #[test]
    fn escapes_control_and_bidirectional_characters() {
        assert_eq!(printable("/var/log"), "/var/log");
        assert_eq!(printable("/a\n\u{1b}[2J\u{202e}b"), "/a\\n\\u{001B}[2J\\u{202E}b");
    }
}
