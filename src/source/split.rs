//! Where documents begin and end, by kubectl's rule: every line that starts with `---` cuts, whatever
//! stands around it (`YAMLReader` of apimachinery's `util/yaml/decoder.go`).

use std::ops::Range;

use memchr::memmem;

/// A part of a file that kubectl hands to its YAML parser at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes, a byte order mark left out.
    pub range: Range<usize>,
    /// The line `---…` before it, where that is one that kubectl refuses.
    pub bad_separator: Option<Range<usize>>,
}

/// The parts of `text`; at least one, and those without content too.
pub fn split(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut bad = None;
    let first = text.starts_with("---").then_some(0);
    let cuts = memmem::find_iter(text.as_bytes(), "\n---").map(|at| at + 1);
    for cut in first.into_iter().chain(cuts) {
        let end = memchr::memchr(b'\n', &text.as_bytes()[cut..]).map_or(text.len(), |at| cut + at + 1);
        // A file may begin with `---`: nothing stands before that.
        if cut > 0 {
            push(&mut chunks, text, start..cut, bad.take());
        }
        let rest = text[cut + 3..end].trim();
        bad =
            (!rest.is_empty() && !rest.starts_with('#')).then(|| cut..cut + text[cut..end].trim_end().len());
        start = end;
    }
    push(&mut chunks, text, start..text.len(), bad);
    chunks
}

fn push(chunks: &mut Vec<Chunk>, text: &str, mut range: Range<usize>, bad_separator: Option<Range<usize>>) {
    if text[range.clone()].starts_with('\u{FEFF}') {
        range.start += '\u{FEFF}'.len_utf8();
    }
    chunks.push(Chunk { range, bad_separator });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|chunk| &text[chunk.range]).collect()
    }

    #[test]
    fn cuts_at_lines_that_start_with_three_dashes() {
        assert_eq!(parts("a\n---\nb"), ["a\n", "b"]);
        assert_eq!(parts("---\na\n--- # c\nb\n---"), ["a\n", "b\n", ""]);
        assert_eq!(parts("a\r\n---\r\nb"), ["a\r\n", "b"]);
        assert_eq!(parts("a\n ---\nb"), ["a\n ---\nb"]);
        assert_eq!(parts("\u{FEFF}a\n---\n\u{FEFF}b"), ["a\n", "b"]);
        assert_eq!(parts(""), [""]);
    }

    #[test]
    fn names_separators_that_kubectl_refuses() {
        let text = "a\n--- {a: b}\nb\n----\nc";
        let bad: Vec<_> = split(text).into_iter().map(|c| c.bad_separator.map(|r| &text[r])).collect();
        assert_eq!(bad, [None, Some("--- {a: b}"), Some("----")]);
    }
}
