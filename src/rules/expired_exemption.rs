//! An exemption of the policy has expired.
//!
//! ## What it does
//!
//! Reports each exemption of the policy file if its `expires` date is in the past. An exemption is
//! active until the end of that day in UTC. An expired exemption has no effect in `volcheck lint`
//! or in the webhook.
//!
//! ## Why is this bad?
//!
//! Findings that the exemption suppressed are reported again, and findings whose severity it
//! lowered have their full severity again. The webhook may therefore deny the objects again. The
//! finding of this rule shows the cause.
//!
//! ## Example
//!
//! ```yaml,bad
//! version: 1
//! exemptions:
//! - rules: [writable-host-path] # finding
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent stores its offsets there until version 3
//!   expires: 2020-01-31
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! version: 1
//! exemptions:
//! - rules: [writable-host-path]
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent stores its offsets there until version 3
//!   expires: 2120-01-31
//! ```
//!
//! ## When to allow it
//!
//! Never. Remove the exemption, or set a later date.

use super::{Check, ExemptionFacts, FixClass, Group, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("expired-exemption"),
    summary: "an exemption of the policy has expired",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("the finding is about the policy, not about an object"),
    source: include_str!("expired_exemption.rs"),
    check: Check::Exemption(check),
};

fn check(exemption: &ExemptionFacts<'_>, out: &mut Vec<Finding>) {
    let Some(last_day) = exemption.expired else { return };
    let message = format!("expired exemption: its last day was {last_day}");
    let finding = Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
        .why("matching findings are reported again with full severity, and the webhook may deny the objects")
        .help("fix the findings and remove the exemption, or set a later date if the reason still applies");
    out.push(finding);
}
