//! A comment or an annotation for volcheck can't be read.
//!
//! ## What it does
//!
//! Reports a comment that begins with `volcheck:`, and isn't `ignore[RULE, RULE] -- reason`, or `ignore-file[RULE] --
//! reason` before the first document; and an annotation `ignore.volcheck.io/RULE` whose value is no reason and no
//! `volume=NAME container=NAME -- reason`. It silences nothing.
//!
//! ## Why is this bad?
//!
//! A mistake in it must not silence more, or less, than somebody meant.
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
//!   # volcheck: ignore -- it shows the logs of the node # finding
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

use super::{Check, FixClass, Group, IgnoreFacts, IgnoreProblemKind, MalformedIgnore, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("malformed-ignore"),
    summary: "a comment or an annotation for volcheck can't be read",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("comments and annotations count in lint alone"),
    source: include_str!("malformed_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    for problem in &facts.problems {
        let IgnoreProblemKind::Malformed(malformed) = &problem.kind else { continue };
        let finding = Finding::at_mark(RULE.id, Severity::Warning, problem.mark, message(malformed))
            .why("it silences nothing as it is written")
            .help(
                "write `# volcheck: ignore[RULE] -- reason`, or the annotation `ignore.volcheck.io/RULE: \"reason\"`",
            );
        out.push(finding);
    }
}

fn message(malformed: &MalformedIgnore) -> String {
    match malformed {
        MalformedIgnore::MisplacedIgnoreFile => "`ignore-file` stands before the first document".to_owned(),
        MalformedIgnore::UnknownDirective => {
            "what stands behind `volcheck:` is neither `ignore[…]` nor `ignore-file[…]`".to_owned()
        }
        MalformedIgnore::NoTarget => "there is nothing here that it could be about".to_owned(),
        MalformedIgnore::NoRules => "it names no rules: `ignore[RULE, RULE]`".to_owned(),
        MalformedIgnore::EmptyRule => "a rule's name is empty".to_owned(),
        MalformedIgnore::NoDashes => {
            "what stands behind the rules is no reason: that begins with `--`".to_owned()
        }
        MalformedIgnore::NotIgnorable(rule) => {
            format!("`{rule}` can't be ignored: nothing is known about what wasn't judged")
        }
        MalformedIgnore::UnknownWord(word) => format!("`{word}` is no `volume=NAME` or `container=NAME`"),
        MalformedIgnore::UnknownKey { key, suggestion } => format!("unknown key `{key}`{suggestion}"),
        MalformedIgnore::RepeatedOrEmptyKey(key) => format!("`{key}` is empty or stands twice"),
    }
}
