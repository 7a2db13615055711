//! Decoding: a tree as a serde `Deserializer` that reads as kubectl and the API server do.
//!
//! Null counts as absent in a mapping; nothing turns into a string, a number or a boolean that wasn't one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;
use super::tree::{NodeId, Pair, Tree, View};
use crate::model::{Decode, ExpectedType, FieldError, FieldErrorKind, FoundValue, Node, Segment};

/// A [`FieldError`] whose path is still growing.
#[derive(Debug)]
struct DecodeError {
    kind: FieldErrorKind,
    /// The path of the value, innermost segment first, since the error travels outwards.
    steps: Vec<Segment>,
}

impl DecodeError {
    fn new(kind: FieldErrorKind) -> Self {
        Self { kind, steps: Vec::new() }
    }

    fn at(mut self, step: Segment) -> Self {
        self.steps.push(step);
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
        Self::new(FieldErrorKind::UnknownKey { key: key.to_owned(), known }).at(segment)
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

/// Decodes the value `node` of `tree` as a `T`.
pub fn decode<'a, T: Deserialize<'a>>(tree: &'a Tree<'a>, node: NodeId) -> Result<T, FieldError> {
    Value { tree, node }.decode_seed(PhantomData::<T>)
}

/// A node, to be decoded or walked.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// The tree that it stands in.
    pub tree: &'a Tree<'a>,
    /// The node.
    pub node: NodeId,
}

impl<'a> Decode<'a> for Value<'a> {
    fn decode_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, FieldError> {
        seed.deserialize(Decoder { tree: self.tree, node: self.node })
            .map_err(|error| FieldError { path: error.steps.into_iter().rev().collect(), kind: error.kind })
    }
}

impl<'a> Node<'a> for Value<'a> {
    fn get(self, key: &str) -> Option<Self> {
        self.tree.get(self.node, key).map(|node| Self { node, ..self })
    }

    fn entries(self) -> Vec<(Cow<'a, str>, Self)> {
        let entries = self.tree.entries(self.node);
        let present = entries.iter().filter(|(_, value)| !self.tree.is_null(*value));
        present.map(|(key, value)| (self.tree.key(*key), Self { node: *value, ..self })).collect()
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
            Some(Err(message)) => Err(de::Error::custom(message)),
            None => Ok(Scalar::Null),
        }
    }

    fn refuse<V: Visitor<'a>>(self, visitor: &V) -> DecodeError {
        let found = match self.tree.view(self.node) {
            View::Mapping => FoundValue::Mapping,
            View::Sequence(_) => FoundValue::List,
            View::Scalar(_) => match self.scalar() {
                Ok(Scalar::Null) => FoundValue::Null,
                Ok(Scalar::Bool(value)) => FoundValue::Boolean(value),
                Ok(Scalar::Int(value)) => FoundValue::Number(value.to_string()),
                Ok(Scalar::Uint(value)) => FoundValue::Number(value.to_string()),
                Ok(Scalar::Float(value)) => FoundValue::Number(value.to_string()),
                Ok(Scalar::Str(text)) => FoundValue::String(text.into_owned()),
                Err(error) => return error,
            },
        };
        DecodeError::new(FieldErrorKind::WrongType { expected: ExpectedType::new(visitor), found })
    }
}

/// Numbers that JSON would carry as a whole number count as one: `5.0` is 5.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.scalar()? {
                Scalar::Int(value) => visitor.visit_i64(value),
                Scalar::Uint(value) => visitor.visit_u64(value),
                Scalar::Float(value) => match whole(value) {
                    Some(value) => visitor.visit_i64(value),
                    None => Err(self.refuse(&visitor)),
                },
                _ => Err(self.refuse(&visitor)),
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
                Scalar::Float(_) => Err(de::Error::custom("JSON has no infinity and no NaN")),
                Scalar::Str(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                Scalar::Str(Cow::Owned(text)) => visitor.visit_string(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar()? {
            Scalar::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.refuse(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar()? {
            Scalar::Str(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Scalar::Str(Cow::Owned(text)) => visitor.visit_string(text),
            _ => Err(self.refuse(&visitor)),
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
            View::Sequence(items) => visitor.visit_seq(Items { tree: self.tree, items, next: 0 }),
            _ => Err(self.refuse(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Mapping => visitor.visit_map(Entries {
                tree: self.tree,
                pairs: self.tree.entries(self.node),
                next: 0,
                skip_null: false,
            }),
            _ => Err(self.refuse(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Mapping => visitor.visit_map(Entries {
                tree: self.tree,
                pairs: self.tree.entries(self.node),
                next: 0,
                skip_null: true,
            }),
            _ => Err(self.refuse(&visitor)),
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

    /// A variant is a word as it is written: `off`, which YAML takes for a boolean, too.
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.node) {
            View::Scalar(word) => visitor.visit_enum(word.into_deserializer()),
            _ => Err(self.refuse(&visitor)),
        }
    }

    integers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
    deserialize_u32 deserialize_u64 }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a> {
    tree: &'a Tree<'a>,
    items: &'a [NodeId],
    next: usize,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(&node) = self.items.get(self.next) else { return Ok(None) };
        let step = Segment::Index(self.next);
        self.next += 1;
        seed.deserialize(Decoder { tree: self.tree, node }).map(Some).map_err(|error| error.at(step))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'a> {
    tree: &'a Tree<'a>,
    pairs: Cow<'a, [Pair]>,
    next: usize,
    skip_null: bool,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        while let Some(&(key, value)) = self.pairs.get(self.next) {
            self.next += 1;
            if self.skip_null && self.tree.is_null(value) {
                continue;
            }
            return match self.tree.key(key) {
                Cow::Borrowed(text) => seed.deserialize(de::value::BorrowedStrDeserializer::new(text)),
                Cow::Owned(text) => seed.deserialize(text.into_deserializer()),
            }
            .map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        // `next_key_seed` has just gone past this pair.
        let (key, node) = self.pairs[self.next - 1];
        seed.deserialize(Decoder { tree: self.tree, node })
            .map_err(|error| error.at(Segment::Key(Cow::Owned(self.tree.key(key).into_owned()))))
    }
}
