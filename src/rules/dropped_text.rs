//! kubectl ignores text after the end of a document.
//!
//! ## What it does
//!
//! Reports text after a `...` line, which ends a YAML document, and before the next `---` line or
//! the end of the file. Comments are not reported.
//!
//! ## Why is this bad?
//!
//! kubectl splits a file at the `---` lines, and reads only one document from each part. It
//! silently ignores text after the end of that document, so it never applies objects in this text.
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
//! ...
//! apiVersion: v1 # finding
//! kind: Pod
//! metadata:
//!   name: second
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
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
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: second
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the rest of the file is intended for a program other than kubectl.
//!
//! ## References
//!
//! - [YAML 1.1](https://yaml.org/spec/1.1/)

use super::{Check, FixClass, Group, ObjectKinds, Rule, TextFacts};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("dropped-text"),
    summary: "kubectl ignores text after the end of a document",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("kubectl does not send the text to the API server"),
    source: include_str!("dropped_text.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    out.extend(facts.dropped_text.map(|mark| {
        let message = "kubectl ignores text after the end of a document";
        Finding::at_mark(RULE.id, Severity::Warning, mark, message)
            .why("kubectl never applies objects after a `...` line and before the next `---` line")
            .help("insert a `---` line before the text, or remove the text")
    }));
}
