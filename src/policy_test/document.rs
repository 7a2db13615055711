//! Policy test files as written.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Verdict;
use crate::finding::Severity;

/// The test cases for a volcheck policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "volcheck policy test")]
pub(super) struct Document {
    /// The version of the format, which is 1.
    #[schemars(schema_with = "version_schema")]
    pub(super) version: i64,
    /// The policy file to test, relative to this file. `--policy` takes precedence. Defaults to the
    /// policy that `volcheck lint` uses in the current directory.
    #[serde(default)]
    pub(super) policy: Option<String>,
    /// The date on which the cases run, such as `2027-01-31`. It decides which exemptions have
    /// expired. Defaults to the current date (UTC).
    #[serde(default)]
    pub(super) today: Option<String>,
    /// The cases.
    #[schemars(extend("minItems" = 1))]
    pub(super) cases: Vec<CaseEntry>,
}

fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "description": "The version of the format, which is 1.", "const": 1 })
}

/// A case: a manifest, and the findings or the verdict to expect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["manifest"] }, { "required": ["inline"] }],
    "anyOf" = [{ "required": ["findings"] }, { "required": ["verdict"] }]
))]
pub(super) struct CaseEntry {
    /// The name of the case, unique in the file.
    pub(super) name: String,
    /// The path of the manifest, relative to this file.
    #[serde(default)]
    pub(super) manifest: Option<String>,
    /// The text of the manifest, instead of `manifest`.
    #[serde(default)]
    pub(super) inline: Option<String>,
    /// The date on which the case runs, instead of the date of the file.
    #[serde(default)]
    pub(super) today: Option<String>,
    /// The namespace of objects that do not specify one, instead of the namespace of the policy.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// The findings that `volcheck lint` reports. The case fails if it reports others, too.
    #[serde(default)]
    pub(super) findings: Option<Vec<ExpectedFinding>>,
    /// The lowest severity of the findings to compare. Defaults to `warning`.
    #[serde(default)]
    pub(super) min_severity: Option<Severity>,
    /// Whether findings that are not listed are accepted. Defaults to `false`.
    #[serde(default)]
    pub(super) allow_other_findings: Option<bool>,
    /// The verdict of the webhook if the objects of the manifest are created. If the verdicts on
    /// the objects differ, the strictest one counts.
    #[serde(default)]
    pub(super) verdict: Option<Verdict>,
    /// The labels of the namespace of the objects, for `verdict`. Only `volcheck.io/mode` has an
    /// effect.
    #[serde(default)]
    pub(super) namespace_labels: Option<BTreeMap<String, String>>,
    /// The user who creates the objects, for `verdict`.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// The groups of the user, for `verdict`.
    #[serde(default)]
    pub(super) groups: Option<Vec<String>>,
}

/// An expected finding.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedFinding {
    pub(super) rule: String,
    pub(super) severity: Severity,
    /// The field that the finding is about, such as `spec.volumes[0].hostPath`. If not set, any
    /// field matches.
    #[serde(default)]
    pub(super) field: Option<String>,
    /// The path of the finding, as in the key `path` of an exemption, without wildcards. If not
    /// set, any path matches.
    #[serde(default)]
    pub(super) path: Option<String>,
}

/// Returns the JSON schema of a policy test file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap_or_default();
    text.push('\n');
    text
}
