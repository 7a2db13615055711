//! A comment or an annotation silences nothing.
//!
//! ## What it does
//!
//! Reports each rule that a comment `# volcheck: ignore[RULE]` or an annotation `ignore.volcheck.io/RULE` names, and
//! that has no finding there. A comment covers what begins on its line, or, on a line of its own, on the next one: on
//! `- name: data` the whole item. An annotation covers its object, or, in a template, what the template makes.
//!
//! ## Why is this bad?
//!
//! What it was for is gone, or somewhere else. It would hide what comes later, and nobody looks for it any more.
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
//!   # volcheck: ignore[runtime-socket] -- it shows the logs of the node # finding
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
//! Never: remove it, or put it where the finding is.

use super::{Check, FixClass, Group, IgnoreFacts, Rule};
use crate::finding::{Finding, Ignores, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-ignore"),
    summary: "a comment or an annotation silences nothing",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("comments and annotations count in lint alone"),
    source: include_str!("unused_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    let why = match facts.limit {
        Ignores::All => "what it was for is gone, or elsewhere; it would hide what comes later",
        Ignores::Warnings => {
            "the policy lets comments and annotations silence no errors (`ignores: warnings`)"
        }
        Ignores::None => "the policy lets comments and annotations silence nothing (`ignores: none`)",
    };
    out.extend(facts.unused.iter().map(|ignore| {
        let message = format!(
            "this {} silences nothing: there is no such finding of `{}`",
            ignore.by.noun(),
            ignore.rule
        );
        Finding::at_mark(RULE.id, Severity::Warning, ignore.mark, message)
            .why(why)
            .help("remove it, or put it where the finding is")
    }));
}
