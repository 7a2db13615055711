//! Decoding: a tree as a serde `Deserializer` that reads as kubectl and the API server do.
//!
//! Null counts as absent in a mapping; nothing turns into a string, a number or a boolean that wasn't one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;
use super::tree::{NodeId, Pair, Tree, View};
use crate::model::{Decode, FieldError, Node, Segment, meant};

/// Why a value isn't what its field holds.
#[derive(Debug)]
struct DecodeError {
    message: String,
    /// The way to the value, innermost step first while the error travels outwards.
    steps: Vec<Segment>,
    /// Whether it is the key there that is wrong.
    is_key: bool,
}

impl DecodeError {
    fn at(mut self, step: Segment) -> Self {
        self.steps.push(step);
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
        Self { message: message.to_string(), steps: Vec::new(), is_key: false }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Map => "a mapping".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Str(text) => format!("the string \"{}\"", crate::model::printable(text)),
            de::Unexpected::Bool(value) => format!("the boolean `{value}`"),
            de::Unexpected::Signed(value) => format!("the number `{value}`"),
            de::Unexpected::Unsigned(value) => format!("the number `{value}`"),
            de::Unexpected::Float(value) => format!("the number `{value}`"),
            de::Unexpected::Unit | de::Unexpected::Option => "null".to_owned(),
            other => other.to_string(),
        };
        Self::custom(format_args!("expected {}, found {found}", plain(&expected.to_string())))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = meant(field, expected.iter().copied());
        let field = Cow::Owned(field.to_owned());
        let mut error =
            Self::custom(format_args!("unknown key `{}`{known}", crate::model::printable(&field)));
        error.is_key = true;
        error.at(Segment::Key(field))
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        let known = meant(word, expected.iter().copied());
        Self::custom(format_args!("unknown word `{}`{known}", crate::model::printable(word)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("lacks the key `{field}`"))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {}", plain(&expected.to_string())))
    }
}

/// What serde expects by itself, in words of YAML; what the model says of itself stays.
fn plain(expected: &str) -> &str {
    match expected {
        "map" | "a map" => "a mapping",
        "sequence" | "a sequence" => "a list",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize"
        | "integer" | "an integer" => "a whole number",
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

/// The value `node` of `tree` as a `T`.
pub fn decode<'a, T: Deserialize<'a>>(tree: &'a Tree<'a>, node: NodeId) -> Result<T, FieldError> {
    T::deserialize(Decoder { tree, node }).map_err(|error| FieldError {
        path: error.steps.into_iter().rev().collect(),
        message: error.message,
        is_key: error.is_key,
        is_bound: false,
    })
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
    fn decode_all<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        decode(self.tree, self.node)
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
            View::Mapping => "a mapping".to_owned(),
            View::Sequence(_) => "a list".to_owned(),
            View::Scalar(_) => match self.scalar() {
                Ok(Scalar::Str(text)) => format!("the string \"{}\"", crate::model::printable(&text)),
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
        de::Error::custom(format_args!("expected {}, found {found}", plain(&Expected(visitor).to_string())))
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

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_of_rust_is_expected() {
        let of = |words: &[&str], plain_word: &str| {
            for word in words {
                assert_eq!(plain(word), plain_word, "{word}");
            }
        };
        of(&["struct HostPathSource", "struct X with 2 elements", "a map", "map", "a mapping"], "a mapping");
        of(&["sequence", "a sequence", "tuple struct X", "a tuple of size 2", "a list"], "a list");
        of(&["i64", "u8", "i32", "usize"], "a whole number");
        of(&["f64", "f32"], "a number");
        of(&["bool", "a boolean"], "a boolean");
        of(&["a string", "a borrowed string", "str"], "a string");
        of(&["unit"], "null");
        of(&["a quantity such as `1Gi`"], "a quantity such as `1Gi`");
    }
}
