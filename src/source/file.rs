//! The text of a manifest.

use std::ops::Range;
use std::sync::OnceLock;

use super::position::{LineIndex, Position, Span, Utf16Position};

/// The maximum size of a file, in bytes. For comparison, etcd accepts requests of up to 1.5 MiB by
/// default, and the API server accepts requests of up to 3 MiB.
pub const MAX_FILE_BYTES: usize = 256 << 20;

/// A file that cannot be decoded as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TextError {
    pub kind: TextErrorKind,
    /// The location in the file. For a file that is too large or in UTF-16, this is line 1, column
    /// 1.
    pub position: Position,
}

/// The reason for a [`TextError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextErrorKind {
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("larger than {} MiB", MAX_FILE_BYTES >> 20)]
    TooLarge,
    /// A byte that is not valid UTF-8 at its position.
    #[error("not UTF-8: invalid byte 0x{0:02X}")]
    InvalidUtf8(u8),
    /// An odd number of bytes after a UTF-16 byte order mark.
    #[error("not UTF-16: odd number of bytes")]
    OddUtf16Length,
    /// A UTF-16 surrogate without its counterpart.
    #[error("not UTF-16: unpaired surrogate")]
    UnpairedSurrogate,
}

impl TextErrorKind {
    /// Returns the help text for a finding.
    pub fn help(self) -> &'static str {
        match self {
            Self::TooLarge => "split it into smaller files, such as one per namespace",
            Self::InvalidUtf8(_) | Self::OddUtf16Length | Self::UnpairedSurrogate => "save the file as UTF-8",
        }
    }
}

/// A decoded manifest.
#[derive(Debug)]
pub struct File {
    /// The path or name for display.
    pub path: String,
    text: String,
    lines: OnceLock<LineIndex>,
}

impl File {
    /// Decodes `bytes` as kubectl does: as UTF-16 if they start with a UTF-16 byte order mark, or
    /// else as UTF-8. Returns an error if the bytes are not valid text in this encoding, or if
    /// there are more bytes than [`MAX_FILE_BYTES`].
    ///
    /// All offsets refer to the text in UTF-8, even if the file is in UTF-16.
    pub fn decode(path: impl Into<String>, bytes: Vec<u8>) -> Result<Self, TextError> {
        let error = |kind, offset| TextError { kind, position: Position { line: 1, column: 1, offset } };
        if bytes.len() > MAX_FILE_BYTES {
            return Err(error(TextErrorKind::TooLarge, 0));
        }
        let utf16 = match bytes.as_slice() {
            [0xFF, 0xFE, rest @ ..] => Some(decode_utf16(rest, u16::from_le_bytes)),
            [0xFE, 0xFF, rest @ ..] => Some(decode_utf16(rest, u16::from_be_bytes)),
            _ => None,
        };
        let text = match utf16 {
            Some(decoded) => decoded.map_err(|(kind, offset)| error(kind, offset))?,
            None => String::from_utf8(bytes).map_err(|error| {
                let (valid, invalid) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
                let valid = std::str::from_utf8(valid).unwrap_or_default();
                TextError {
                    kind: TextErrorKind::InvalidUtf8(invalid.first().copied().unwrap_or_default()),
                    position: LineIndex::new(valid).position(valid, valid.len()),
                }
            })?,
        };
        Ok(Self { path: path.into(), text, lines: OnceLock::new() })
    }

    /// Returns the text. If the file is in UTF-8 and starts with a byte order mark, the text
    /// includes the mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn lines(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::new(&self.text))
    }

    /// Returns the number of the line that contains `offset`. The first line is 1.
    pub fn line(&self, offset: usize) -> usize {
        self.lines().line(offset)
    }

    /// Returns the byte range of the line `number` without its line break. The first line is 1. If
    /// there is no such line, returns an empty range at the end of the text.
    pub fn line_range(&self, number: usize) -> Range<usize> {
        self.lines().line_range(&self.text, number)
    }

    /// Returns the position of a byte for the Language Server Protocol.
    pub fn utf16_position(&self, offset: usize) -> Utf16Position {
        self.lines().utf16_position(&self.text, offset)
    }

    /// Returns the span of the byte range `range`, truncated at the end of its first line.
    pub fn span(&self, range: Range<usize>) -> Span {
        self.lines().span(&self.text, range)
    }
}

/// Decodes UTF-16 text without its byte order mark. An error includes an offset in the file. This
/// is the offset of the last byte if the number of bytes is odd, or the offset of the start of the
/// text if there is an unpaired surrogate.
fn decode_utf16(bytes: &[u8], to_unit: fn([u8; 2]) -> u16) -> Result<String, (TextErrorKind, usize)> {
    const MARK_LEN: usize = 2;
    if !bytes.len().is_multiple_of(2) {
        return Err((TextErrorKind::OddUtf16Length, MARK_LEN + bytes.len() - 1));
    }
    let units = bytes.chunks_exact(2).map(|pair| to_unit([pair[0], pair[1]]));
    let decoded: Result<String, _> = char::decode_utf16(units).collect();
    decoded.map_err(|_| (TextErrorKind::UnpairedSurrogate, MARK_LEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> TextError {
        File::decode("f", bytes.to_vec()).expect_err("not text")
    }

    #[test]
    fn rejects_files_over_the_size_limit() {
        let error = error(&vec![b' '; MAX_FILE_BYTES + 1]);
        assert_eq!(error.kind, TextErrorKind::TooLarge);
        assert_eq!(error.to_string(), "larger than 256 MiB");
    }

    #[test]
    fn decodes_utf16_in_both_byte_orders() {
        for (mark, to_bytes) in
            [([0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xFE, 0xFF], u16::to_be_bytes)]
        {
            let bytes = mark.into_iter().chain("aé".encode_utf16().flat_map(to_bytes)).collect();
            assert_eq!(File::decode("f", bytes).expect("text").text(), "aé");
        }
        assert_eq!(error(&[0xFF, 0xFE, 0x00]).kind, TextErrorKind::OddUtf16Length);
        assert_eq!(error(&[0xFF, 0xFE, 0x00, 0xD8]).kind, TextErrorKind::UnpairedSurrogate);
    }

    #[test]
    fn locates_invalid_utf8() {
        let position = |bytes: &[u8]| {
            let error = error(bytes);
            assert_eq!(error.kind, TextErrorKind::InvalidUtf8(0xE9));
            (error.position.offset, error.position.line, error.position.column)
        };
        assert_eq!(position(b"a\nb\xE9"), (3, 2, 2));
        assert_eq!(position(b"a\r\nb\xE9"), (4, 2, 2));
        // Lines and columns are counted as in valid UTF-8.
        assert_eq!(position(b"a\rb\xE9"), (3, 2, 2));
        assert_eq!(position(b"\xEF\xBB\xBFa\xE9"), (4, 1, 2));
    }
}
