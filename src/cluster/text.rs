//! Text from other programs, for logs and Events.

/// Replaces control characters with spaces, and truncates the text to `max_len` bytes.
pub(super) fn bounded(text: &str, max_len: usize) -> String {
    const ELLIPSIS: char = '…';
    let chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut bounded = String::new();
    for c in chars {
        if bounded.len() + c.len_utf8() + ELLIPSIS.len_utf8() > max_len && text.len() > max_len {
            bounded.push(ELLIPSIS);
            break;
        }
        bounded.push(c);
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_and_has_no_control_characters() {
        assert_eq!(bounded("a\n\u{1b}[31mb", 20), "a  [31mb");
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(bounded("longer", 5), "lo…");
        for max_len in 3..20 {
            let text = bounded(&"é".repeat(20), max_len);
            assert!(text.len() <= max_len && text.ends_with('…'), "{text}");
        }
    }
}
