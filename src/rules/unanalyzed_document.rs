//! A file or a document that can't be read, decoded or parsed, and so isn't judged.
//!
//! ## What it does
//!
//! Reports a file that can't be read or isn't text; a document that isn't YAML or JSON as kubectl reads it; and
//! what was left out of a run on purpose, such as a device. Of the raw templates of a chart the first stands for
//! all. The run goes on with everything else, and ends in exit code 2.
//!
//! ## Why is this bad?
//!
//! Nothing is known about what wasn't read: it may hold anything. A run that passes over it in silence looks like
//! a run without findings.
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
//!   - name: {{ .Values.name }} # finding
//!     image: nginx
//! ```
//!
//! Use instead, for a template, what comes of rendering it:
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
//! ```
//!
//! ## When to allow it
//!
//! It can't be silenced by a comment, only left out by its path: `--exclude 'chart/templates/**'`. Render charts
//! instead (`volcheck lint --helm CHART`).
//!
//! ## References
//!
//! - [YAML 1.1](https://yaml.org/spec/1.1/)

use super::{Check, FixClass, Group, OtherTemplates, Rule, Unchecked};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldErrorKind, FieldPath, printable};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unanalyzed-document"),
    summary: "a file or a document that can't be read, decoded or parsed, and so isn't judged",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("what isn't an object never reaches a webhook"),
    source: include_str!("unanalyzed_document.rs"),
    check: Check::Unchecked(check),
};

fn check(unchecked: &Unchecked<'_>, out: &mut Vec<Finding>) {
    let whole = |message: String| {
        let path = FieldPath::root();
        Finding::new(RULE.id, Severity::Error, path, message)
    };
    out.push(match *unchecked {
        Unchecked::Unreadable { error } => whole(format!("can't be read: {error}")),
        Unchecked::NotText { message, help } => whole(message.to_owned()).help(help),
        Unchecked::InvalidSeparator(mark) => {
            let message = "kubectl refuses this document separator: after `---` only a comment may stand";
            Finding::at_mark(RULE.id, Severity::Error, mark, message)
                .help("put what follows `---` on a line of its own")
        }
        Unchecked::RawTemplate { action, others } => {
            Finding::at_mark(RULE.id, Severity::Error, action, raw_template(others))
                .help("render it (`--helm CHART`), or leave it out (`--exclude 'CHART/templates/**'`)")
        }
        Unchecked::InvalidYaml { error, location, is_tab } => {
            let message = format!("not YAML that kubectl reads: {error}");
            let finding = Finding::at_mark(RULE.id, Severity::Error, location, message)
                .why("this document isn't judged, and kubectl applies nothing of the file from here on");
            match is_tab {
                true => finding.help("indent with spaces: YAML takes no tab there"),
                false => finding,
            }
        }
        Unchecked::InvalidField { error, kind } if matches!(error.kind, FieldErrorKind::TooLarge(_)) => {
            let of_kind = kind.map_or_else(String::new, |kind| format!(" of this {}", printable(kind)));
            let message = format!("`{}`{of_kind}: {}", printable(&error.path.to_string()), error.kind);
            Finding::new(RULE.id, Severity::Error, error.path.clone(), message)
                .why("the object isn't judged")
                .help("make it smaller: fewer items, fewer mounts of host paths, shorter paths")
        }
        Unchecked::InvalidField { .. } => return,
    });
}

fn raw_template(others: Option<OtherTemplates<'_>>) -> String {
    let message = "a raw template, which is no YAML before it is rendered";
    match others {
        None => message.to_owned(),
        Some(OtherTemplates { chart, count }) => {
            format!("{message}, as are {count} more in the chart `{}`", chart.display())
        }
    }
}
