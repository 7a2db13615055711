//! The interface between inputs and the model: traits to decode or traverse an input, and errors
//! for invalid values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed};

use super::field_path::FieldPath;
use super::item_budget::{ItemBudget, TOO_MANY_ITEMS};
use super::text::{did_you_mean, printable};
use super::value::Str;

/// An error about an invalid field of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct FieldError {
    /// The path of the invalid value or the unknown key, relative to the decoded value.
    pub path: FieldPath,
    pub kind: FieldErrorKind,
}

/// The reason for a [`FieldError`]. Its message is about the value, without the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldErrorKind {
    /// The value has the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// The required type.
        expected: ExpectedType,
        found: FoundValue,
    },
    /// The mapping has an unknown key.
    #[error("unknown key `{}`{}", printable(key), did_you_mean(key, known.iter().copied()))]
    UnknownKey {
        key: String,
        /// The known keys.
        known: &'static [&'static str],
    },
    /// The value is a string that the field does not accept.
    #[error("unknown value `{}`{}", printable(value), did_you_mean(value, known.iter().copied()))]
    UnknownValue {
        value: String,
        /// The values that the field accepts.
        known: &'static [&'static str],
    },
    /// A required key is missing from the mapping.
    #[error("missing key `{0}`")]
    MissingKey(&'static str),
    /// The value exceeds a limit of volcheck.
    #[error("{0}")]
    TooLarge(String),
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

impl FieldError {
    /// Creates an error about the value at `path`.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, kind: FieldErrorKind::Other(message.into()) }
    }

    /// Creates an error for a value at `path` that exceeds a limit.
    pub(super) fn too_large(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, kind: FieldErrorKind::TooLarge(message.into()) }
    }

    /// Checks whether the value exceeds a limit of volcheck.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self.kind, FieldErrorKind::TooLarge(_))
    }

    /// Prepends `outer`, the path of the decoded value, to the path of the error.
    pub(super) fn within(mut self, outer: &FieldPath) -> Self {
        self.path = outer.join(&self.path);
        self
    }
}

/// The type that a field requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedType {
    Null,
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    String,
    List,
    Mapping,
    Any,
    /// A string or a list of strings.
    StringOrList,
    /// Any other description, such as "a quantity such as `1Gi`".
    Other(String),
}

impl ExpectedType {
    /// Converts the expectation of a serde visitor. Maps the names of Rust types to YAML types.
    pub fn new(expected: &dyn de::Expected) -> Self {
        let text = expected.to_string();
        let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        match text.as_str() {
            "map" | "a map" | "a mapping" => Self::Mapping,
            "sequence" | "a sequence" | "a list" => Self::List,
            "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128"
            | "usize" | "integer" | "an integer" => Self::Integer,
            "f32" | "f64" => Self::Number,
            "bool" | "boolean" | "a boolean" => Self::Boolean,
            "str" | "string" | "a string" | "a borrowed string" | "a character" | "identifier" => {
                Self::String
            }
            "a string or a list of strings" => Self::StringOrList,
            "unit" | "option" => Self::Null,
            "anything at all" => Self::Any,
            _ if starts_with(&["struct ", "unit struct ", "enum "]) => Self::Mapping,
            _ if starts_with(&["tuple ", "a tuple ", "an array "]) => Self::List,
            _ => Self::Other(text),
        }
    }
}

impl fmt::Display for ExpectedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::StringOrList => "a string or a list of strings",
            Self::List => "a list",
            Self::Mapping => "a mapping",
            Self::Any => "a value",
            Self::Other(text) => text,
        })
    }
}

/// A value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundValue {
    Null,
    Boolean(bool),
    /// A number, as text.
    Number(String),
    String(String),
    List,
    Mapping,
    /// Any other value, described by serde.
    Other(String),
}

impl FoundValue {
    /// Checks whether the value is a boolean, a number or a string.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Boolean(_) | Self::Number(_) | Self::String(_))
    }
}

impl From<de::Unexpected<'_>> for FoundValue {
    fn from(found: de::Unexpected<'_>) -> Self {
        match found {
            de::Unexpected::Map => Self::Mapping,
            de::Unexpected::Seq => Self::List,
            de::Unexpected::Str(text) => Self::String(text.to_owned()),
            de::Unexpected::Bool(value) => Self::Boolean(value),
            de::Unexpected::Signed(value) => Self::Number(value.to_string()),
            de::Unexpected::Unsigned(value) => Self::Number(value.to_string()),
            de::Unexpected::Float(value) => Self::Number(value.to_string()),
            de::Unexpected::Unit | de::Unexpected::Option => Self::Null,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for FoundValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "the boolean `{value}`"),
            Self::Number(value) => write!(f, "the number `{value}`"),
            Self::String(text) => write!(f, "the string \"{}\"", printable(text)),
            Self::List => f.write_str("a list"),
            Self::Mapping => f.write_str("a mapping"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// An input that can be decoded.
pub trait Decode<'a>: Copy {
    /// Decodes the input with `seed`.
    fn decode_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, FieldError>;

    /// Decodes the input as a `T`. Fails if the input is invalid or contains too many items to
    /// check.
    fn decode<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        let budget = ItemBudget::new();
        self.decode_seed(budget.seed::<T>()).map_err(|error| match budget.is_exceeded() {
            true => FieldError::too_large(error.path, TOO_MANY_ITEMS),
            false => error,
        })
    }
}

/// An input that can also be traversed. Keys with a null value count as absent.
pub trait Node<'a>: Decode<'a> {
    /// Returns the value of `key` if this is a mapping with this key, or `None` otherwise.
    fn get(self, key: &str) -> Option<Self>;
    /// Returns the keys and values of a mapping, or an empty list for any other value.
    fn entries(self) -> Vec<(Cow<'a, str>, Self)>;
    /// Returns the items of a list, including null items, or `None` if this is not a list.
    fn items(self) -> Option<Vec<Self>>;
}

/// `apiVersion` and `kind`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypeMeta<'a> {
    /// The API group and version, such as `apps/v1`, or only the version for the core group.
    #[serde(borrow)]
    pub api_version: Str<'a>,
    #[serde(borrow)]
    pub kind: Str<'a>,
}

impl TypeMeta<'_> {
    /// Returns the API group, which is empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the version, without the group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&*self.api_version, |(_, version)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_api_versions() {
        let meta = |text: &str| TypeMeta { api_version: Str::owned(text), kind: Str::owned("K") };
        assert_eq!((meta("apps/v1").group(), meta("apps/v1").version()), ("apps", "v1"));
        assert_eq!((meta("v1").group(), meta("v1").version()), ("", "v1"));
    }

    #[test]
    fn maps_rust_types_to_yaml_types() {
        let check = |texts: &[&str], expected: &str| {
            for text in texts {
                assert_eq!(ExpectedType::new(text).to_string(), expected, "{text}");
            }
        };
        check(
            &["struct HostPathSource", "struct X with 2 elements", "a map", "map", "a mapping"],
            "a mapping",
        );
        check(&["sequence", "a sequence", "tuple struct X", "a tuple of size 2", "a list"], "a list");
        check(&["i64", "u8", "i32", "usize"], "an integer");
        check(&["f64", "f32"], "a number");
        check(&["bool", "a boolean"], "a boolean");
        check(&["a string", "a borrowed string", "str"], "a string");
        check(&["unit"], "null");
        check(&["a quantity such as `1Gi`"], "a quantity such as `1Gi`");
    }
}
