//! An entry of the baseline matches nothing any more.
//!
//! ## What it does
//!
//! Reports that the baseline holds findings which this run doesn't have, or more of them. Only where the run covers the
//! policy's whole folder, with all of its rules.
//!
//! ## Why is this bad?
//!
//! They would hide the same findings, should they come back.
//!
//! ## Example
//!
//! With a baseline that holds `writable-host-path` of the container `agent` in the DaemonSet `logging/log-agent`:
//!
//! ```yaml,bad
//! apiVersion: apps/v1 # finding
//! kind: DaemonSet
//! metadata:
//!   name: another-agent
//!   namespace: logging
//! ```
//!
//! Run `volcheck baseline --prune`. As long as the finding is there, nothing is said:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata:
//!   name: log-agent
//!   namespace: logging
//! spec:
//!   template:
//!     spec:
//!       containers:
//!       - name: agent
//!         image: agent
//!         volumeMounts:
//!         - name: logs
//!           mountPath: /logs
//!       volumes:
//!       - name: logs
//!         hostPath:
//!           path: /var/log
//!           type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never.

use super::{BaselineFacts, Check, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-baseline"),
    summary: "an entry of the baseline matches nothing any more",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the webhook knows no baseline"),
    source: include_str!("stale_baseline.rs"),
    check: Check::Baseline(check),
};

fn check(baseline: &BaselineFacts, out: &mut Vec<Finding>) {
    let message = match baseline.stale {
        0 => return,
        1 => "an entry of the baseline matches nothing any more".to_owned(),
        count => format!("{count} entries of the baseline match nothing any more"),
    };
    let more = match baseline.stale - baseline.examples.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let finding = Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
        .why(format!("they would hide what comes back: {}{more}", baseline.examples.join("; ")))
        .help("`volcheck baseline --prune` takes out what is gone");
    out.push(finding);
}
