//! A field of an object has a value of the wrong type.
//!
//! ## What it does
//!
//! Reports the first field of an object that volcheck knows whose value isn't of its type, such as a number where
//! the API server reads a string. The object isn't judged any further, all others are; the run ends in exit code 2.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object. YAML makes it easy: kubectl reads an unquoted `y`, `n`, `on`, `no` or `yes` as
//! a boolean, and `010` as a number, also where a name or a path belongs. The other way round, `"true"` in quotes
//! is a string, and no boolean.
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!       readOnly: 1 # finding
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!       readOnly: true
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Never. It can't be silenced by a comment, only left out by its path (`--exclude`).
//!
//! ## References
//!
//! - [YAML 1.1: Boolean](https://yaml.org/type/bool.html)

use super::{Check, FixClass, Group, Rule, Unchecked};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ExpectedType, FieldErrorKind, printable};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("invalid-field-value"),
    summary: "a field of an object has a value of the wrong type",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("invalid_field_value.rs"),
    check: Check::Unchecked(check),
};

fn check(unchecked: &Unchecked<'_>, out: &mut Vec<Finding>) {
    let Unchecked::InvalidField { error, kind } = unchecked else { return };
    if matches!(error.kind, FieldErrorKind::TooLarge(_)) {
        return;
    }
    let kind = kind.map_or_else(String::new, |kind| format!(" of this {}", printable(kind)));
    let message = format!("`{}`{kind}: {}", printable(&error.path.to_string()), error.kind);
    let finding = Finding::new(RULE.id, Severity::Error, error.path.clone(), message)
        .why("the API server refuses the object, and it isn't judged here")
        .help(help(&error.kind));
    out.push(finding);
}

fn help(kind: &FieldErrorKind) -> &'static str {
    match kind {
        FieldErrorKind::WrongType { expected: ExpectedType::String, found } if found.is_scalar() => {
            "put it in quotes: kubectl reads it as something else than text"
        }
        FieldErrorKind::WrongType { expected: ExpectedType::Boolean, .. } => {
            "write `true` or `false`, without quotes"
        }
        _ => "write it as the API server reads it",
    }
}
