//! A merge key overrides an earlier key of the same mapping.
//!
//! ## What it does
//!
//! Reports each key that a later `<<` in the same mapping sets again, even to the same value.
//!
//! ## Why is this bad?
//!
//! In YAML, an explicit key takes precedence over a merged key, regardless of their order. kubectl
//! instead applies the keys and `<<` in the order of the file, so `<<` overrides the keys before
//! it. kustomize and most other tools keep the explicit key. The same file then describes one
//! object for kubectl and another one for these tools.
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
//! Never. You can always write `<<` as the first key of the mapping.
//!
//! ## References
//!
//! - [YAML 1.1: Merge key](https://yaml.org/type/merge.html)

use super::{Check, FixClass, Group, ObjectKinds, Rule, TextFacts};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::printable;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("overriding-merge-key"),
    summary: "a merge key overrides an earlier key of the same mapping",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("kubectl resolves merge keys before it sends the object"),
    source: include_str!("overriding_merge_key.rs"),
    check: Check::Text(check),
};

fn check(facts: &TextFacts, out: &mut Vec<Finding>) {
    for merge in &facts.merge_overrides {
        let message = format!("`<<` overrides the earlier key `{}`", printable(&merge.key));
        let finding = Finding::at_mark(RULE.id, Severity::Error, merge.dropped, message)
            .why("kubectl uses the merged value, while kustomize and other tools use the explicit value")
            .help("move `<<` before the keys that it overrides")
            .label("kubectl drops this key")
            .related_mark(merge.kept, "kubectl uses this key")
            .path(&merge.key);
        out.push(finding);
    }
}
