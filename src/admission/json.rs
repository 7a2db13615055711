//! JSON input for the model.

use std::fmt::{self, Write as _};

use serde::de::DeserializeSeed;

use crate::model::{Decode, FieldError, FieldPath, Segment};

/// The text of a JSON value. Each decoding parses the text directly into the requested type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Wraps the text of a JSON value without validating it.
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns true if the value is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0.trim() == "null"
    }
}

impl<'a> Decode<'a> for Json<'a> {
    fn decode_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, FieldError> {
        decode_json(self.0, seed).map_err(|error| field_error(self.0, &error))
    }
}

/// Converts an error about the JSON value `text`. Replaces its position with the path of the field.
pub(super) fn field_error(text: &str, error: &serde_json::Error) -> FieldError {
    FieldError::new(path_at(text, offset_of(error, text)), message_of(error))
}

/// Returns the message of an error without its position, or the start of a long message.
pub(super) fn message_of(error: &serde_json::Error) -> String {
    let mut message = start_of(error);
    let position = format!(" at line {} column {}", error.line(), error.column());
    if message.ends_with(&position) {
        message.truncate(message.len() - position.len());
    }
    message
}

/// The maximum length of the message of an error, in characters.
const MAX_MESSAGE_LEN: usize = 1000;

/// Returns the message of an error, or the start of a long message. An error about a string of the
/// wrong type contains the whole string, which must not be copied.
fn start_of(error: &serde_json::Error) -> String {
    struct Start(String);
    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend(text.chars().take(MAX_MESSAGE_LEN.saturating_sub(self.0.len())));
            Ok(())
        }
    }
    let mut start = Start(String::new());
    // Writing to a string never fails.
    let _ = write!(start, "{error}");
    start.0
}

/// The maximum number of segments in the path of an error. Kubernetes objects are less deep.
const MAX_SEGMENTS: usize = 64;

/// The maximum length of a key in the path of an error, in characters.
const MAX_KEY_LEN: usize = 64;

/// Returns the byte offset at which an error occurred in `text`. For an error about a list item,
/// serde_json reports a position after the comma that follows the item. This function returns the
/// offset before this comma.
fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    let start = match error.line() {
        0 | 1 => 0,
        line => text.match_indices('\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
    };
    let read = text.get(..start + error.column()).unwrap_or(text);
    read.trim_end().trim_end_matches(',').len()
}

/// A mapping or a list that contains the current position.
enum Scope<'a> {
    /// A mapping, with its last key as written; `None` before a key.
    Mapping(Option<&'a str>),
    /// A list, with the index of the current item.
    List(usize),
}

/// Returns the path of the value that contains or ends at `offset` in the JSON text. The text up to
/// the offset must be valid.
fn path_at(text: &str, offset: usize) -> FieldPath {
    let bytes = text.as_bytes();
    let mut scopes: Vec<Scope<'_>> = Vec::new();
    // The number of open mappings and lists that are too deep to be in `scopes`.
    let mut hidden = 0_usize;
    let mut at = 0;
    while at < offset.min(bytes.len()) {
        let is_shallow = scopes.len() < MAX_SEGMENTS;
        let innermost = scopes.last_mut().filter(|_| hidden == 0);
        match (bytes[at], innermost) {
            (b'{', _) if hidden == 0 && is_shallow => scopes.push(Scope::Mapping(None)),
            (b'[', _) if hidden == 0 && is_shallow => scopes.push(Scope::List(0)),
            (b'{' | b'[', _) => hidden += 1,
            (b'}' | b']', _) if hidden > 0 => hidden -= 1,
            (b'}' | b']', _) => drop(scopes.pop()),
            (b'"', innermost) => {
                let end = end_of_string(bytes, at);
                if let Some(Scope::Mapping(key @ None)) = innermost {
                    *key = text.get(at + 1..end - 1);
                }
                at = end;
                continue;
            }
            (b',', Some(Scope::List(index))) => *index += 1,
            (b',', Some(Scope::Mapping(key))) => *key = None,
            _ => {}
        }
        at += 1;
    }
    let segments = scopes.iter().filter_map(|scope| match scope {
        Scope::Mapping(key) => key.map(|key| Segment::Key(key.chars().take(MAX_KEY_LEN).collect())),
        Scope::List(index) => Some(Segment::Index(*index)),
    });
    segments.collect()
}

/// Returns the offset after the string that starts at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Decodes a text that contains exactly one JSON value.
pub(super) fn decode_json<'a, S: DeserializeSeed<'a>>(
    text: &'a str,
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodSpec;

    fn error(text: &str) -> String {
        let error = Json::new(text).decode::<PodSpec<'_>>().expect_err("an error");
        format!("{}: {}", error.path, error.kind)
    }

    #[test]
    fn errors_name_the_field() {
        let ephemeral = r#"{"containers": [{"name": "a\"},[{"}, {"volumeMounts": "none"}]}"#;
        let expected = "containers[1].volumeMounts: invalid type: string \"none\", expected a list";
        assert!(error(ephemeral).starts_with(expected), "{}", error(ephemeral));
        assert!(error("{\n\"volumes\":\n [{},\n {\"name\": {}}]}").starts_with("volumes[1].name: "));
        assert!(error("{\"volumes\": 3").starts_with("volumes: "));
        let many = format!("{{\"volumes\": [{}{{}}]}}", "{},\n".repeat(6_000));
        assert!(error(&many).starts_with("volumes[5000]: too many items"), "{}", error(&many));
    }

    #[test]
    fn errors_about_long_strings_are_short() {
        let long = error(&format!("{{\"volumes\": \"{}\"}}", "x".repeat(1 << 20)));
        assert!(long.starts_with("volumes: invalid type: string \"xxx") && long.len() < 1_100, "{long}");
    }

    #[test]
    fn deep_nesting_has_a_short_path() {
        let deep = format!("{{\"a\": {}{}, \"b\": 1", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(path_at(&deep, deep.len()).to_string(), "b");
        assert_eq!(path_at(&deep, 50_000).segments().len(), MAX_SEGMENTS);
        assert_eq!(path_at("\"unterminated\\", 100), FieldPath::root());
    }
}
