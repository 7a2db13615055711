//! Texts of users in messages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control and bidirectional characters escaped, and with what is no character.
///
/// The API server accepts them in paths; kubectl prints a denial raw, and drops a warning that holds one.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            hidden if hides(hidden) => {
                // Writing to a string can't fail.
                let _ = write!(out, "\\u{{{:04X}}}", u32::from(hidden));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}' | '\u{FFFE}'..='\u{FFFF}')
}

/// The word of `known` that `word` may stand for: the nearest one, where that is near.
pub fn similar<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 6))
        .min()
        .map(|(_, known)| known)
}

/// What to say behind an unknown word: the one that is meant, else all that are known.
pub fn meant<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    match similar(word, known.clone()) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => {
            format!("; known are {}", known.map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{meant, printable, similar};

    #[test]
    fn guesses_what_is_near_alone() {
        let words = || ["hostPaths", "rules", "exemptions"].into_iter();
        assert_eq!(similar("hostpaths", words()), Some("hostPaths"));
        assert_eq!(similar("exemption", words()), Some("exemptions"));
        assert_eq!(similar("modes", words()), None);
        assert_eq!(meant("rule", words()), "; did you mean `rules`?");
        assert_eq!(meant("x", words()), "; known are `hostPaths`, `rules`, `exemptions`");
    }

    #[test]
    fn escapes_what_would_hide_or_turn_a_message() {
        assert_eq!(printable("/var/log"), "/var/log");
        assert_eq!(printable("/a\n\u{1b}[2J\u{202e}b"), "/a\\n\\u{001B}[2J\\u{202E}b");
    }
}
