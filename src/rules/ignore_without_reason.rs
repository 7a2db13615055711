//! An ignore has no reason.
//!
//! ## What it does
//!
//! An ignore is a comment or an annotation that suppresses findings. The rule reports:
//!
//! - each comment `# volcheck: ignore[RULE]` or `# volcheck: ignore-file[RULE]` with nothing, or
//!   only `--`, after the `]`
//! - each annotation `ignore.volcheck.io/RULE` whose value contains no reason
//!
//! The rule is off unless the policy or the flag `--select` enables it.
//!
//! ## Why is this bad?
//!
//! Without a reason, readers cannot tell when the ignore can be removed.
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
//!   # volcheck: ignore[sensitive-host-path] -- shows the node's logs
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the reasons are documented elsewhere.

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ignore-without-reason"),
    summary: "an ignore has no reason",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("comments and annotations apply only to `volcheck lint`"),
    source: include_str!("ignore_without_reason.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::NoReason(by) = problem.kind else { continue };
        let message = format!("this {} has no reason", by.noun());
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message)
            .why("readers cannot tell when it can be removed")
            .help("append `-- reason`");
        out.push(finding);
    }
}
