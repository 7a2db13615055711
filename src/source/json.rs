//! JSON into the same tree as YAML: for JSON, libyaml is too strict about escapes.

use std::borrow::Cow;
use std::ops::Range;

use super::build::Builder;
use super::libyaml::Style;
use super::tree::{Tree, TreeError};

/// The values of the stream of JSON in the part `chunk` of `text`.
pub(super) fn parse(text: &str, chunk: Range<usize>) -> Result<Vec<Tree<'_>>, TreeError> {
    let mut reader = Reader { text, at: chunk.start, end: chunk.end };
    let mut trees = Vec::new();
    reader.blank();
    while reader.at < reader.end {
        // A stream may hold a hundred thousand values: no room is made for each that it may not need.
        let mut builder = Builder::with_room(text, reader.at..chunk.end, 0);
        reader.value(&mut builder)?;
        trees.push(builder.finish(reader.at)?);
        reader.blank();
    }
    Ok(trees)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error<T>(&self, message: &str) -> Result<T, TreeError> {
        Err(TreeError { message: message.to_owned(), span: self.at..self.at })
    }

    /// One value; nesting is bounded by the builder, so a loop over open collections isn't needed.
    fn value(&mut self, builder: &mut Builder<'t>) -> Result<(), TreeError> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.collection(builder, b'}'),
            Some(b'[') => self.collection(builder, b']'),
            Some(b'"') => self.string(builder),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(
                    self.peek(),
                    Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
                ) {
                    self.at += 1;
                }
                let literal = &self.text[start..self.at];
                if !matches!(literal, "true" | "false" | "null") && !is_number(literal.as_bytes()) {
                    self.at = start;
                    return self.error("not a JSON value");
                }
                builder.scalar(start..self.at, Cow::Borrowed(literal), Style::Plain);
                Ok(())
            }
            _ => self.error("expected a JSON value"),
        }
    }

    fn collection(&mut self, builder: &mut Builder<'t>, closing: u8) -> Result<(), TreeError> {
        builder.open(self.at..self.at + 1, closing == b'}')?;
        self.at += 1;
        self.blank();
        let mut first = true;
        while self.peek() != Some(closing) {
            if !first {
                if self.peek() != Some(b',') {
                    return self.error("expected a comma, or the end of the list or mapping");
                }
                self.at += 1;
                self.blank();
            }
            first = false;
            if closing == b'}' {
                self.string(builder)?;
                self.blank();
                if self.peek() != Some(b':') {
                    return self.error("expected `:`");
                }
                self.at += 1;
                self.blank();
            }
            self.value(builder)?;
            self.blank();
        }
        self.at += 1;
        builder.close(self.at)
    }

    fn string(&mut self, builder: &mut Builder<'t>) -> Result<(), TreeError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.error("expected a string");
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..0x20) => return self.error("control character in a string"),
                Some(_) => self.at += 1,
                None => return self.error("the string doesn't end"),
            }
        }
        self.at += 1;
        let value = if escaped {
            match serde_json::from_str::<String>(&self.text[start..self.at]) {
                Ok(value) => Cow::Owned(value),
                Err(_) => {
                    self.at = start;
                    return self.error("invalid escape in a string");
                }
            }
        } else {
            Cow::Borrowed(&self.text[start + 1..self.at - 1])
        };
        builder.scalar(start..self.at, value, Style::Quoted);
        Ok(())
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
fn is_number(text: &[u8]) -> bool {
    let digits = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(text.first() == Some(&b'-'));
    let mut at = digits(start);
    if at == start || (text[start] == b'0' && at > start + 1) {
        return false;
    }
    if text.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return false;
        }
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let exponent = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(exponent);
        if at == exponent {
            return false;
        }
    }
    at == text.len()
}
