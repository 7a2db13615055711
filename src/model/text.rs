//! Text supplied by users, prepared for messages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Checks whether a text contains a placeholder of a templating tool: `{{…}}`, `${…}` or `$(…)`.
pub(super) fn has_placeholder(text: &str) -> bool {
    ["{{", "${", "$("].iter().any(|start| text.contains(start))
}

/// Escapes control characters, bidirectional and zero-width characters, and noncharacters in
/// `text`.
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

/// Returns the end of a message about an unknown word: a suggestion if a known word is similar, or
/// the list of all known words.
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
    use super::{did_you_mean, printable, similar};

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
