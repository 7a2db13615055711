//! A serde [`Deserializer`](de::Deserializer) for trees that converts values as kubectl and the API
//! server do.
//!
//! A null value in a mapping counts as absent. Strings, numbers and booleans are not converted into
//! each other.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;
use super::tree::{MappingEntry, NodeId, Tree, View};
use crate::model::{Decode, FieldError, Node, Segment, meant, printable};

/// A value of the wrong type.
#[derive(Debug)]
struct DecodeError {
    message: String,
    /// The path to the value, innermost segment first.
    reversed_path: Vec<Segment>,
    /// Whether the key at that path is wrong, and not its value.
    is_key: bool,
}

impl DecodeError {
    fn inside(mut self, segment: Segment) -> Self {
        self.reversed_path.push(segment);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), reversed_path: Vec::new(), is_key: false }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Map => "a mapping".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Str(text) => describe_string(text),
            de::Unexpected::Bool(value) => format!("the boolean `{value}`"),
            de::Unexpected::Signed(value) => format!("the number `{value}`"),
            de::Unexpected::Unsigned(value) => format!("the number `{value}`"),
            de::Unexpected::Float(value) => format!("the number `{value}`"),
            de::Unexpected::Unit | de::Unexpected::Option => "null".to_owned(),
            other => other.to_string(),
        };
        Self::custom(format_args!("expected {}, found {found}", yaml_type(&expected.to_string())))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = meant(field, expected.iter().copied());
        let error = Self::custom(format_args!("unknown key `{}`{suggestion}", printable(field)));
        Self { is_key: true, ..error }.inside(Segment::Key(Cow::Owned(field.to_owned())))
    }

    fn unknown_variant(value: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = meant(value, expected.iter().copied());
        Self::custom(format_args!("unknown value `{}`{suggestion}", printable(value)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("missing key `{field}`"))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {}", yaml_type(&expected.to_string())))
    }
}

/// Translates what serde's visitors expect into terms of YAML. Descriptions by the model's visitors
/// remain as they are.
fn yaml_type(expected: &str) -> &str {
    match expected {
        "map" | "a map" => "a mapping",
        "sequence" | "a sequence" => "a list",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize"
        | "integer" | "an integer" => "an integer",
        "f32" | "f64" => "a number",
        "bool" | "boolean" => "a boolean",
        "str" | "string" | "a borrowed string" | "a character" | "identifier" => "a string",
        "unit" | "option" => "null",
        "anything at all" => "a value",
        _ if ["struct ", "unit struct ", "enum "].iter().any(|kind| expected.starts_with(kind)) => {
            "a mapping"
        }
        _ if ["tuple ", "a tuple ", "an array "].iter().any(|kind| expected.starts_with(kind)) => "a list",
        _ => expected,
    }
}

fn describe_string(text: &str) -> String {
    format!("the string \"{}\"", printable(text))
}

/// Deserializes `node`.
pub fn decode<'a, T: Deserialize<'a>>(tree: &'a Tree<'a>, node: NodeId) -> Result<T, FieldError> {
    T::deserialize(Decoder { tree, node }).map_err(|error| FieldError {
        path: error.reversed_path.into_iter().rev().collect(),
        message: error.message,
        is_key: error.is_key,
        is_bound: false,
    })
}

/// A node and its tree, as input for the model.
#[derive(Clone, Copy)]
pub struct NodeRef<'a> {
    /// The tree.
    pub tree: &'a Tree<'a>,
    /// The node.
    pub node: NodeId,
}

impl<'a> Decode<'a> for NodeRef<'a> {
    fn decode_all<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        decode(self.tree, self.node)
    }
}

impl<'a> Node<'a> for NodeRef<'a> {
    fn get(self, key: &str) -> Option<Self> {
        self.tree.get(self.node, key).map(|node| Self { node, ..self })
    }

    fn entries(self) -> Vec<(Cow<'a, str>, Self)> {
        let entries = self.tree.entries(self.node);
        let present = entries.iter().filter(|entry| !self.tree.is_null(entry.value));
        present.map(|entry| (self.tree.key(entry.key), Self { node: entry.value, ..self })).collect()
    }

    fn items(self) -> Option<Vec<Self>> {
        match self.tree.view(self.node) {
            View::Sequence(items) => Some(items.iter().map(|node| Self { node: *node, ..self }).collect()),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    tree: &'a Tree<'a>,
    node: NodeId,
}

impl<'a> Decoder<'a> {
    fn scalar(self) -> Result<Scalar<'a>, DecodeError> {
        match self.tree.scalar(self.node) {
            Some(Ok(scalar)) => Ok(scalar),
            Some(Err(error)) => Err(de::Error::custom(error)),
            None => Ok(Scalar::Null),
        }
    }

    /// Returns the error for a node of another type than `visitor` expects.
    fn type_error<V: Visitor<'a>>(self, visitor: &V) -> DecodeError {
        let found = match self.tree.view(self.node) {
            View::Mapping => "a mapping".to_owned(),
            View::Sequence(_) => "a list".to_owned(),
            View::Scalar(_) => match self.scalar() {
                Ok(Scalar::Str(text)) => describe_string(&text),
                Ok(scalar) => scalar.describe(),
                Err(error) => return error,
            },
        };
        struct Expected<'v, V>(&'v V);
        impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.expecting(f)
            }
        }
        let expected = Expected(visitor).to_string();
        de::Error::custom(format_args!("expected {}, found {found}", yaml_type(&expected)))
    }
}

