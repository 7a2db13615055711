//! A parser for JSON streams. It builds the same trees as the YAML parsers. libyaml cannot parse
//! all JSON, because it rejects some escapes.

use std::borrow::Cow;
use std::ops::Range;

use super::builder::TreeBuilder;
use super::error::{ParseError, ParseErrorKind};
use super::scalar::ScalarStyle;
use super::tree::Tree;

/// Parses the byte range `chunk` of `text` as a stream of JSON values.
pub(super) fn parse(text: &str, chunk: Range<usize>) -> Result<Vec<Tree<'_>>, ParseError> {
    let mut parser = JsonParser { text, offset: chunk.start, end: chunk.end };
    let mut trees = Vec::new();
    parser.skip_whitespace();
    while parser.offset < parser.end {
        // Do not reserve memory, because a stream may contain a hundred thousand small values.
        let mut builder = TreeBuilder::new(text, 0);
        parser.value(&mut builder)?;
        trees.push(builder.finish(parser.offset)?);
        parser.skip_whitespace();
    }
    Ok(trees)
}

struct JsonParser<'t> {
    text: &'t str,
    /// The offset of the next byte.
    offset: usize,
    end: usize,
}

impl<'t> JsonParser<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.offset).copied()
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.offset += 1;
        }
    }

    fn error<T>(&self, offset: usize, message: &'static str) -> Result<T, ParseError> {
        Err(ParseErrorKind::Json(message).at(offset..offset))
    }

    /// Parses one value. The builder limits the nesting, which also limits the recursion.
    fn value(&mut self, builder: &mut TreeBuilder<'t>) -> Result<(), ParseError> {
        let start = self.offset;
        match self.peek() {
            Some(b'{') => self.collection(builder, b'}'),
            Some(b'[') => self.collection(builder, b']'),
            Some(b'"') => self.string(builder),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(
                    self.peek(),
                    Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
                ) {
                    self.offset += 1;
                }
                let literal = &self.text[start..self.offset];
                if !matches!(literal, "true" | "false" | "null") && !is_number(literal.as_bytes()) {
                    return self.error(start, "invalid JSON value");
                }
                builder.scalar(start..self.offset, Cow::Borrowed(literal), ScalarStyle::Plain, None);
                Ok(())
            }
            _ => self.error(start, "expected a JSON value"),
        }
    }

    fn collection(&mut self, builder: &mut TreeBuilder<'t>, closing: u8) -> Result<(), ParseError> {
        let is_object = closing == b'}';
        builder.open(self.offset..self.offset + 1, is_object)?;
        self.offset += 1;
        self.skip_whitespace();
        let mut is_first = true;
        while self.peek() != Some(closing) {
            if !is_first {
                if self.peek() != Some(b',') {
                    let expected = if is_object { "expected `,` or `}`" } else { "expected `,` or `]`" };
                    return self.error(self.offset, expected);
                }
                self.offset += 1;
                self.skip_whitespace();
            }
            is_first = false;
            if is_object {
                self.string(builder)?;
                self.skip_whitespace();
                if self.peek() != Some(b':') {
                    return self.error(self.offset, "expected `:`");
                }
                self.offset += 1;
                self.skip_whitespace();
            }
            self.value(builder)?;
            self.skip_whitespace();
        }
        self.offset += 1;
        builder.close(self.offset)
    }

    fn string(&mut self, builder: &mut TreeBuilder<'t>) -> Result<(), ParseError> {
        let start = self.offset;
        if self.peek() != Some(b'"') {
            return self.error(start, "expected a string");
        }
        self.offset += 1;
        let mut has_escapes = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.offset += 2;
                }
                Some(0..0x20) => return self.error(self.offset, "control character in a string"),
                Some(_) => self.offset += 1,
                None => return self.error(start, "unterminated string"),
            }
        }
        self.offset += 1;
        let value = if has_escapes {
            match serde_json::from_str::<String>(&self.text[start..self.offset]) {
                Ok(value) => Cow::Owned(value),
                Err(_) => return self.error(start, "invalid escape in a string"),
            }
        } else {
            Cow::Borrowed(&self.text[start + 1..self.offset - 1])
        };
        builder.scalar(start..self.offset, value, ScalarStyle::Quoted, None);
        Ok(())
    }
}

/// Checks whether `text` matches `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`.
fn is_number(text: &[u8]) -> bool {
    let skip_digits =
        |start: usize| start + text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let integer = usize::from(text.first() == Some(&b'-'));
    let mut end = skip_digits(integer);
    if end == integer || (text[integer] == b'0' && end > integer + 1) {
        return false;
    }
    if text.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = skip_digits(fraction);
        if end == fraction {
            return false;
        }
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = skip_digits(exponent);
        if end == exponent {
            return false;
        }
    }
    end == text.len()
}

#[cfg(test)]
mod tests {
    use super::super::tree::MAX_DEPTH;
    use super::super::yaml;
    use super::*;

    #[test]
    fn limits_nesting_like_yaml() {
        let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
        let deepest = nested(MAX_DEPTH);
        assert!(parse(&deepest, 0..deepest.len()).is_ok());
        assert!(yaml::parse(&deepest, 0..deepest.len()).is_ok());
        let deeper = nested(MAX_DEPTH + 1);
        for error in [parse(&deeper, 0..deeper.len()).err(), yaml::parse(&deeper, 0..deeper.len()).err()] {
            assert_eq!(error, Some(ParseErrorKind::TooDeep.at(MAX_DEPTH..MAX_DEPTH + 1)));
        }
    }
}
