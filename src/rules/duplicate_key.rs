//! A key stands twice in one mapping of an object.
//!
//! ## What it does
//!
//! Reports each key that a mapping has more than once, in objects that volcheck judges. It is an error where the
//! two values differ, else a warning. The last one counts, as for kubectl.
//!
//! ## Why is this bad?
//!
//! kubectl applies the last value without a word, even of two `spec:`, in YAML and in JSON. Other readers take the
//! first, or refuse the file: what was reviewed need not be what runs. Nothing in the cluster can see it, since
//! kubectl sends only what it has kept.
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
//! - [kubectl drops duplicate keys in silence](https://github.com/kubernetes/kubernetes/issues/14791)

use super::{Check, FixClass, Group, Rule, TextFacts};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("duplicate-key"),
    summary: "a key stands twice in one mapping of an object",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("kubectl drops all but the last before it sends the object"),
    source: include_str!("duplicate_key.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    for duplicate in &facts.duplicate_keys {
        let severity = if duplicate.has_same_value { Severity::Warning } else { Severity::Error };
        let message = format!("key `{}` stands twice in one mapping", printable(&duplicate.key));
        let finding = Finding::at_mark(RULE.id, severity, duplicate.kept, message)
            .why("kubectl applies the last one without a word, and nothing in the cluster sees the other")
            .help("remove one of the two")
            .label("this one counts")
            .related_mark(duplicate.dropped, "this one is dropped")
            .path(&duplicate.key);
        out.push(finding);
    }
}
