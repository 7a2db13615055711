//! A serde [`Deserializer`](de::Deserializer) for trees that converts values as kubectl and the API
//! server do.
//!
//! If a field of a struct is null, it counts as absent. Strings, numbers and booleans are not
//! converted into each other. The variants of enums are an exception: they are read from any
//! scalar.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;
use super::tree::{MappingEntry, NodeId, Tree, View};
use crate::model::{Decode, ExpectedType, FieldError, FieldErrorKind, FoundValue, Node, Segment};

/// A [`FieldError`] that collects its path while it is returned from nested values.
#[derive(Debug)]
struct DecodeError {
    kind: FieldErrorKind,
    /// The path of the value, innermost segment first.
    reversed_path: Vec<Segment>,
}

impl DecodeError {
    fn new(kind: FieldErrorKind) -> Self {
        Self { kind, reversed_path: Vec::new() }
    }

    fn into_field_error(self) -> FieldError {
        FieldError { path: self.reversed_path.into_iter().rev().collect(), kind: self.kind }
    }

    fn inside(mut self, segment: Segment) -> Self {
        self.reversed_path.push(segment);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(FieldErrorKind::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(FieldErrorKind::WrongType { expected: ExpectedType::new(expected), found: found.into() })
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let segment = Segment::Key(Cow::Owned(key.to_owned()));
        Self::new(FieldErrorKind::UnknownKey { key: key.to_owned(), known }).inside(segment)
    }

    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Self {
        Self::new(FieldErrorKind::UnknownValue { value: value.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(FieldErrorKind::MissingKey(key))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {}", ExpectedType::new(expected)))
    }
}

/// Deserializes `node`.
pub fn decode<'a, T: Deserialize<'a>>(tree: &'a Tree<'a>, node: NodeId) -> Result<T, FieldError> {
    NodeRef { tree, node }.decode_seed(PhantomData::<T>)
}

/// A node and its tree. The model accepts this type as an input.
#[derive(Clone, Copy)]
pub struct NodeRef<'a> {
    pub tree: &'a Tree<'a>,
    pub node: NodeId,
}

impl<'a> Decode<'a> for NodeRef<'a> {
    fn decode_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, FieldError> {
        let decoder = Decoder { tree: self.tree, node: self.node };
        seed.deserialize(decoder).map_err(DecodeError::into_field_error)
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

    /// Returns the error for a node that does not have the type that `visitor` expects.
    fn type_error<V: Visitor<'a>>(self, visitor: &V) -> DecodeError {
        let found = match self.tree.view(self.node) {
            View::Mapping => FoundValue::Mapping,
            View::Sequence(_) => FoundValue::List,
            View::Scalar(_) => match self.scalar() {
                Ok(Scalar::Null) => FoundValue::Null,
                Ok(Scalar::Bool(value)) => FoundValue::Boolean(value),
                Ok(Scalar::Int(value)) => FoundValue::Number(value.to_string()),
                Ok(Scalar::Uint(value)) => FoundValue::Number(value.to_string()),
                // The text as written, because `1.30` is not the same version as `1.3`.
                Ok(Scalar::Float(_)) => {
                    FoundValue::Number(self.tree.raw_scalar(self.tree.target(self.node)).to_owned())
                }
                Ok(Scalar::Str(text)) => FoundValue::String(text.into_owned()),
                Err(error) => return error,
            },
        };
        DecodeError::new(FieldErrorKind::WrongType { expected: ExpectedType::new(visitor), found })
    }
}

/// Converts a number that becomes an integer when it is written as JSON, such as `5.0`. Returns
/// `None` for a number with a fraction, and for an integer so large that a float might not
/// represent it exactly.
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

    /// Deserializes a variant from its text, even if the text has another type in YAML, such as
    /// `off`.
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
