//! Lines and columns of byte offsets.
//!
//! The rest of the crate uses byte offsets. Only this file converts an offset to a line and a
//! column. Columns are in code points for reports, and in UTF-16 code units for the Language Server
//! Protocol.
//!
//! A line ends with `\n`, `\r\n` or a lone `\r`. A byte order mark at the start of the text does
//! not count as a column. An offset inside a character is rounded down to the start of the
//! character. An offset past the end of the text is rounded down to the end.

use std::ops::{Add, Range, Sub};
use std::sync::OnceLock;

/// A location in a text, as shown in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in Unicode code points, from 1.
    pub column: usize,
    /// The offset in bytes, from 0.
    pub offset: usize,
}

/// A location in a text, in the default form of the Language Server Protocol (`Position` with the
/// position encoding `utf-16`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf16Position {
    /// The line, from 0.
    pub line: usize,
    /// The offset within the line in UTF-16 code units, from 0.
    pub character: usize,
}

/// A part of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The position of the first character.
    pub start: Position,
    /// The position after the last character.
    pub end: Position,
}

/// The character counts of a part of a text.
#[derive(Clone, Copy, Debug, Default)]
struct CharCount {
    code_points: usize,
    /// The number of characters outside the Basic Multilingual Plane, which have two code units in
    /// UTF-16 and four bytes in UTF-8.
    supplementary: usize,
}

impl CharCount {
    /// Counts the characters that start in `bytes`, a part of UTF-8 text.
    fn of(bytes: &[u8]) -> Self {
        Self {
            code_points: bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count(),
            supplementary: bytes.iter().filter(|byte| **byte >= 0xF0).count(),
        }
    }

    fn utf16_units(self) -> usize {
        self.code_points + self.supplementary
    }
}

impl Add for CharCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            code_points: self.code_points + other.code_points,
            supplementary: self.supplementary + other.supplementary,
        }
    }
}

impl Sub for CharCount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            code_points: self.code_points - other.code_points,
            supplementary: self.supplementary - other.supplementary,
        }
    }
}

/// An index of the lines of a text. Every method must be called with the text that the index was
/// built for.
#[derive(Debug)]
pub(super) struct LineIndex {
    /// The offset of the first byte of each line.
    starts: Vec<usize>,
    /// The character counts before each block of [`BLOCK_LEN`] bytes. They are computed only if a
    /// position on a long line is needed.
    blocks: OnceLock<Vec<CharCount>>,
}

/// The length of a block, in bytes. Characters are counted by block, because a line may be
/// megabytes long and have thousands of findings.
const BLOCK_LEN: usize = 1024;

