//! A limit on the number of items that are decoded from one input.
//!
//! Limiting the length of the input is not enough. A list item `{}` can become a container of
//! hundreds of bytes in memory, and rules compare items with each other.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

/// The maximum number of list items in one object, over all lists. This is about ten times as many
/// as in the largest Pods of real clusters.
const MAX_ITEMS: usize = 5_000;

/// The cost of a list item. A map entry, such as a label, costs 1.
const ITEM_COST: usize = 10;

/// The message about an input that exceeds the limit.
pub(super) const TOO_MANY_ITEMS: &str =
    "too many items: volcheck checks at most 5000 list items, and 10 map entries count as one";

/// Counts list items and map entries during deserialization, which fails if there are too many.
///
/// Struct fields cost nothing, because a struct has a fixed number of fields and drops unknown
/// ones.
#[derive(Debug)]
pub(crate) struct ItemBudget {
    remaining: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl ItemBudget {
    pub(crate) fn new() -> Self {
        Self { remaining: Cell::new(MAX_ITEMS * ITEM_COST), is_exceeded: Cell::new(false) }
    }

    /// Returns a seed that decodes a `T` within this budget.
    pub(crate) fn seed<T>(&self) -> Counted<'_, PhantomData<T>> {
        Counted { inner: PhantomData, budget: self, entry_cost: 0 }
    }

    /// Checks whether deserialization has failed because of this budget.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn charge<E: de::Error>(&self, cost: usize) -> Result<(), E> {
        match self.remaining.get().checked_sub(cost) {
            Some(remaining) => {
                self.remaining.set(remaining);
                Ok(())
            }
            None => {
                self.is_exceeded.set(true);
                Err(E::custom("too many items"))
            }
        }
    }
}

/// A seed whose value costs as much as a list item. It is used for structs that keep any number of
/// keys, such as [`Volume`](super::volume::Volume).
pub(super) struct Item<S>(pub(super) S);

/// The name by which a [`Counted`] deserializer recognizes an [`Item`].
const ITEM: &str = "volcheck::Item";

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Item<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_newtype_struct(ITEM, self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Item<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(deserializer)
    }
}

/// A wrapper for serde's seeds, deserializers, visitors and accesses that charges a budget.
pub(crate) struct Counted<'b, T> {
    inner: T,
    budget: &'b ItemBudget,
    /// The cost of each entry of the visited map; 0 for a struct.
    entry_cost: usize,
}

impl<'b, T> Counted<'b, T> {
    fn wrap<U>(&self, inner: U) -> Counted<'b, U> {
        Counted { inner, budget: self.budget, entry_cost: 0 }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Counted<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.deserialize(deserializer)
    }
}

macro_rules! forward_deserialize {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.wrap(visitor);
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Counted<'_, D> {
    type Error = D::Error;

    forward_deserialize! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq
        deserialize_identifier
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = Counted { entry_cost: 1, ..self.wrap(visitor) };
        self.inner.deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == ITEM {
            self.budget.charge(ITEM_COST)?;
        }
        let visitor = self.wrap(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor);
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor);
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor);
        self.inner.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor);
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    /// Does not charge for ignored values, because they are not kept.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($method:ident: $type:ty),*) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

/// Omits the methods for bytes and characters, which JSON and YAML do not have.
impl<'de, V: Visitor<'de>> Visitor<'de> for Counted<'_, V> {
    type Value = V::Value;

    forward_visit! {
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: String
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.wrap(items);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = Counted { entry_cost: self.entry_cost, ..self.wrap(entries) };
        self.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(variant)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Counted<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.wrap(seed);
        let item = self.inner.next_element_seed(seed)?;
        if item.is_some() {
            self.budget.charge(ITEM_COST)?;
        }
        Ok(item)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Counted<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(seed)?;
        if key.is_some() {
            self.budget.charge(self.entry_cost)?;
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// Checks whether decoding `text` exceeds the budget.
    fn exceeds_budget<'a, T: Deserialize<'a>>(text: &'a str) -> bool {
        let budget = ItemBudget::new();
        let decoded = budget.seed::<T>().deserialize(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(decoded.is_err(), budget.is_exceeded());
        budget.is_exceeded()
    }

    #[test]
    fn counts_items_of_all_lists() {
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(!exceeds_budget::<Vec<u8>>(&list(5_000)));
        assert!(exceeds_budget::<Vec<u8>>(&list(5_001)));
        let nested = |count: usize| format!("[{0},{0}]", list(count));
        assert!(!exceeds_budget::<Vec<Vec<u8>>>(&nested(2_499)));
        assert!(exceeds_budget::<Vec<Vec<u8>>>(&nested(2_500)));
        assert!(!exceeds_budget::<de::IgnoredAny>(&list(5_001)));
    }

    #[test]
    fn message_states_the_limits() {
        let limits = format!("at most {MAX_ITEMS} list items, and {ITEM_COST} map entries");
        assert!(TOO_MANY_ITEMS.contains(&limits));
    }

    #[test]
    fn ten_map_entries_cost_one_item() {
        let map = |count: usize| {
            let entries: Vec<_> = (0..count).map(|key| format!("\"{key}\":\"\"")).collect();
            format!("{{{}}}", entries.join(","))
        };
        assert!(!exceeds_budget::<BTreeMap<String, String>>(&map(50_000)));
        assert!(exceeds_budget::<BTreeMap<String, String>>(&map(50_001)));
    }
}