/// Converts a number that JSON writes as an integer, such as `5.0`.
fn as_integer(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.scalar()? {
                Scalar::Int(value) => visitor.visit_i64(value),
                Scalar::Uint(value) => visitor.visit_u64(value),
                Scalar::Float(value) => match as_integer(value) {
                    Some(value) => visitor.visit_i64(value),
                    None => Err(self.type_error(&visitor)),
                },
                _ => Err(self.type_error(&visitor)),
            }
        }
    )*};
}

impl<'a> de::Deserializer<'a> for Decoder<'a> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Mapping => self.deserialize_map(visitor),
            View::Sequence(_) => self.deserialize_seq(visitor),
            View::Scalar(_) => match self.scalar()? {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Int(value) => visitor.visit_i64(value),
                Scalar::Uint(value) => visitor.visit_u64(value),
                Scalar::Float(value) if value.is_finite() => visitor.visit_f64(value),
                Scalar::Float(_) => Err(de::Error::custom("JSON has no infinity or NaN")),
                Scalar::Str(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                Scalar::Str(Cow::Owned(text)) => visitor.visit_string(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar()? {
            Scalar::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.type_error(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar()? {
            Scalar::Str(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Scalar::Str(Cow::Owned(text)) => visitor.visit_string(text),
            _ => Err(self.type_error(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.tree.is_null(self.node) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Sequence(items) => visitor.visit_seq(SequenceAccess { tree: self.tree, items, next: 0 }),
            _ => Err(self.type_error(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Mapping => visitor.visit_map(MappingAccess {
                tree: self.tree,
                entries: self.tree.entries(self.node),
                next: 0,
                skips_null: false,
            }),
            _ => Err(self.type_error(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Mapping => visitor.visit_map(MappingAccess {
                tree: self.tree,
                entries: self.tree.entries(self.node),
                next: 0,
                skips_null: true,
            }),
            _ => Err(self.type_error(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    /// Deserializes a variant from its text, even if YAML reads it as another type, such as `off`.
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Scalar(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(self.type_error(&visitor)),
        }
    }

    integers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
    deserialize_u32 deserialize_u64 }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct SequenceAccess<'a> {
    tree: &'a Tree<'a>,
    items: &'a [NodeId],
    next: usize,
}

impl<'a> SeqAccess<'a> for SequenceAccess<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(&node) = self.items.get(self.next) else { return Ok(None) };
        let segment = Segment::Index(self.next);
        self.next += 1;
        seed.deserialize(Decoder { tree: self.tree, node }).map(Some).map_err(|error| error.inside(segment))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct MappingAccess<'a> {
    tree: &'a Tree<'a>,
    entries: Cow<'a, [MappingEntry]>,
    next: usize,
    /// Whether null values count as absent.
    skips_null: bool,
}

impl<'a> MapAccess<'a> for MappingAccess<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        while let Some(entry) = self.entries.get(self.next) {
            self.next += 1;
            if self.skips_null && self.tree.is_null(entry.value) {
                continue;
            }
            return match self.tree.key(entry.key) {
                Cow::Borrowed(text) => seed.deserialize(de::value::BorrowedStrDeserializer::new(text)),
                Cow::Owned(text) => seed.deserialize(text.into_deserializer()),
            }
            .map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        // `next_key_seed` has advanced past this entry.
        let entry = self.entries[self.next - 1];
        let key = || Cow::Owned(self.tree.key(entry.key).into_owned());
        seed.deserialize(Decoder { tree: self.tree, node: entry.value })
            .map_err(|error| error.inside(Segment::Key(key())))
    }
}

#[cfg(test)]
mod tests {
    use super::yaml_type;

    #[test]
    fn names_expected_types_in_yaml_terms() {
        let assert_type = |expected: &[&str], name: &str| {
            for expected in expected {
                assert_eq!(yaml_type(expected), name, "{expected}");
            }
        };
        assert_type(
            &["struct HostPathSource", "struct X with 2 elements", "a map", "map", "a mapping"],
            "a mapping",
        );
        assert_type(&["sequence", "a sequence", "tuple struct X", "a tuple of size 2", "a list"], "a list");
        assert_type(&["i64", "u8", "i32", "usize"], "an integer");
        assert_type(&["f64", "f32"], "a number");
        assert_type(&["bool", "a boolean"], "a boolean");
        assert_type(&["a string", "a borrowed string", "str"], "a string");
        assert_type(&["unit"], "null");
        assert_type(&["a quantity such as `1Gi`"], "a quantity such as `1Gi`");
    }
}
