//! Splits a file into documents. Like kubectl, splits at every line that starts with `---`, even
//! inside a scalar (`YAMLReader` in `util/yaml/decoder.go` of apimachinery).

use std::ops::Range;

use memchr::memmem;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The text between two separators. kubectl passes it to its YAML parser as one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The byte range in the file, without a leading byte order mark.
    pub range: Range<usize>,
    /// The byte range of the separator before the chunk, if kubectl rejects that separator.
    pub bad_separator: Option<Range<usize>>,
}

/// Splits `text` into chunks, including empty ones. Returns at least one chunk.
pub fn split_documents(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut bad_separator = None;
    let first = text.starts_with("---").then_some(0);
    let others = memmem::find_iter(text.as_bytes(), "\n---").map(|newline| newline + 1);
    for separator in first.into_iter().chain(others) {
        let line_end = memchr::memchr(b'\n', &text.as_bytes()[separator..])
            .map_or(text.len(), |length| separator + length + 1);
        // There is no document before a separator at the start of the file.
        if separator > 0 {
            chunks.push(chunk(text, start..separator, bad_separator.take()));
        }
        let rest = text[separator + 3..line_end].trim();
        let is_bad = !rest.is_empty() && !rest.starts_with('#');
        bad_separator = is_bad.then(|| separator..separator + text[separator..line_end].trim_end().len());
        start = line_end;
    }
    chunks.push(chunk(text, start..text.len(), bad_separator));
    chunks
}

fn chunk(text: &str, mut range: Range<usize>, bad_separator: Option<Range<usize>>) -> Chunk {
    if text[range.clone()].starts_with(BYTE_ORDER_MARK) {
        range.start += BYTE_ORDER_MARK.len_utf8();
    }
    Chunk { range, bad_separator }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<&str> {
        split_documents(text).into_iter().map(|chunk| &text[chunk.range]).collect()
    }

    #[test]
    fn splits_at_lines_that_start_with_three_dashes() {
        assert_eq!(documents("a\n---\nb"), ["a\n", "b"]);
        assert_eq!(documents("---\na\n--- # c\nb\n---"), ["a\n", "b\n", ""]);
        assert_eq!(documents("a\r\n---\r\nb"), ["a\r\n", "b"]);
        assert_eq!(documents("a\n ---\nb"), ["a\n ---\nb"]);
        assert_eq!(documents("\u{FEFF}a\n---\n\u{FEFF}b"), ["a\n", "b"]);
        assert_eq!(documents(""), [""]);
    }

    #[test]
    fn reports_separators_that_kubectl_rejects() {
        let text = "a\n--- {a: b}\nb\n----\nc";
        let bad: Vec<_> =
            split_documents(text).into_iter().map(|chunk| chunk.bad_separator.map(|r| &text[r])).collect();
        assert_eq!(bad, [None, Some("--- {a: b}"), Some("----")]);
    }
}
