//! The baseline has entries that match no finding.
//!
//! ## What it does
//!
//! Reports stale entries of the baseline. An entry is stale if it matches no finding, or if it
//! counts more findings than exist. The rule runs only if volcheck checks the entire directory that
//! contains the policy file, without the flags `--exclude`, `--select` and `--ignore`. Entries for
//! charts and kustomizations count only if the run renders them.
//!
//! ## Why is this bad?
//!
//! If the same finding occurs again, a stale entry hides it.
//!
//! ## Example
//!
//! The baseline contains a finding of `writable-host-path` about the container `agent` of the
//! DaemonSet `logging/log-agent`. In this input, the finding no longer exists:
//!
//! ```yaml,bad
//! apiVersion: apps/v1 # finding
//! kind: DaemonSet
//! metadata:
//!   name: another-agent
//!   namespace: logging
//! ```
//!
//! Run `volcheck baseline --prune` to remove the entry. The entry is not stale while the finding
//! exists:
//!
//! ```yaml,good
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata:
//!   name: log-agent
//!   namespace: logging
//! spec:
//!   selector: {matchLabels: {app: a}}
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

use super::{BaselineFacts, Check, FixClass, Group, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::FieldPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-baseline"),
    summary: "the baseline has entries that match no finding",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("the webhook has no baseline"),
    source: include_str!("stale_baseline.rs"),
    check: Check::Baseline(check),
};

fn check(baseline: &BaselineFacts, out: &mut Vec<Finding>) {
    let message = match baseline.stale {
        0 => return,
        1 => "the baseline has a stale entry".to_owned(),
        count => format!("the baseline has {count} stale entries"),
    };
    let more = match baseline.stale - baseline.examples.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let finding = Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
        .why(format!(
            "stale entries hide these findings if they recur: {}{more}",
            baseline.examples.join("; ")
        ))
        .help(match baseline.has_renamed_objects {
            true => {
                "run `volcheck baseline --prune` to remove stale entries; if the names of objects differ in each run, replace the part that differs with `*` in the `name` of the entry"
            }
            false => "run `volcheck baseline --prune` to remove stale entries",
        });
    out.push(finding);
}
