//! Policy documents as written: `volcheck.yaml`, and the profiles and packs in `policies/`.
//!
//! Decoding rejects unknown keys and wrong types. All other requirements on values are checked when
//! the document is converted to a [`MergedPolicy`](super::merged::MergedPolicy).

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::chart::ChartSettings;
use super::pattern::why_unreachable;
use super::profile::Profile;
use super::setting::{Keyword, KeywordVisitor, RuleSetting, override_severities_schema};
use crate::finding::{Access, Ignores, Severity};
use crate::model::{CustomWorkload, KubernetesVersion, PathPattern, known_sources};
use crate::rules::{Entry, EntryClass, HostPathType, ListedPath, Registry};

/// A volcheck policy.
#[derive(Clone, Debug, Default, DeriveDeserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "volcheck policy", extend("required" = ["version"]))]
pub(super) struct Document {
    /// The version of the format, which is 1.
    #[schemars(schema_with = "version_schema")]
    pub(super) version: Option<i64>,
    /// The profile: a built-in set of rule levels on which the policy is based. Defaults to
    /// `recommended`.
    pub(super) profile: Option<Profile>,
    /// The packs, such as `node-agents`, and the policy files to extend. Paths are relative to this
    /// file. Later entries override earlier ones, and this file overrides all of them.
    pub(super) extends: Vec<String>,
    /// The level of each rule: a severity, `off`, or a mapping with `severity` and `options`. With
    /// `until` and `then`, the level changes on a date. The key `"*"` sets the level of all rules
    /// for which this file sets no other level, except for the rules that report unchecked input.
    #[schemars(transform = list_rule_ids)]
    pub(super) rules: BTreeMap<String, RuleSetting>,
    /// The version of Kubernetes that runs the objects, such as `1.33`. Defaults to the newest
    /// version that volcheck knows.
    #[schemars(with = "Option<String>", extend("pattern" = r"^v?1\.[0-9]+([.+-].*)?$"))]
    pub(super) kubernetes_version: Option<KubernetesVersion>,
    /// Settings for paths on the node.
    pub(super) host_paths: HostPaths,
    /// Settings for the types of volumes.
    pub(super) volume_types: VolumeTypes,
    /// Settings for PersistentVolumeClaims.
    pub(super) claims: Claims,
    /// Directories in containers where applications store data, in addition to the built-in ones.
    pub(super) data_directories: Vec<Directory>,
    /// Directories in containers that contain only temporary files, in addition to the built-in
    /// ones.
    pub(super) scratch_directories: Vec<Directory>,
    /// The admission mode of each namespace. The keys are names, globs or regular expressions. An
    /// exact name takes precedence, then the longest matching pattern.
    pub(super) modes: BTreeMap<String, Mode>,
    /// How mode `deny` applies to workloads such as Deployments, and to PersistentVolumeClaims.
    /// This key does not affect Pods.
    pub(super) workload_mode: Option<WorkloadMode>,
    /// The findings that comments and annotations can suppress.
    pub(super) ignores: Option<Ignores>,
    /// The findings to exempt, each with a reason.
    pub(super) exemptions: Vec<ExemptionEntry>,
    /// Severities of rules for a part of the objects. They take precedence over `rules`, and later
    /// entries over earlier ones.
    pub(super) overrides: Vec<OverrideEntry>,
    /// Custom workloads: kinds outside of Kubernetes that create Pods, with the paths of their pod
    /// specs.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub(super) workloads: Vec<CustomWorkload>,
    /// Whether lint detects pod specs and volumes by their structure, in objects of unknown kinds
    /// and in fields that `workloads` does not list. Defaults to `true`.
    pub(super) heuristic: Option<bool>,
    /// Users whose owner references the webhook trusts, in addition to the Kubernetes controllers.
    pub(super) trusted_controllers: Vec<String>,
    /// Settings that apply only to `volcheck lint`.
    pub(super) lint: LintSection,
}

fn list_rule_ids(schema: &mut Schema) {
    let rules = Registry::built_in().iter().filter(|rule| !rule.reports_unchecked_input());
    let names: Vec<&str> = std::iter::once("*").chain(rules.map(|rule| rule.id.as_str())).collect();
    schema.insert("propertyNames".to_owned(), serde_json::json!({ "enum": names }));
}

fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "description": "The version of the format, which is 1.", "const": 1 })
}

