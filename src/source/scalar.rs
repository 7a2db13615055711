//! Plain scalars as kubectl reads them: YAML 1.1, by the rules of go-yaml's `resolve.go`.

use std::borrow::Cow;

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true`, `yes`, `on`, `y` and the like.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above what `Int` holds.
    Uint(u64),
    /// Any other number; infinities and NaN included, which JSON has no form for.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
}

/// What the plain scalar `text` means when it has no tag.
pub fn resolve(text: &str) -> Scalar<'_> {
    let as_text = || Scalar::Str(Cow::Borrowed(text));
    let Some(&first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text).unwrap_or_else(as_text),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            word(text).unwrap_or_else(as_text)
        }
        _ => as_text(),
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
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
    // A date is a time stamp to go-yaml, and reaches JSON as the text that it was.
    let plain: Cow<'_, str> =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    integer(&plain).or_else(|| float(&plain))
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, then go-yaml's own prefixes.
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

/// go-yaml's `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn float(text: &str) -> Option<Scalar<'static>> {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(start);
    let mut at = whole;
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
        if whole == start && at == whole + 1 {
            return None;
        }
    } else if whole == start {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(sign);
        if at == sign {
            return None;
        }
    }
    if at != bytes.len() {
        return None;
    }
    text.parse().ok().map(Scalar::Float)
}

/// What a scalar with an explicit `tag` means, or why kubectl refuses it.
///
/// `plain` is its meaning without the tag; unknown tags are ignored, as go-yaml does.
pub(super) fn tagged<'a>(tag: &str, text: &'a str, plain: Scalar<'a>) -> Result<Scalar<'a>, String> {
    let short = tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag);
    let refuse = || Err(format!("`{text}` can't be read as `!!{short}`"));
    match short {
        "str" => Ok(Scalar::Str(Cow::Borrowed(text))),
        "binary" => match base64(text).map(String::from_utf8) {
            Some(Ok(decoded)) => Ok(Scalar::Str(Cow::Owned(decoded))),
            _ => refuse(),
        },
        "int" => match resolve(text) {
            number @ (Scalar::Int(_) | Scalar::Uint(_)) => Ok(number),
            _ => refuse(),
        },
        "float" => match resolve(text) {
            Scalar::Int(value) => Ok(Scalar::Float(value as f64)),
            Scalar::Uint(value) => Ok(Scalar::Float(value as f64)),
            number @ Scalar::Float(_) => Ok(number),
            _ => refuse(),
        },
        "bool" => match resolve(text) {
            value @ Scalar::Bool(_) => Ok(value),
            _ => refuse(),
        },
        "null" => match resolve(text) {
            Scalar::Null => Ok(Scalar::Null),
            _ => refuse(),
        },
        _ => Ok(plain),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
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
