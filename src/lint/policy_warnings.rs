//! Warnings about valid policies that probably do not have the intended effect.

use std::collections::BTreeSet;

use crate::engine::judge;
use crate::finding::{Family, Finding, RuleId, Severity};
use crate::model::{self, Origin, Str, TypeMeta};
use crate::policy::{Date, Policy};
use crate::rules::{AllowedHostPath, Subject};
use crate::source::{self, NodeRef};

/// Returns a warning for each part of the policy that probably does not have the intended effect.
/// Each warning starts with the key or the location of the part.
pub fn policy_warnings(policy: &Policy, today: Date) -> Vec<String> {
    let mut warnings = Vec::new();
    let allow_lists = [
        ("hostPaths.allowOnly", "unlisted-host-path", policy.options.allowed_host_paths.is_some()),
        ("volumeTypes.allowOnly", "unlisted-volume-type", policy.options.allowed_volume_types.is_some()),
    ];
    for (key, rule, is_set) in allow_lists {
        if is_set && !policy.is_enabled(RuleId::new(rule)) {
            warnings.push(format!("`{key}` forbids nothing, because the rule `{rule}` is off"));
        }
    }
    for entry in policy.options.allowed_host_paths.iter().flatten() {
        warnings.extend(still_reported(entry, policy, today));
    }
    for mode in policy.redundant_deny_modes() {
        warnings.push(format!(
            "`modes`: `{mode}: deny` has no effect, because `deny` is the default for all namespaces; to set \
             another default, add the key `\"*\"`"
        ));
    }
    let exemptions = policy.exemptions().map(|(_, exemption)| exemption);
    for exemption in exemptions.filter(|exemption| exemption.location.is_some()) {
        let mut enabled = policy.enabled_rules();
        if exemption.covers_everything() {
            warnings.push(format!("{}: exempts all findings about all namespaces", exemption.origin));
        } else if !enabled.any(|(rule, _)| rule.is_exemptable() && exemption.covers_rule(rule.id)) {
            warnings.push(format!("{}: exempts nothing, because its rules are off", exemption.origin));
        }
    }
    warnings
}

/// Returns a warning if other rules still report mounts that an entry of the allow list permits,
/// and no exemption covers these findings.
fn still_reported(entry: &AllowedHostPath, policy: &Policy, today: Date) -> Option<String> {
    let is_covered = |finding: &Finding| {
        let path = &finding.fingerprint.path;
        let mut exemptions = policy.exemptions().map(|(_, exemption)| exemption);
        exemptions.any(|exemption| exemption.covers_rule(finding.rule) && exemption.covers_path(path))
    };
    let is_about_access = |finding: &Finding| {
        finding.family == Some(Family::Path) || finding.rule == RuleId::new("writable-host-path")
    };
    let findings = findings_about(entry, policy, today);
    let rules: BTreeSet<RuleId> = findings
        .iter()
        .filter(|finding| {
            finding.severity > Severity::Info && is_about_access(finding) && !is_covered(finding)
        })
        .map(|finding| finding.rule)
        .collect();
    if rules.is_empty() {
        return None;
    }
    let names: Vec<_> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    let (verb, mounts) = (
        if names.len() == 1 { "reports" } else { "report" },
        if entry.is_read_only { "" } else { "writable " },
    );
    Some(format!(
        "`hostPaths.allowOnly` permits `{}`, but exempts nothing: {} still {verb} {mounts}mounts of it; to accept \
         them, add an exemption",
        entry.path,
        names.join(" and "),
    ))
}

/// Returns the findings about a Pod that mounts the path of the entry with the access that the
/// entry permits.
fn findings_about(entry: &AllowedHostPath, policy: &Policy, today: Date) -> Vec<Finding> {
    let path = serde_json::Value::from(entry.path.replace('*', "any"));
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i, \
         volumeMounts: [{{name: v, mountPath: /v, readOnly: {}}}]}}], volumes: [{{name: v, hostPath: {{path: \
         {path}}}}}]}}}}",
        entry.is_read_only
    );
    let Ok(Some(tree)) = source::parse(&text, 0..text.len()) else { return Vec::new() };
    let node = NodeRef { tree: &tree, node: tree.root() };
    let meta = TypeMeta { api_version: Str::owned("v1"), kind: Str::owned("Pod") };
    match model::decode_built_in(node, &meta, &policy.namespace, Origin::Manifest) {
        Some(Ok(object)) => judge(Subject::Object(&object), policy, today).findings,
        _ => Vec::new(),
    }
}
