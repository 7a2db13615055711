//! A manifest's text, and the lines and columns of its bytes.

use std::ops::Range;
use std::sync::OnceLock;

/// Larger files are refused: etcd stores objects of 1.5 MB, and kubectl sends 3 MB at most.
pub const MAX_FILE_BYTES: usize = 256 << 20;

/// A place in a text, as people count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In Unicode code points, from 1.
    pub column: usize,
    /// In bytes, from 0.
    pub offset: usize,
}

/// A part of one line; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// Behind the last character.
    pub end: Position,
}

/// Why bytes are not a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    /// What is wrong, in one clause.
    pub message: String,
    /// What to do.
    pub help: &'static str,
    /// Where, in bytes of the file.
    pub at: usize,
    /// The same, in lines from 1.
    pub line: usize,
    /// The same, in characters of that line from 1.
    pub column: usize,
}

const ENCODE: &str = "save it as UTF-8";

/// A manifest: its name, as given by whoever asked, and its text.
#[derive(Debug)]
pub struct File {
    /// The path, as it is shown.
    pub path: String,
    text: String,
    lines: OnceLock<Vec<usize>>,
    /// How many characters stand before each block of bytes.
    blocks: OnceLock<Vec<usize>>,
}

impl File {
    /// The text of `bytes`: UTF-8, or UTF-16 with a byte order mark, as kubectl reads it.
    ///
    /// Places in a file of UTF-16 are those of the same text in UTF-8.
    pub fn decode(path: impl Into<String>, bytes: Vec<u8>) -> Result<Self, TextError> {
        if bytes.len() > MAX_FILE_BYTES {
            let message = format!("larger than {} MiB", MAX_FILE_BYTES >> 20);
            let help = "give it in several parts; of a cluster, namespace by namespace";
            return Err(TextError { message, help, at: 0, line: 1, column: 1 });
        }
        let text = match bytes.as_slice() {
            [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
            [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
            _ => String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..at];
                let line = 1 + memchr::memchr_iter(b'\n', before).count();
                let column =
                    1 + characters(&before[memchr::memrchr(b'\n', before).map_or(0, |end| end + 1)..]);
                let message = format!("not UTF-8: byte 0x{:02X} at {at}", error.as_bytes()[at]);
                TextError { message, help: ENCODE, at, line, column }
            })?,
        };
        Ok(Self { path: path.into(), text, lines: OnceLock::new(), blocks: OnceLock::new() })
    }

    /// The text, a byte order mark included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where each line begins: after `\n`, `\r\n` or a lone `\r`.
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let ends = memchr::memchr2_iter(b'\n', b'\r', bytes)
                .filter(|&at| !(bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n')))
                .map(|at| at + 1);
            std::iter::once(0).chain(ends).collect()
        })
    }

    /// The line, from 1, that the byte `offset` stands in.
    pub fn line(&self, offset: usize) -> usize {
        self.lines().partition_point(|start| *start <= offset)
    }

    /// The bytes of the line `number`, from 1, without its end.
    pub fn line_range(&self, number: usize) -> Range<usize> {
        let lines = self.lines();
        let start = lines.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = lines.get(number).copied().unwrap_or(self.text.len());
        let line = &self.text[start..end];
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let start = self.lines()[line - 1];
        let mark = if start == 0 && self.text.starts_with('\u{FEFF}') { 1 } else { 0 };
        let column = self.characters(start..offset) - mark.min(offset - start) + 1;
        Position { line, column, offset }
    }

    /// How many characters the bytes `range` hold. A line may be megabytes long, with thousands of findings.
    fn characters(&self, range: Range<usize>) -> usize {
        const BLOCK: usize = 1024;
        let bytes = self.text.as_bytes();
        if range.len() <= 2 * BLOCK {
            return characters(&bytes[range]);
        }
        let blocks = self.blocks.get_or_init(|| {
            let before = bytes.chunks(BLOCK).scan(0, |sum, block| {
                *sum += characters(block);
                Some(*sum)
            });
            std::iter::once(0).chain(before).collect()
        });
        let before = |at: usize| blocks[at / BLOCK] + characters(&bytes[at / BLOCK * BLOCK..at]);
        before(range.end) - before(range.start)
    }

    /// The span of the bytes `range`, cut at the end of its first line.
    pub fn span(&self, range: Range<usize>) -> Span {
        let clamp = |at: usize| {
            let at = at.min(self.text.len());
            (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
        };
        let start = clamp(range.start);
        let line_end = self.line_range(self.line(start)).end.max(start);
        let end = clamp(range.end).clamp(start, line_end);
        Span { start: self.position(start), end: self.position(end) }
    }
}

/// How many characters begin in a piece of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let error = |message: &str, at| {
        Err(TextError { message: message.to_owned(), help: ENCODE, at, line: 1, column: 1 })
    };
    if !bytes.len().is_multiple_of(2) {
        return error("not UTF-16: half a unit at the end", bytes.len() + 1);
    }
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let decoded: Result<String, _> = char::decode_utf16(units).collect();
    decoded.or_else(|_| error("not UTF-16: a surrogate without its other half", 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, range: Range<usize>) -> (usize, usize, usize) {
        let file = File::decode("f", text.as_bytes().to_vec()).expect("text");
        let span = file.span(range);
        (span.start.line, span.start.column, span.end.column)
    }

    #[test]
    fn what_is_too_large_is_to_be_parted() {
        let error = File::decode("f", vec![b' '; MAX_FILE_BYTES + 1]).expect_err("too large");
        assert!(error.message.contains("256 MiB") && error.help.contains("several parts"), "{error:?}");
    }

    #[test]
    fn counts_lines_of_every_kind_and_columns_in_code_points() {
        assert_eq!(span("ab\ncd", 3..5), (2, 1, 3));
        assert_eq!(span("ab\r\ncd", 4..6), (2, 1, 3));
        assert_eq!(span("ab\rcd", 3..5), (2, 1, 3));
        assert_eq!(span("é: ü", 4..6), (1, 4, 5));
        assert_eq!(span("\u{FEFF}ab", 3..5), (1, 1, 3));
        let long = "é".repeat(5000) + "ab";
        assert_eq!(span(&long, 10_000..10_002), (1, 5001, 5003));
    }

    #[test]
    fn cuts_a_span_at_the_end_of_its_line() {
        assert_eq!(span("ab\ncd", 0..5), (1, 1, 3));
        assert_eq!(span("ab\r\ncd", 1..6), (1, 2, 3));
        assert_eq!(span("ab", 2..9), (1, 3, 3));
    }

    #[test]
    fn reads_utf_16_in_both_orders_and_names_the_place_of_what_is_neither() {
        let little: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain("aé".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(File::decode("f", little).expect("text").text(), "aé");
        let big: Vec<u8> =
            [0xFE, 0xFF].into_iter().chain("aé".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        assert_eq!(File::decode("f", big).expect("text").text(), "aé");
        let error = File::decode("f", b"a\nb\xE9".to_vec()).expect_err("Latin-1");
        assert_eq!((error.at, error.line, error.column), (3, 2, 2));
        assert!(File::decode("f", vec![0xFF, 0xFE, 0x00]).is_err());
    }
}
