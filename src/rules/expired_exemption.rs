//! An exemption of the policy has expired.
//!
//! ## What it does
//!
//! Reports, in the policy's file, each exemption whose `expires` is past: that is its last day, in UTC. From the
//! day after it has no effect, in lint and in the cluster alike.
//!
//! ## Why is this bad?
//!
//! What it was for is reported and denied again, and whoever meets that should learn why.
//!
//! ## Example
//!
//! ```yaml,bad
//! version: 1
//! exemptions:
//! - rules: [writable-host-path] # finding
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent writes its positions there until version 3
//!   expires: 2020-01-31
//! ```
//!
//! ```yaml,good
//! version: 1
//! exemptions:
//! - rules: [writable-host-path]
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent writes its positions there until version 3
//!   expires: 2120-01-31
//! ```
//!
//! ## When to allow it
//!
//! Never: remove the exemption, or give it another day.

use super::{Check, ExemptionFacts, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("expired-exemption"),
    summary: "an exemption of the policy has expired, and has no effect",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("it is about the policy, no object: `volcheck lint` with the same policy says it"),
    source: include_str!("expired_exemption.rs"),
    check: Check::Exemption(check),
};

fn check(exemption: &ExemptionFacts<'_>, out: &mut Vec<Finding>) {
    let Some(last_day) = exemption.expired else { return };
    let message = format!("this exemption has expired: {last_day} was its last day");
    let finding = Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
        .why("it excuses nothing any more, so what it was for is reported, and denied, again")
        .help("mend what it was for and remove it, or give it another day with a reason that still holds");
    out.push(finding);
}