/// Settings for paths on the node.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostPaths {
    /// The only paths that workloads may use: `unlisted-host-path` reports all other paths. The
    /// other rules still check the listed paths. An empty list allows no path.
    pub(super) allow_only: Option<Vec<AllowedEntry>>,
    /// Paths on your nodes and their classes, in addition to the built-in catalog.
    pub(super) catalog: Vec<CatalogEntry>,
}

/// Settings for the types of volumes.
#[derive(Clone, Debug, Default, DeriveDeserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VolumeTypes {
    /// The only types of volumes that Pods may have, such as `configMap`: `unlisted-volume-type`
    /// reports all other types. The other rules still check volumes of the listed types. Defaults
    /// to the types that the Pod Security Standard `restricted` allows.
    #[schemars(transform = list_volume_types)]
    pub(super) allow_only: Option<Vec<String>>,
}

fn list_volume_types(schema: &mut Schema) {
    let types: Vec<&str> = known_sources().collect();
    schema.insert("items".to_owned(), serde_json::json!({ "enum": types }));
}

/// Settings for PersistentVolumeClaims.
#[derive(Clone, Debug, Default, DeriveDeserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Claims {
    /// Whether `unclassed-claim` reports every claim without a storage class. Defaults to `false`:
    /// the rule then reports such a claim only if it has a `volumeName`.
    pub(super) require_class: Option<bool>,
}

/// A path that workloads may use, including everything below it.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllowedEntry {
    /// The path, absolute and clean. Each segment can contain at most one `*`.
    pub(super) path: String,
    /// Whether workloads must mount the path read-only.
    #[serde(default)]
    pub(super) read_only: bool,
}

/// A path on the node and its class.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogEntry {
    /// The path, absolute and clean. Each segment can contain at most one `*`.
    pub(super) path: String,
    /// The class: `socket`, `critical`, `credentials`, `agent-socket`, `sensitive` or `harmless`.
    pub(super) class: EntryClass,
    /// The reason for the class, as a verb phrase that follows the path in messages.
    pub(super) reason: String,
    /// The type of the file at the path, as in `hostPath.type`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) file_type: Option<HostPathType>,
    /// The severity of findings about this path. Required for the class `agent-socket` and not
    /// allowed for other classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<Severity>,
}

impl CatalogEntry {
    /// Converts the entry to an entry of the catalog, or returns the problem with it.
    pub(super) fn into_entry(self) -> Result<Entry, String> {
        let pattern = PathPattern::new(&self.path)
            .ok_or_else(|| format!("`{}` never matches: {}", self.path, why_unreachable(&self.path)))?;
        if (self.class == EntryClass::AgentSocket) != self.severity.is_some() {
            return Err(
                "`severity` is required for class `agent-socket` and not allowed for others".to_owned()
            );
        }
        let Self { path, class, reason, file_type, severity } = self;
        Ok(Entry { path, pattern, class, reason, file_type, severity })
    }
}

/// A directory in a container.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    /// The path in the container, absolute and clean. Each segment can contain at most one `*`.
    pub(super) path: String,
    /// The contents of the directory, as a verb phrase that follows the path in messages.
    pub(super) reason: String,
}

impl Directory {
    pub(super) fn into_listed_path(self, pattern: PathPattern) -> ListedPath {
        ListedPath { path: self.path, pattern, reason: self.reason }
    }
}

/// An exemption.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExemptionEntry {
    /// The rules whose findings are exempt. `"*"` matches all rules that can be exempted.
    pub(super) rules: OneOrMany,
    /// The scope of the exemption. A finding is exempt only if it matches all keys.
    #[serde(rename = "match")]
    pub(super) scope: Match,
    /// The reason for the exemption. Must not be empty.
    pub(super) reason: String,
    /// The last day (UTC) on which the exemption is active, such as `2027-01-31`. If not set, the
    /// exemption never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// The severity to which the exemption lowers findings: `warning` or `info`. If not set, the
    /// exemption suppresses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<Severity>,
}

/// Severities of rules for a part of the objects.
#[derive(Clone, Debug, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideEntry {
    /// The scope of the override. A finding gets the severity only if it matches all keys. The keys
    /// are those of exemptions, except for `user` and `group`.
    #[serde(rename = "match")]
    #[schemars(schema_with = "override_scope_schema")]
    pub(super) scope: Match,
    /// The severity of each rule. The key `"*"` sets the severity of all rules that are enabled and
    /// that this entry does not name.
    #[schemars(schema_with = "override_severities_schema", transform = list_overridable_rules)]
    pub(super) rules: BTreeMap<String, RuleSetting>,
}

