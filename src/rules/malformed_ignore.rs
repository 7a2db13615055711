//! An ignore is malformed, or names a rule that cannot be ignored.
//!
//! ## What it does
//!
//! Reports these comments and annotations:
//!
//! - A comment that starts with `volcheck:`, but does not continue in one of these forms:
//!   `ignore[RULE, RULE] -- reason` or `ignore-file[RULE, RULE] -- reason`.
//! - An `ignore-file` comment after the start of the first document. In the output of `helm
//!   template`, the comment is also valid at the start of each template.
//! - An `ignore` comment that does not apply to any value, such as a comment at the end of a
//!   document.
//! - An annotation `ignore.volcheck.io/RULE` with an invalid restriction before the reason, such as
//!   `pod=web -- reason`. Valid restrictions are `volume=NAME`, `container=NAME` or both.
//! - A comment or annotation with a rule that cannot be ignored, such as `unanalyzed-document`. A
//!   comment still applies to the other rules in its list.
//!
//! An ignore without a reason is not malformed. The rule `ignore-without-reason` reports it.
//!
//! ## Why is this bad?
//!
//! volcheck does not guess the meaning of a malformed ignore. It still reports the findings that
//! the ignore was meant to suppress.
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
//!   # volcheck: ignore -- it displays the node's logs # finding
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

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, MalformedIgnore, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("malformed-ignore"),
    summary: "an ignore is malformed, or names a rule that cannot be ignored",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("comments and annotations apply only to `volcheck lint`"),
    source: include_str!("malformed_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::Malformed(malformed) = &problem.kind else { continue };
        let why = match malformed {
            MalformedIgnore::NotIgnorable(_) => "the ignore has no effect on this rule",
            _ => "a malformed ignore suppresses nothing",
        };
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message(malformed))
            .why(why)
            .help(help(malformed));
        out.push(finding);
    }
}

fn help(malformed: &MalformedIgnore) -> &'static str {
    match malformed {
        MalformedIgnore::MisplacedIgnoreFile => "move the comment before the first document of the file",
        MalformedIgnore::NotIgnorable(_) => {
            "remove the rule from the ignore, or exclude the file (`lint.exclude` in the policy)"
        }
        MalformedIgnore::NoTarget => "move the comment to the line of a value, or to the line before it",
        _ => {
            "write `# volcheck: ignore[RULE] -- reason`, or the annotation `ignore.volcheck.io/RULE: \"reason\"`"
        }
    }
}

fn message(malformed: &MalformedIgnore) -> String {
    match malformed {
        MalformedIgnore::MisplacedIgnoreFile => "`ignore-file` must precede the first document".to_owned(),
        MalformedIgnore::UnknownDirective => {
            "expected `ignore[…]` or `ignore-file[…]` after `volcheck:`".to_owned()
        }
        MalformedIgnore::NoTarget => "this comment does not apply to any value".to_owned(),
        MalformedIgnore::NoRules => "expected `[RULE]` after `ignore`".to_owned(),
        MalformedIgnore::EmptyRule => "empty rule name".to_owned(),
        MalformedIgnore::NoDashes => "expected `-- reason` after the rules".to_owned(),
        MalformedIgnore::NotIgnorable(rule) => {
            format!("`{rule}` cannot be ignored: it reports unchecked input")
        }
        MalformedIgnore::UnknownWord(word) => format!("`{word}` is not `volume=NAME` or `container=NAME`"),
        MalformedIgnore::UnknownKey { key, suggestion } => format!("unknown key `{key}`{suggestion}"),
        MalformedIgnore::RepeatedOrEmptyKey(key) => format!("`{key}` is empty or repeated"),
    }
}
