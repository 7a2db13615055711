//! The values of scalars as kubectl reads them. kubectl follows YAML 1.1, with the rules in
//! `resolve.go` of go-yaml.

use std::borrow::Cow;

/// The notation of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarStyle {
    /// Without quotes. The value may be a string, a boolean, a number or null.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A block scalar, `|` or `>`.
    Block,
}

/// The value of a scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, `Null`, `NULL`, `~`, or no text.
    Null,
    /// A boolean, such as `true`, `yes`, `on` or `y`.
    Bool(bool),
    Int(i64),
    /// An integer that is too large for `Int`.
    Uint(u64),
    /// Any other number, including infinities and NaN, which JSON cannot represent.
    Float(f64),
    Str(Cow<'a, str>),
}

/// A scalar whose text does not match its explicit tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid `!!{tag}`")]
pub struct TagError {
    text: String,
    tag: String,
}

/// Checks whether a plain scalar that has no tag is null.
pub(super) fn is_plain_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Returns the value of a plain scalar that has no tag.
pub(super) fn resolve_plain(text: &str) -> Scalar<'_> {
    let as_string = || Scalar::Str(Cow::Borrowed(text));
    let Some(&first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text).unwrap_or_else(as_string),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            keyword(text).unwrap_or_else(as_string)
        }
        _ => as_string(),
    }
}

fn keyword(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        _ if is_plain_null(text) => Scalar::Null,
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Scalar::Float(f64::NAN)),
        _ => {}
    }
    // go-yaml reads dates as timestamps, but converts them back to the original text for JSON.
    // Dates are therefore strings here.
    let digits: Cow<'_, str> =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    integer(&digits).or_else(|| float(&digits))
}

/// Parses an integer as go-yaml does: `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, then the
/// binary and octal prefixes.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    Some(i64::try_from(magnitude).map_or(Scalar::Uint(magnitude), Scalar::Int))
}

/// Parses a number that matches go-yaml's `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn float(text: &str) -> Option<Scalar<'static>> {
    let bytes = text.as_bytes();
    let skip_digits = |mut index: usize| {
        while bytes.get(index).is_some_and(u8::is_ascii_digit) {
            index += 1;
        }
        index
    };
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let point = skip_digits(start);
    let mut end = point;
    if bytes.get(point) == Some(&b'.') {
        end = skip_digits(point + 1);
        if point == start && end == point + 1 {
            return None;
        }
    } else if point == start {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = skip_digits(exponent);
        if end == exponent {
            return None;
        }
    }
    if end != bytes.len() {
        return None;
    }
    // Go's `ParseFloat` rejects numbers that are out of range, so go-yaml reads them as strings.
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Scalar::Float)
}

/// Returns the value of a scalar with an explicit tag, or an error if kubectl rejects it.
///
/// `untagged` is the value that the scalar would have without the tag. Unknown tags are ignored, as
/// in go-yaml.
pub(super) fn resolve_tagged<'a>(
    tag: &str,
    text: &'a str,
    untagged: Scalar<'a>,
) -> Result<Scalar<'a>, TagError> {
    let tag = tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag);
    let reject = || Err(TagError { text: text.to_owned(), tag: tag.to_owned() });
    match tag {
        "str" => Ok(Scalar::Str(Cow::Borrowed(text))),
        "binary" => match decode_base64(text).map(String::from_utf8) {
            Some(Ok(decoded)) => Ok(Scalar::Str(Cow::Owned(decoded))),
            _ => reject(),
        },
        "int" => match resolve_plain(text) {
            number @ (Scalar::Int(_) | Scalar::Uint(_)) => Ok(number),
            _ => reject(),
        },
        "float" => match resolve_plain(text) {
            Scalar::Int(value) => Ok(Scalar::Float(value as f64)),
            Scalar::Uint(value) => Ok(Scalar::Float(value as f64)),
            number @ Scalar::Float(_) => Ok(number),
            _ => reject(),
        },
        "bool" => match resolve_plain(text) {
            value @ Scalar::Bool(_) => Ok(value),
            _ => reject(),
        },
        "null" => match resolve_plain(text) {
            Scalar::Null => Ok(Scalar::Null),
            _ => reject(),
        },
        _ => Ok(untagged),
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count, mut padding) = (0u32, 0u32, 0usize);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    (padding <= 2 && count < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_floats_out_of_range_as_strings() {
        assert_eq!(resolve_plain("1e308"), Scalar::Float(1e308));
        assert_eq!(resolve_plain("1e400"), Scalar::Str("1e400".into()));
        assert_eq!(resolve_plain("-1e400"), Scalar::Str("-1e400".into()));
        assert_eq!(resolve_plain("1e-400"), Scalar::Float(0.0));
        assert_eq!(resolve_plain(".inf"), Scalar::Float(f64::INFINITY));
    }

    #[test]
    fn rejects_text_that_does_not_match_its_tag() {
        let error =
            resolve_tagged("tag:yaml.org,2002:int", "a", resolve_plain("a")).expect_err("a tag error");
        assert_eq!(error.to_string(), "`a` is not a valid `!!int`");
    }
}