fn override_scope_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Match::json_schema(generator);
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.remove("user");
        properties.remove("group");
    }
    schema
}

fn list_overridable_rules(schema: &mut Schema) {
    let rules = Registry::built_in().iter().filter(|rule| rule.is_exemptable());
    let names: Vec<&str> = std::iter::once("*").chain(rules.map(|rule| rule.id.as_str())).collect();
    schema.insert("propertyNames".to_owned(), serde_json::json!({ "enum": names }));
}

/// The scope of an exemption. Each key except `access` takes a pattern or a list of patterns. A
/// pattern is a name, a glob (`*` matches any text, `?` any single character), or a regular
/// expression between slashes. The patterns of `path` differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Match {
    /// The namespace of the object. `"*"` matches all namespaces. Required except for
    /// PersistentVolumes and StorageClasses, which have no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<OneOrMany>,
    /// The kind of the object, or of the workload that controls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<OneOrMany>,
    /// The name of the object, or of the workload that controls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<OneOrMany>,
    /// The name of the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) volume: Option<OneOrMany>,
    /// The name of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<OneOrMany>,
    /// The path of the finding: the effective host path, which is clean and contains no alias such
    /// as `/var/run`, or for some rules a path in the container. Each segment can contain at most
    /// one `*`. `/var/log/**` matches `/var/log` and all paths below it. A regular expression must
    /// start with `/^`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<OneOrMany>,
    /// The access to exempt: `read` or `write`. `write` also exempts read access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<Access>,
    /// The name of the user who sends the object to the API server. With this key or `group`, the
    /// exemption applies only at admission, and neither to workloads nor to the Pods that their
    /// controllers create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<OneOrMany>,
    /// A group of the user who sends the object to the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<OneOrMany>,
}

/// Settings that apply only to `volcheck lint`.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LintSection {
    /// Patterns of paths to exclude, with the syntax of `.gitignore` and relative to the directory
    /// of this file.
    pub(super) exclude: Vec<String>,
    /// The namespace to assume for objects that do not specify one. Defaults to `default`.
    pub(super) namespace: Option<String>,
    /// The path of the baseline, relative to the directory of this file.
    pub(super) baseline: Option<String>,
    /// Whether to render the charts and kustomizations in the searched directories, as `--render`
    /// does. Defaults to `false`.
    pub(super) render: Option<bool>,
    /// How `--render` and `render` render charts. Other charts are rendered with their default
    /// values or, if they have files `ci/*-values.yaml`, once with each of these files.
    pub(super) charts: Vec<ChartSettings>,
}

/// The admission mode of a namespace. It decides whether objects that have errors or cannot be
/// checked are admitted. In every mode, objects that have only warnings and infos are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = accept_false)]
pub enum Mode {
    /// Deny Pods and PersistentVolumes that have errors or cannot be checked, and return warnings
    /// as admission warnings. For workloads and PersistentVolumeClaims, see `workloadMode`.
    #[default]
    Deny,
    /// Admit all objects, and return errors and warnings as admission warnings.
    Warn,
    /// Admit all objects without warnings, and record findings in audit annotations.
    Audit,
    /// Admit objects without checking them.
    Off,
}

impl Mode {
    /// Returns the name, as in the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeywordVisitor(PhantomData))
    }
}

impl Keyword for Mode {
    const EXPECTED: &'static str = "deny, warn, audit or off";

    fn from_keyword<E: de::Error>(keyword: &str) -> Result<Self, E> {
        match keyword {
            "deny" => Ok(Self::Deny),
            "warn" => Ok(Self::Warn),
            "audit" => Ok(Self::Audit),
            "off" => Ok(Self::Off),
            keyword => Err(E::unknown_variant(keyword, &["deny", "warn", "audit", "off"])),
        }
    }
}

fn accept_false(schema: &mut Schema) {
    if let Some(variants) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) {
        let description = "The same as `off`, which YAML 1.1 parses as `false`.";
        variants.push(serde_json::json!({ "description": description, "const": false }));
    }
}

/// How mode `deny` applies to workloads such as Deployments, and to PersistentVolumeClaims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadMode {
    /// In mode `deny`, admit workloads and claims with errors, and return the errors as admission
    /// warnings. Pods with errors are still denied.
    #[default]
    Warn,
    /// In mode `deny`, deny workloads and claims with errors.
    Deny,
}

/// A string, or a list of strings.
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
            "description": "A string, or a list of strings.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}

/// Returns the JSON schema of a policy document.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap_or_default();
    text.push('\n');
    text
}
