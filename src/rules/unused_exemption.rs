//! An exemption of the policy matches nothing.
//!
//! ## What it does
//!
//! Reports, in the policy's file, each exemption that excused nothing. Only where the run covers the policy's whole
//! folder, with all of its rules: the same policy serves clusters that this run doesn't see, so it is an info.
//! Exemptions of a pack are never reported.
//!
//! ## Why is this bad?
//!
//! What it was for is gone, or one of its keys never fitted. It would excuse whatever comes later under that name.
//!
//! ## Example
//!
//! Beside the DaemonSet `log-agent` in the namespace `logging`:
//!
//! ```yaml,bad
//! version: 1
//! exemptions:
//! - rules: [writable-host-path] # finding
//!   match: { namespace: logging, kind: Deployment, name: log-agent }
//!   reason: the agent writes its positions there
//! ```
//!
//! ```yaml,good
//! version: 1
//! exemptions:
//! - rules: [writable-host-path]
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent writes its positions there
//! ```
//!
//! ## When to allow it
//!
//! Where it is for objects that no manifest here makes.

use super::{Check, ExemptionFacts, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldPath, printable};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-exemption"),
    summary: "an exemption of the policy matches nothing",
    group: Group::Run,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("it is about the policy, no object: `volcheck lint` with the same policy says it"),
    source: include_str!("unused_exemption.rs"),
    check: Check::Exemption(check),
};

fn check(exemption: &ExemptionFacts<'_>, out: &mut Vec<Finding>) {
    if !exemption.is_unused {
        return;
    }
    let message = format!("this exemption matches nothing: {}", printable(exemption.reason));
    let finding = Finding::new(RULE.id, Severity::Info, FieldPath::root(), message)
        .why("what it was for is gone, or one of its keys doesn't fit; it would excuse what comes later")
        .help("remove it, unless it is for objects that only the cluster has");
    out.push(finding);
}
