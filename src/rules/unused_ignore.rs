//! An ignore suppresses no finding.
//!
//! ## What it does
//!
//! Reports a comment `# volcheck: ignore[RULE]` or an annotation `ignore.volcheck.io/RULE` that
//! suppresses no finding of the rule. If a comment names several rules, each of them is checked
//! separately.
//!
//! - A comment applies to everything that starts on its line or, if it has a line to itself, on the
//!   next line that is neither empty nor a comment. A comment on the line `- name: data` applies to
//!   the whole list item.
//! - A comment `# volcheck: ignore-file[RULE]` before the first document applies to the entire
//!   file.
//! - An annotation applies to its object. In a Pod template, it applies to the Pods created from
//!   the template.
//!
//! An ignore for a disabled rule is not reported. An ignore for a rule that compares a Pod with its
//! claim or PersistentVolume, such as `hidden-host-path`, is not reported either. The claim or the
//! PersistentVolume may be in a file that is not part of the run.
//!
//! ## Why is this bad?
//!
//! Either the finding is fixed, or the ignore names another rule or is at another place, or the
//! policy does not allow the ignore. If the finding is fixed, the ignore can hide a later finding,
//! although its reason no longer applies.
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
//!   # volcheck: ignore[runtime-socket] -- it displays the node's logs # finding
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
//! Never. Remove the ignore, or move it to the finding.

use super::{Check, FixClass, Group, IgnoreFacts, ObjectKinds, Rule};
use crate::finding::{Finding, Ignores, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unused-ignore"),
    summary: "an ignore suppresses no finding",
    group: Group::Run,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("comments and annotations apply only to `volcheck lint`"),
    source: include_str!("unused_ignore.rs"),
    check: Check::Ignores(check),
};

fn check(facts: &IgnoreFacts, out: &mut Vec<Finding>) {
    out.extend(facts.unused.iter().map(|ignore| {
        let (noun, rule) = (ignore.by.noun(), ignore.rule);
        let message = format!("unused ignore: this {noun} suppresses no finding of `{rule}`");
        let why = match (ignore.is_forbidden, facts.limit) {
            (true, Ignores::Warnings) => {
                "the finding is an error, and the policy allows ignores only for warnings and infos \
                 (`ignores: warnings`)"
            }
            (true, Ignores::None) => "the policy does not allow ignores (`ignores: none`)",
            _ => "the finding is fixed or elsewhere, and the ignore can hide later findings",
        };
        let alternative = match (ignore.is_forbidden, facts.limit) {
            (true, _) => "; to accept the finding, exempt it in the policy",
            (false, Ignores::None) => "",
            (false, _) => ", or move it to the finding",
        };
        let help = format!("remove `{rule}` from the {noun}{alternative}");
        Finding::at_mark(RULE.id, Severity::Warning, ignore.mark, message).why(why).help(help)
    }));
}
