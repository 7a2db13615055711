//! A merge key overrides a key that stands before it.
//!
//! ## What it does
//!
//! Reports each key of an object that a later `<<` in the same mapping sets again, to whatever value.
//!
//! ## Why is this bad?
//!
//! By the rules of YAML a key that is written out wins over a merged one, wherever it stands. kubectl applies `<<`
//! where it stands, so a key before it is overridden, while kustomize and most other readers keep it. The same
//! file is then two different objects.
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
//!   - name: init
//!     image: busybox
//!     volumeMounts:
//!     - &mount
//!       name: logs
//!       mountPath: /logs
//!       readOnly: false
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - readOnly: true # finding
//!       <<: *mount
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
//!   - name: init
//!     image: busybox
//!     volumeMounts:
//!     - &mount
//!       name: logs
//!       mountPath: /logs
//!       readOnly: false
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - <<: *mount
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Never: the order costs nothing.
//!
//! ## References
//!
//! - [YAML 1.1: Merge key](https://yaml.org/type/merge.html)

use super::{Check, FixClass, Group, Rule, TextFacts};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("overriding-merge-key"),
    summary: "a merge key overrides a key that stands before it",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("kubectl resolves merge keys before it sends the object"),
    source: include_str!("overriding_merge_key.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    for merge in &facts.merge_overrides {
        let message = format!("`<<` overrides the key `{}` before it", printable(&merge.key));
        let finding = Finding::at_mark(RULE.id, Severity::Error, merge.dropped, message)
            .why("kubectl takes the merged value, kustomize and most readers the one that is written out")
            .help("move `<<` before the keys that it shares")
            .label("kubectl drops this one")
            .related_mark(merge.kept, "and takes this one")
            .path(&merge.key);
        out.push(finding);
    }
}
