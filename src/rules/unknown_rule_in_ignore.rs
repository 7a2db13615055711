//! A comment or an annotation names no rule.
//!
//! ## What it does
//!
//! Reports each name in `# volcheck: ignore[…]` and behind `ignore.volcheck.io/` that no rule has. It silences nothing.
//!
//! ## Why is this bad?
//!
//! It was meant to silence something, and doesn't.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   # volcheck: ignore[sensitive-hostpath] -- it shows the logs of the node # finding
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   # volcheck: ignore[sensitive-host-path] -- it shows the logs of the node
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never.

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-rule-in-ignore"),
    summary: "a comment or an annotation names no rule",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("comments and annotations count in lint alone"),
    source: include_str!("unknown_rule_in_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::UnknownRule { name, similar } = &problem.kind else { continue };
        let suggestion = similar.map_or_else(String::new, |id| format!("; did you mean `{id}`?"));
        let message = format!("no rule is called `{}`{suggestion}", printable(name));
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message)
            .why("it silences nothing")
            .help("`volcheck rules` lists all rules");
        out.push(finding);
    }
}
