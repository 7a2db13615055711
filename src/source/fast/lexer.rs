//! Lexical rules for both fast readers.

use memchr::memchr_iter;

/// The maximum length of a key, in bytes. libyaml rejects simple keys of more than 1024 bytes.
pub(super) const MAX_KEY_LEN: usize = 1000;

/// Removes a comment that follows a space, and trailing spaces, from the end of a line or a value.
pub(super) fn strip_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let comment = memchr_iter(b'#', bytes).find(|at| *at > 0 && bytes[at - 1] == b' ');
    line[..comment.unwrap_or(line.len())].trim_end_matches(' ')
}

/// Splits a line into a plain key and its value, which may be empty. Returns `None` if the line
/// does not start with a plain key, or when in doubt.
pub(super) fn split_entry(line: &str) -> Option<(&str, &str)> {
    let bytes = line.as_bytes();
    let length = word_len(line);
    let first = bytes.first()?;
    let is_key = (first.is_ascii_alphanumeric() || *first == b'_')
        && bytes.get(length) == Some(&b':')
        && matches!(bytes.get(length + 1), None | Some(b' '))
        && length <= MAX_KEY_LEN;
    is_key.then(|| (&line[..length], line[length + 1..].trim_start_matches(' ')))
}

/// Returns the length of the word at the start of `text`; 0 if there is no word.
pub(super) fn word_len(text: &str) -> usize {
    text.bytes().position(|byte| !is_word_byte(byte)).unwrap_or(text.len())
}

/// Returns the length of the word or glob at the start of `text`. A `*` that is not the first
/// character is an ordinary character in YAML.
pub(super) fn glob_len(text: &str) -> usize {
    text.bytes().position(|byte| !is_word_byte(byte) && byte != b'*').unwrap_or(text.len())
}

fn is_word_byte(byte: u8) -> bool {
    /// The result for each byte. Looking it up is faster than comparing the byte with ranges.
    const IS_WORD_BYTE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let value = byte as u8;
            table[byte] = value.is_ascii_alphanumeric() || matches!(value, b'_' | b'-' | b'.' | b'/');
            byte += 1;
        }
        table
    };
    IS_WORD_BYTE[usize::from(byte)]
}
