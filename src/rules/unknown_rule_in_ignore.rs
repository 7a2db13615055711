//! An ignore names an unknown rule.
//!
//! ## What it does
//!
//! Reports each name that is not the id of a rule, in a comment `# volcheck: ignore[…]` or
//! `# volcheck: ignore-file[…]`, or in an annotation `ignore.volcheck.io/…`.
//!
//! ## Why is this bad?
//!
//! The name suppresses nothing, so volcheck still reports the finding that you wanted to suppress.
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
//!   # volcheck: ignore[sensitive-hostpath] -- it displays the node's logs # finding
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! Use instead:
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
//!   # volcheck: ignore[sensitive-host-path] -- it displays the node's logs
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never.

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-rule-in-ignore"),
    summary: "an ignore names an unknown rule",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("comments and annotations apply only to `volcheck lint`"),
    source: include_str!("unknown_rule_in_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::UnknownRule { name, similar } = &problem.kind else { continue };
        let suggestion = similar.map_or_else(String::new, |id| format!("; did you mean `{id}`?"));
        let message = format!("unknown rule `{}`{suggestion}", printable(name));
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message)
            .why("this name suppresses nothing")
            .help("run `volcheck rules` to list all rules");
        out.push(finding);
    }
}
