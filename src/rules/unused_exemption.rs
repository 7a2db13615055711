//! An exemption of the policy matches no finding.
//!
//! ## What it does
//!
//! Reports each active exemption in the policy file that matches no finding. The rule runs only if
//! volcheck checks the entire directory that contains the policy file, without the flags
//! `--select`, `--ignore` and `--exclude`. Exemptions of policies that the file extends are not
//! reported, because these policies may also apply to other directories and repositories. Neither
//! are exemptions with `user` or `group`, which apply only in the webhook.
//!
//! If an exemption matches a finding except for one key, the report of this finding names the
//! exemption and the key.
//!
//! ## Why is this bad?
//!
//! Either the finding is fixed, or the exemption never matched because its `rules` or `match` are
//! wrong. A fixed finding could return later, and the exemption would then hide it.
//!
//! ## Example
//!
//! The workload is a DaemonSet `log-agent` in the namespace `logging`, so this exemption does not
//! match it:
//!
//! ```yaml,bad
//! version: 1
//! exemptions:
//! - rules: [writable-host-path] # finding
//!   match: { namespace: logging, kind: Deployment, name: log-agent }
//!   reason: the agent stores its offsets there
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! version: 1
//! exemptions:
//! - rules: [writable-host-path]
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent stores its offsets there
//! ```
//!
//! ## When to allow it
//!
//! If the exemption is for objects that exist only in the cluster, set the severity of the rule to
//! `info` or `off` in the policy.

use super::support::wording::quoted;
use super::{Check, ExemptionFacts, FixClass, Group, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-exemption"),
    summary: "an exemption of the policy matches no finding",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("the finding is about the policy, not about an object"),
    source: include_str!("unused_exemption.rs"),
    check: Check::Exemption(check),
};

fn check(exemption: &ExemptionFacts<'_>, out: &mut Vec<Finding>) {
    if !exemption.is_unused {
        return;
    }
    let message = format!("unused exemption with reason {}", quoted(exemption.reason));
    let finding = Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
        .why("the finding is fixed, or `rules` or `match` is wrong; the exemption can hide a later finding")
        .help("remove the exemption, unless it is for objects that exist only in the cluster");
    out.push(finding);
}
