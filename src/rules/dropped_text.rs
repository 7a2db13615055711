//! kubectl ignores text after the end of a document.
//!
//! ## What it does
//!
//! Reports text between a line `...`, which ends a document, and the next line `---`. Comments do
//! not count.
//!
//! ## Why is this bad?
//!
//! kubectl reads one document between two lines `---` and silently ignores everything after its
//! end. Objects there are never applied, although the file suggests that they are.
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
//! The rest of the file is meant for another program than kubectl.
//!
//! ## References
//!
//! - [YAML 1.1](https://yaml.org/spec/1.1/)

use super::{Check, FixClass, Group, Rule, TextFacts};
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
    lint_only: Some("kubectl never sends the text"),
    source: include_str!("dropped_text.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    out.extend(facts.dropped_text.map(|mark| {
        let message = "kubectl ignores this text: the document has ended";
        Finding::at_mark(RULE.id, Severity::Warning, mark, message)
            .why("after a line `...`, kubectl silently ignores everything up to the next line `---`")
            .help("start a document with a line `---`, or remove the text")
    }));
}
