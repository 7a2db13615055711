//! JSON objects as input of the model.

use serde::Deserialize;

use crate::model::{Decode, FieldError, FieldPath};

/// A JSON value as text. It is parsed only when it is decoded, each time straight into the wanted
/// type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Wraps the text of one JSON value, which need not be valid.
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns true if the value is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0.trim() == "null"
    }
}

impl<'a> Decode<'a> for Json<'a> {
    fn decode_all<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        serde_json::from_str(self.0).map_err(|error| FieldError::new(FieldPath::root(), error.to_string()))
    }
}