impl LineIndex {
    pub(super) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        if memchr::memchr(b'\r', bytes).is_none() {
            starts.extend(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1));
        } else {
            let is_crlf = |at: &usize| bytes[*at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
            let ends = memchr::memchr2_iter(b'\n', b'\r', bytes).filter(|at| !is_crlf(at));
            starts.extend(ends.map(|at| at + 1));
        }
        Self { starts, blocks: OnceLock::new() }
    }

    /// Returns the number of the line that contains `offset`. The first line is 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Returns the byte range of the line `number` without its line break. The first line is 1. If
    /// there is no such line, returns an empty range at the end of the text.
    pub(super) fn line_range(&self, text: &str, number: usize) -> Range<usize> {
        let start = self.starts.get(number.saturating_sub(1)).copied().unwrap_or(text.len());
        let end = self.starts.get(number).copied().unwrap_or(text.len());
        let line = &text[start..end];
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }

    pub(super) fn position(&self, text: &str, offset: usize) -> Position {
        let offset = text.floor_char_boundary(offset);
        let (line, before) = self.line_and_count(text, offset);
        Position { line, column: before.code_points + 1, offset }
    }

    pub(super) fn utf16_position(&self, text: &str, offset: usize) -> Utf16Position {
        let (line, before) = self.line_and_count(text, text.floor_char_boundary(offset));
        Utf16Position { line: line - 1, character: before.utf16_units() }
    }

    /// Returns the span of the byte range `range`, truncated at the end of its first line.
    pub(super) fn span(&self, text: &str, range: Range<usize>) -> Span {
        let start = text.floor_char_boundary(range.start);
        let line_end = self.line_range(text, self.line(start)).end.max(start);
        let end = text.floor_char_boundary(range.end).clamp(start, line_end);
        Span { start: self.position(text, start), end: self.position(text, end) }
    }

    /// Returns the number of the line that contains `offset`, and the character counts before
    /// `offset` on that line.
    fn line_and_count(&self, text: &str, offset: usize) -> (usize, CharCount) {
        let line = self.line(offset);
        let mut start = self.starts[line - 1];
        if start == 0 && text.starts_with('\u{FEFF}') {
            start = '\u{FEFF}'.len_utf8().min(offset);
        }
        (line, self.count(text.as_bytes(), start..offset))
    }

    fn count(&self, bytes: &[u8], range: Range<usize>) -> CharCount {
        if range.len() <= 2 * BLOCK_LEN {
            return CharCount::of(&bytes[range]);
        }
        let blocks = self.blocks.get_or_init(|| {
            let sums = bytes.chunks(BLOCK_LEN).scan(CharCount::default(), |sum, block| {
                *sum = *sum + CharCount::of(block);
                Some(*sum)
            });
            std::iter::once(CharCount::default()).chain(sums).collect()
        });
        let before = |offset: usize| {
            let block = offset / BLOCK_LEN;
            blocks[block] + CharCount::of(&bytes[block * BLOCK_LEN..offset])
        };
        before(range.end) - before(range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the line and the column of an offset twice: in code points from 1, and in UTF-16
    /// code units from 0.
    fn positions(text: &str, offset: usize) -> [(usize, usize); 2] {
        let lines = LineIndex::new(text);
        let (position, utf16) = (lines.position(text, offset), lines.utf16_position(text, offset));
        [(position.line, position.column), (utf16.line, utf16.character)]
    }

    fn span(text: &str, range: Range<usize>) -> (usize, usize, usize) {
        let span = LineIndex::new(text).span(text, range);
        (span.start.line, span.start.column, span.end.column)
    }

    #[test]
    fn counts_code_points_and_utf16_code_units() {
        // é has two bytes, 🦀 four bytes and two UTF-16 code units.
        let text = "a: é🦀b";
        assert_eq!(positions(text, 0), [(1, 1), (0, 0)]);
        assert_eq!(positions(text, 3), [(1, 4), (0, 3)]);
        assert_eq!(positions(text, 5), [(1, 5), (0, 4)]);
        assert_eq!(positions(text, 9), [(1, 6), (0, 6)]);
    }

    #[test]
    fn rounds_down_inside_a_character() {
        let text = "é🦀b";
        assert_eq!(positions(text, 1), positions(text, 0));
        for inside in 3..6 {
            assert_eq!(positions(text, inside), positions(text, 2));
        }
        let lines = LineIndex::new(text);
        assert_eq!(lines.position(text, 5).offset, 2);
    }

    #[test]
    fn ends_lines_at_every_kind_of_line_break() {
        for (text, offset) in [("ab\ncd", 4), ("ab\rcd", 4), ("ab\r\ncd", 5)] {
            assert_eq!(positions(text, offset), [(2, 2), (1, 1)], "{text:?}");
        }
        // The line break belongs to the line that it ends.
        assert_eq!(positions("ab\r\ncd", 2), [(1, 3), (0, 2)]);
        assert_eq!(positions("ab\r\ncd", 3), [(1, 4), (0, 3)]);
    }

    #[test]
    fn counts_a_tab_as_one_column() {
        assert_eq!(positions("\ta:\tb", 4), [(1, 5), (0, 4)]);
    }

    #[test]
    fn does_not_count_the_byte_order_mark_as_a_column() {
        let text = "\u{FEFF}ab\n\u{FEFF}c";
        for offset in 0..=3 {
            assert_eq!(positions(text, offset), [(1, 1), (0, 0)], "{offset}");
        }
        assert_eq!(positions(text, 4), [(1, 2), (0, 1)]);
        // Elsewhere, U+FEFF is a character.
        assert_eq!(positions(text, 9), [(2, 2), (1, 1)]);
    }

    #[test]
    fn accepts_offsets_at_and_past_the_end() {
        for offset in [3, 4, usize::MAX] {
            assert_eq!(positions("a\nb", offset), [(2, 2), (1, 1)]);
            assert_eq!(positions("ab\n", offset), [(2, 1), (1, 0)]);
        }
        assert_eq!(positions("", 0), [(1, 1), (0, 0)]);
        assert_eq!(positions("", 7), [(1, 1), (0, 0)]);
    }

    #[test]
    fn counts_long_lines_by_block() {
        for (character, size, units) in [("a", 1, 1), ("é", 2, 1), ("🦀", 4, 2)] {
            let text = character.repeat(5000) + "b";
            assert_eq!(positions(&text, 5000 * size), [(1, 5001), (0, 5000 * units)]);
            assert_eq!(positions(&text, 4321 * size), [(1, 4322), (0, 4321 * units)]);
        }
        let marked = "\u{FEFF}".to_owned() + &"é".repeat(5000);
        assert_eq!(positions(&marked, 10_003), [(1, 5001), (0, 5000)]);
    }

    #[test]
    fn truncates_spans_at_the_end_of_the_first_line() {
        assert_eq!(span("ab\ncd", 0..5), (1, 1, 3));
        assert_eq!(span("ab\r\ncd", 1..6), (1, 2, 3));
        assert_eq!(span("ab\ncd", 3..5), (2, 1, 3));
        assert_eq!(span("ab", 2..9), (1, 3, 3));
        assert_eq!(span("é: ü", 4..6), (1, 4, 5));
    }

    #[test]
    fn excludes_line_breaks_from_line_ranges() {
        let text = "ab\r\ncd\r";
        let lines = LineIndex::new(text);
        let line = |number| lines.line_range(text, number);
        assert_eq!([line(1), line(2), line(3), line(9)], [0..2, 4..6, 7..7, 7..7]);
    }
}
