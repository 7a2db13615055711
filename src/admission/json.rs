//! JSON input for the model.

use serde::de::DeserializeSeed;

use crate::model::{Decode, FieldError, FieldPath};

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
        decode_json(self.0, seed).map_err(|error| FieldError::new(FieldPath::root(), error.to_string()))
    }
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
