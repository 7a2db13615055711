//! Texts of users in messages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control and bidirectional characters escaped.
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
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escapes_what_would_hide_or_turn_a_message() {
        assert_eq!(printable("/var/log"), "/var/log");
        assert_eq!(printable("/a\n\u{1b}[2J\u{202e}b"), "/a\\n\\u{001B}[2J\\u{202E}b");
    }
}
