//! A comment or an annotation that silences gives no reason.
//!
//! ## What it does
//!
//! Reports each `# volcheck: ignore[RULE]` without `-- reason`, and each annotation `ignore.volcheck.io/RULE` whose value
//! gives none. Off unless the policy turns it on.
//!
//! ## Why is this bad?
//!
//! Nobody will know when it can go.
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
//!   # volcheck: ignore[sensitive-host-path]
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
//! Where the reasons stand elsewhere: it is off by default.

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ignore-without-reason"),
    summary: "a comment or an annotation that silences gives no reason",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("comments and annotations count in lint alone"),
    source: include_str!("ignore_without_reason.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::NoReason(by) = problem.kind else { continue };
        let message = format!("this {} gives no reason", by.noun());
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message)
            .why("nobody will know when it can go")
            .help("say why: `… -- reason`");
        out.push(finding);
    }
}
