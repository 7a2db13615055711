//! The settings of rules in policy documents: levels, their changes on a date, and options.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::level::Level;
use crate::finding::Severity;

/// The setting of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleSetting {
    pub(super) severity: Option<Level>,
    /// The last day (UTC) on which `severity` applies, as written.
    pub(super) until: Option<String>,
    /// The level after this day.
    pub(super) then: Option<Level>,
    pub(super) options: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for RuleSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct FullSetting {
            severity: Option<LevelKeyword>,
            until: Option<String>,
            then: Option<LevelKeyword>,
            options: BTreeMap<String, String>,
        }
        struct SettingVisitor;
        impl<'de> Visitor<'de> for SettingVisitor {
            type Value = RuleSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "error, warning, info, off, or a mapping with `severity`, `until`, `then` and `options`",
                )
            }

            fn visit_str<E: de::Error>(self, keyword: &str) -> Result<RuleSetting, E> {
                let severity = Some(LevelKeyword::from_keyword(keyword)?.0);
                Ok(RuleSetting { severity, ..RuleSetting::default() })
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RuleSetting, E> {
                let severity = Some(KeywordVisitor::<LevelKeyword>(PhantomData).visit_bool(value)?.0);
                Ok(RuleSetting { severity, ..RuleSetting::default() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RuleSetting, A::Error> {
                let FullSetting { severity, until, then, options } =
                    FullSetting::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let (severity, then) = (severity.map(|level| level.0), then.map(|level| level.0));
                Ok(RuleSetting { severity, until, then, options })
            }
        }
        deserializer.deserialize_any(SettingVisitor)
    }
}

/// A level in a policy document: a severity or `off`.
struct LevelKeyword(Level);

impl<'de> Deserialize<'de> for LevelKeyword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeywordVisitor(PhantomData))
    }
}

impl Keyword for LevelKeyword {
    const EXPECTED: &'static str = "error, warning, info or off";

    fn from_keyword<E: de::Error>(keyword: &str) -> Result<Self, E> {
        match keyword {
            "off" => Ok(Self(Level::Off)),
            keyword => keyword
                .parse::<Severity>()
                .map(|severity| Self(Level::As(severity)))
                .map_err(|_| E::invalid_value(de::Unexpected::Str(keyword), &Self::EXPECTED)),
        }
    }
}

impl Serialize for RuleSetting {
    /// Writes only the keyword if nothing else is set.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { severity, until, then, options } = self;
        let name = |level: &Option<Level>| level.and_then(Level::name);
        if let (Some(keyword), None, true) = (name(severity), until, options.is_empty()) {
            return serializer.serialize_str(keyword);
        }
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in [("severity", name(severity)), ("until", until.as_deref()), ("then", name(then))]
        {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        if !options.is_empty() {
            map.serialize_entry("options", options)?;
        }
        map.end()
    }
}

impl JsonSchema for RuleSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleSetting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = level_schema(&json!({ "enum": ["error", "warning", "info", "off", false] }));
        let options = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        for shape in ["/anyOf/1/properties", "/anyOf/2/properties"] {
            if let Some(properties) = schema.pointer_mut(shape) {
                properties["options"] = options.clone();
            }
        }
        schema.insert(
            "description".to_owned(),
            "A severity, `off`, or a mapping with `severity`, `until`, `then` and `options`.".into(),
        );
        schema
    }
}

/// Returns the schema of the severities in an override.
pub(super) fn override_severities_schema(_: &mut SchemaGenerator) -> Schema {
    let mut schema = level_schema(&json!({ "enum": ["error", "warning", "info"] }));
    schema.insert(
        "description".to_owned(),
        "A severity, or a mapping with `severity`, `until` and `then`.".into(),
    );
    json_schema!({ "type": "object", "additionalProperties": schema, "minProperties": 1 })
}

/// Returns the schema of a level that may change on a date. The mapping has two shapes, because the
/// keyword `dependentRequired` has no effect in Helm.
fn level_schema(level: &Value) -> Schema {
    json_schema!({
        "anyOf": [level, {
            "type": "object",
            "additionalProperties": false,
            "properties": { "severity": level },
        }, {
            "type": "object",
            "additionalProperties": false,
            "required": ["severity", "until", "then"],
            "properties": {
                "severity": level,
                "until": {
                    "description": "The last day (UTC) on which `severity` applies, such as `2027-09-30`.",
                    "type": "string",
                    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                },
                "then": level,
            },
        }],
    })
}

/// A type whose values are keywords in policy documents. One of the keywords is `off`.
pub(super) trait Keyword: Sized {
    /// The valid keywords, as listed in error messages.
    const EXPECTED: &'static str;

    fn from_keyword<E: de::Error>(keyword: &str) -> Result<Self, E>;
}

/// A visitor that decodes a [`Keyword`]. It accepts `false` for `off`, because Helm parses YAML
/// 1.1, where an unquoted `off` is a boolean.
pub(super) struct KeywordVisitor<T>(pub(super) PhantomData<T>);

impl<T: Keyword> Visitor<'_> for KeywordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, keyword: &str) -> Result<T, E> {
        T::from_keyword(keyword)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        match value {
            false => T::from_keyword("off"),
            true => Err(E::invalid_value(de::Unexpected::Bool(true), &self)),
        }
    }
}
