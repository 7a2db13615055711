//! Policy documents as written: `volcheck.yaml`, and the profiles and packs in `policies/`.
//!
//! Decoding rejects unknown keys and wrong types. Values that need more than their own type to be
//! valid are checked when the document becomes a [`Merged`](super::merged::Merged) policy.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::level::Level;
use super::pattern::why_unreachable;
use super::profile::Profile;
use crate::finding::{Access, Ignores, Severity};
use crate::model::{CustomWorkload, PathPattern};
use crate::rules::{Entry, EntryClass, HostPathType, ListedPath, Registry};

/// A volcheck policy.
#[derive(Clone, Debug, Default, DeriveDeserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "volcheck policy", extend("required" = ["version"]))]
pub(super) struct Document {
    /// The version of this format: 1.
    #[schemars(schema_with = "version_schema")]
    pub(super) version: Option<i64>,
    /// The built-in choice of rules that everything else builds on; `recommended` where no document
    /// says one.
    pub(super) profile: Option<Profile>,
    /// Packs (`node-agents`) and files, relative to this one; a later one wins, this document last.
    pub(super) extends: Vec<String>,
    /// By rule, a severity or `off`, or a mapping with `severity` and `options`; `"*"` is every
    /// rule.
    #[schemars(transform = with_rule_names)]
    pub(super) rules: BTreeMap<String, RuleSetting>,
    /// What the policy says of paths of the node.
    pub(super) host_paths: HostPaths,
    /// Directories of a container where an application keeps its data, beside the built-in ones.
    pub(super) data_directories: Vec<Directory>,
    /// Directories of a container that hold nothing but scratch files, beside the built-in ones.
    pub(super) scratch_directories: Vec<Directory>,
    /// What admission does in a namespace: its exact name, else the longest glob that fits,
    /// decides.
    pub(super) modes: BTreeMap<String, Mode>,
    /// What admission does with workloads, whose Pods are judged anyway when they come.
    pub(super) workload_mode: Option<WorkloadMode>,
    /// What comments and annotations may silence.
    pub(super) ignores: Option<Ignores>,
    /// What is excused, where, and why.
    pub(super) exemptions: Vec<ExemptionEntry>,
    /// Where the Pods of custom kinds are.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub(super) workloads: Vec<CustomWorkload>,
    /// Whether kinds that nobody named are read by their structure.
    pub(super) heuristic: Option<bool>,
    /// Users whose owner references the webhook trusts, in addition to the Kubernetes controllers.
    pub(super) trusted_controllers: Vec<String>,
    /// What holds for `volcheck lint` alone.
    pub(super) lint: LintSection,
}

fn with_rule_names(schema: &mut Schema) {
    let rules = Registry::built_in().iter().filter(|rule| !rule.reports_unchecked_input());
    let names: Vec<&str> = std::iter::once("*").chain(rules.map(|rule| rule.id.as_str())).collect();
    schema.insert("propertyNames".to_owned(), serde_json::json!({ "enum": names }));
}

fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "description": "The version of this format: 1.", "const": 1 })
}

/// What the policy says of paths of the node.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostPaths {
    /// The paths that workloads may use: with this list, `unlisted-host-path` reports all others;
    /// an empty one allows none.
    pub(super) allow: Option<Vec<AllowedEntry>>,
    /// Paths on your nodes and their classes, in addition to the built-in catalog.
    pub(super) catalog: Vec<CatalogEntry>,
}

/// A path that workloads may use, and what is inside of it.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllowedEntry {
    /// The path, absolute and clean.
    pub(super) path: String,
    /// Whether it may only be read.
    #[serde(default)]
    pub(super) read_only: bool,
}

/// A path of the node, and what it is.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogEntry {
    /// The path, absolute and clean; a segment may be `*`, or end in it.
    pub(super) path: String,
    /// `socket`, `critical`, `credentials`, `agent-socket`, `sensitive` or `harmless`.
    pub(super) class: EntryClass,
    /// Why, in one clause.
    pub(super) reason: String,
    /// The hostPath type of what is there.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) file_type: Option<HostPathType>,
    /// Of an `agent-socket`: error or warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<Severity>,
}

impl CatalogEntry {
    /// The entry, or what is wrong with it.
    pub(super) fn checked(self) -> Result<Entry, String> {
        let pattern = PathPattern::new(&self.path).ok_or_else(|| why_unreachable(&self.path))?;
        if (self.class == EntryClass::AgentSocket) != self.severity.is_some() {
            return Err(
                "`severity` is required for class `agent-socket` and invalid for all others".to_owned()
            );
        }
        let Self { path, class, reason, file_type, severity } = self;
        Ok(Entry { path, pattern, class, reason, file_type, severity })
    }
}

/// A directory of a container.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    /// The path in the container, absolute and clean.
    pub(super) path: String,
    /// Why, in one clause.
    pub(super) reason: String,
}

impl Directory {
    pub(super) fn listed(self, pattern: PathPattern) -> ListedPath {
        ListedPath { path: self.path, pattern, reason: self.reason }
    }
}

