//! A mapping has a duplicate key.
//!
//! ## What it does
//!
//! Reports each key that occurs more than once in a mapping of a checked object. The finding is an
//! error if the values differ, and a warning if they are equal. volcheck uses the last value, as
//! kubectl does.
//!
//! ## Why is this bad?
//!
//! kubectl silently applies the last value, in YAML and in JSON, even if the key is `spec`. Some
//! other parsers use the first value or reject the file, so the configuration that was reviewed may
//! not be the configuration that runs. The cluster cannot detect the duplicate, because kubectl
//! sends only the last value.
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
//!       readOnly: false # finding
//!   volumes:
//!   - name: logs
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [kubectl silently drops duplicate keys](https://github.com/kubernetes/kubernetes/issues/14791)

use super::{Check, FixClass, Group, ObjectKinds, Rule, TextFacts};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-key"),
    summary: "a mapping has a duplicate key",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("kubectl sends only the last value of a duplicate key"),
    source: include_str!("duplicate_key.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    for duplicate in &facts.duplicate_keys {
        let severity = if duplicate.has_same_value { Severity::Warning } else { Severity::Error };
        let message = format!("duplicate key `{}`", printable(&duplicate.key));
        let finding = Finding::at_mark(RULE.id, severity, duplicate.kept, message)
            .why("kubectl silently applies the last value and does not send the others")
            .help("remove either key")
            .label("this key overrides the earlier key")
            .related_mark(duplicate.dropped, "kubectl drops this key")
            .path(&duplicate.key);
        out.push(finding);
    }
}