/// What is excused.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExemptionEntry {
    /// The rules that it answers; `"*"` is every rule.
    pub(super) rules: OneOrMany,
    /// Where. All keys must fit, and each takes one text or a list.
    #[serde(rename = "match")]
    pub(super) scope: Match,
    /// Why.
    pub(super) reason: String,
    /// The last day (UTC) on which it holds, as `2027-01-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
}

/// Where an exemption holds: globs (`*` is any text, `?` one character), or regular expressions
/// between slashes.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Match {
    /// The object's namespace; `"*"` is all. Only a PersistentVolume has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<OneOrMany>,
    /// The kind of the object, or of the workload that controls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<OneOrMany>,
    /// The name of the object, or of the workload that controls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<OneOrMany>,
    /// The volume's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) volume: Option<OneOrMany>,
    /// The container's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<OneOrMany>,
    /// The effective path; `/var/log/**` is `/var/log` and everything below. A regular expression
    /// is `/^…/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<OneOrMany>,
    /// What the container may do there; `write` covers reading, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<Access>,
}

/// What holds for `volcheck lint` alone.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LintSection {
    /// What isn't read: globs, relative to the document's folder.
    pub(super) exclude: Vec<String>,
    /// The namespace of objects that name none.
    pub(super) namespace: Option<String>,
    /// The baseline's file, relative to the document's folder.
    pub(super) baseline: Option<String>,
}

/// What admission does in a namespace. It can only weaken what the severities say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = with_false)]
pub enum Mode {
    /// Errors deny.
    #[default]
    Deny,
    /// Errors warn.
    Warn,
    /// Findings are audited.
    Audit,
    /// Nothing is judged.
    Off,
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor(PhantomData))
    }
}

impl Word for Mode {
    const EXPECTED: &'static str = "deny, warn, audit or off";

    fn of<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "deny" => Ok(Self::Deny),
            "warn" => Ok(Self::Warn),
            "audit" => Ok(Self::Audit),
            "off" => Ok(Self::Off),
            word => Err(E::unknown_variant(word, &["deny", "warn", "audit", "off"])),
        }
    }
}

/// What is written as a word, one of them `off`.
trait Word: Sized {
    /// All of the words.
    const EXPECTED: &'static str;

    /// What the word means.
    fn of<E: de::Error>(word: &str) -> Result<Self, E>;
}

/// Reads a [`Word`]; `off` may have become a boolean, as Helm makes it one, which reads YAML 1.1.
struct WordVisitor<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        T::of(word)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        match value {
            false => T::of("off"),
            true => Err(E::invalid_value(de::Unexpected::Bool(true), &self)),
        }
    }
}

fn with_false(schema: &mut Schema) {
    if let Some(words) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) {
        words.push(serde_json::json!({ "description": "`off`, as YAML 1.1 reads it.", "const": false }));
    }
}

/// What admission does with workloads that make Pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadMode {
    /// Errors warn; the Pods are denied when they come.
    #[default]
    Warn,
    /// Errors deny.
    Deny,
}

/// One text, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct OneOrMany(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;
        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One text, or a list of them.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}

/// What a document says of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleSetting {
    /// How much it counts.
    pub(super) level: Option<Level>,
    /// Its options.
    pub(super) options: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for RuleSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, DeriveDeserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Long {
            severity: Option<LevelWord>,
            options: BTreeMap<String, String>,
        }
        struct ShortOrLong;
        impl<'de> Visitor<'de> for ShortOrLong {
            type Value = RuleSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("error, warning, info, off, or a mapping with `severity` and `options`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RuleSetting, E> {
                let level = Some(LevelWord::of(word)?.0);
                Ok(RuleSetting { level, ..RuleSetting::default() })
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RuleSetting, E> {
                let level = Some(WordVisitor::<LevelWord>(PhantomData).visit_bool(value)?.0);
                Ok(RuleSetting { level, ..RuleSetting::default() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RuleSetting, A::Error> {
                let long = Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RuleSetting { level: long.severity.map(|word| word.0), options: long.options })
            }
        }
        deserializer.deserialize_any(ShortOrLong)
    }
}

/// `off`, or a severity.
struct LevelWord(Level);

impl<'de> Deserialize<'de> for LevelWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor(PhantomData))
    }
}

impl Word for LevelWord {
    const EXPECTED: &'static str = "error, warning, info or off";

    fn of<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "off" => Ok(Self(Level::Off)),
            word => word
                .parse::<Severity>()
                .map(|severity| Self(Level::As(severity)))
                .map_err(|_| E::invalid_value(de::Unexpected::Str(word), &Self::EXPECTED)),
        }
    }
}

impl JsonSchema for RuleSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleSetting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let level = serde_json::json!({ "enum": ["error", "warning", "info", "off", false] });
        json_schema!({
            "description": "A severity or `off`, or a mapping.",
            "anyOf": [level.clone(), {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "severity": level,
                    "options": { "type": "object", "additionalProperties": { "type": "string" } },
                },
            }],
        })
    }
}

/// The JSON schema of a policy document.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap_or_default();
    text.push('\n');
    text
}
