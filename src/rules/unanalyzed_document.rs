//! A file or document could not be checked.
//!
//! ## What it does
//!
//! Reports input that could not be checked:
//!
//! - a file that could not be read, is not text, or is larger than 256 MiB
//! - a document that kubectl cannot parse as YAML or JSON
//! - a raw template, for example of Helm, Jinja or ERB (one finding per file, or per Helm chart)
//! - a ytt template
//! - an object that exceeds one of volcheck's limits, for example on the number of list items
//! - a document that contains objects but is not valid for kubectl: a list or mapping of objects,
//!   an object without `apiVersion` or `kind`, or a `List` with an invalid item
//! - input that volcheck does not read, such as a device
//!
//! The run checks all other input and exits with code 2.
//!
//! The rule also reports warnings about parts of a document. They do not cause exit code 2:
//!
//! - a string, for example in a ConfigMap, that should contain a manifest, a patch or Helm values,
//!   but is not valid YAML (a string with a template, `{{…}}`, is only counted in the summary)
//! - a manifest that is nested in too many objects or strings
//! - an object in a string or in another object, if it exceeds one of volcheck's limits
//! - a document that looks like a Kubernetes object, but has for example `Kind` instead of `kind`
//! - an object of a type that does not exist, such as a Deployment with `apiVersion: v1`
//! - a workload without a Pod template
//!
//! ## Why is this bad?
//!
//! Unchecked input can contain any of the problems that volcheck reports. If volcheck skipped it
//! silently, a run without findings would be misleading.
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
//! For a template, check the rendered output instead:
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
//! The finding cannot be suppressed. Exclude the file instead, for example with
//! `--exclude 'chart/templates/**'`. To check a chart, let volcheck render it:
//! `volcheck lint --helm CHART`.
//!
//! ## References
//!
//! - [YAML 1.1](https://yaml.org/spec/1.1/)

use super::{
    Check, FixClass, Group, Lookalike, NotObject, ObjectKinds, OtherTemplates, Rule, TypeKey, Unchecked,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldErrorKind, FieldPath, MissingField, printable};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unanalyzed-document"),
    summary: "a file or document could not be checked",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some(
        "the webhook reads no files, and in mode `deny`, it denies an object that exceeds a limit",
    ),
    source: include_str!("unanalyzed_document.rs"),
    check: Check::Unchecked(check),
};

fn check(unchecked: &Unchecked<'_>, out: &mut Vec<Finding>) {
    let whole_input = |message: String| Finding::new(RULE.id, Severity::Error, FieldPath::root(), message);
    out.push(match *unchecked {
        Unchecked::Unreadable { error } => whole_input(format!("could not be read: {error}")),
        Unchecked::NotText { message, help } => whole_input(message.to_owned()).help(help),
        Unchecked::InvalidSeparator(mark) => {
            let message = "kubectl rejects this document separator: only a comment may follow `---`";
            Finding::at_mark(RULE.id, Severity::Error, mark, message)
                .help("move the text after `---` to the next line")
        }
        Unchecked::RawTemplate { action, is_chart, others } => {
            let help = match is_chart {
                true => "render it (`--helm CHART`), or exclude it (`--exclude 'CHART/templates/**'`)",
                false => "check the rendered file instead, and exclude this one (`--exclude FILE`)",
            };
            Finding::at_mark(RULE.id, Severity::Error, action, raw_template(others)).help(help)
        }
        Unchecked::InvalidYaml { error, location, is_tab } => {
            let message = format!("invalid YAML: {error}");
            let finding = Finding::at_mark(RULE.id, Severity::Error, location, message)
                .why("the document is not checked, and kubectl stops applying the file here");
            match is_tab {
                true => finding.help("indent with spaces: YAML forbids tabs here"),
                false => finding,
            }
        }
        Unchecked::YttTemplate(mark) => Finding::at_mark(
            RULE.id,
            Severity::Error,
            mark,
            "ytt template: the values are unknown until it is rendered",
        )
        .help("render it (`ytt -f DIR | volcheck lint -`), or exclude it (`--exclude DIR`)"),
        Unchecked::NotObject(ref reason) => not_object(reason),
        Unchecked::Lookalike(lookalike) => {
            let (problem, help) = type_problem(lookalike);
            let message = format!("looks like a Kubernetes object, but {problem}");
            Finding::new(RULE.id, Severity::Warning, FieldPath::root(), message)
                .why("volcheck does not check it")
                .help(format!("{help}, or exclude the file if it is not a manifest (`--exclude FILE`)"))
        }
        Unchecked::UnknownType { api_version, kind, intended } => unknown_type(api_version, kind, intended),
        Unchecked::MissingField { missing, kind } => missing_field(missing, kind),
        Unchecked::InvalidText { error, location } => {
            let message = format!("invalid YAML in this string: {error}");
            Finding::at_mark(RULE.id, Severity::Warning, location, message)
                .why("volcheck cannot check the volumes in the string")
                .help("correct the YAML, if the string is a manifest, a patch or Helm values")
        }
        Unchecked::DeepManifest(location) => {
            let message = "manifest nested in too many objects or strings";
            Finding::at_mark(RULE.id, Severity::Warning, location, message)
                .why("volcheck does not check the manifest")
                .help("put the manifest into a separate file")
        }
        Unchecked::InvalidField { error, kind, is_embedded }
            if matches!(error.kind, FieldErrorKind::TooLarge(_)) =>
        {
            let of_kind = kind.map_or_else(String::new, |kind| format!(" of this {}", printable(kind)));
            let message = format!("`{}`{of_kind}: {}", printable(&error.path.to_string()), error.kind);
            let severity = if is_embedded { Severity::Warning } else { Severity::Error };
            Finding::new(RULE.id, severity, error.path.clone(), message)
                .why("the object is not checked")
                .help("use fewer items, fewer host path mounts, or shorter paths and names")
        }
        Unchecked::InvalidField { .. }
        | Unchecked::Placeholder { .. }
        | Unchecked::InvalidPatch { .. }
        | Unchecked::MisspelledKey { .. } => return,
    });
}

fn not_object(reason: &NotObject) -> Finding {
    let (message, help) = match reason {
        NotObject::List => (
            "a list of objects",
            "separate the objects with `---`, or put them into `items` of a `List`".into(),
        ),
        NotObject::MappingOfObjects => (
            "a mapping whose values are objects",
            "separate the objects with `---`, or put them into `items` of a `List`".into(),
        ),
        NotObject::Item => (
            "a list item that is not an object",
            "replace the item with an object that has `apiVersion` and `kind`, or remove it".into(),
        ),
        NotObject::NoType(lookalike) => {
            let message = match lookalike.kind {
                TypeKey::Correct => "an object without `apiVersion`",
                TypeKey::Missing | TypeKey::Misspelled(_) => "an object without `kind`",
            };
            (message, type_problem(lookalike).1)
        }
    };
    Finding::new(RULE.id, Severity::Error, FieldPath::root(), format!("kubectl rejects {message}"))
        .why("volcheck does not check it")
        .help(help)
}

/// Returns the problem with the keys `apiVersion` and `kind`, and the advice.
fn type_problem(lookalike: &Lookalike) -> (String, String) {
    if lookalike.api_version == TypeKey::Missing && lookalike.kind == TypeKey::Missing {
        return ("has neither `apiVersion` nor `kind`".to_owned(), "add `apiVersion` and `kind`".to_owned());
    }
    let keys = [("apiVersion", &lookalike.api_version), ("kind", &lookalike.kind)];
    let (mut problems, mut advice) = (Vec::new(), Vec::new());
    for (key, spelling) in keys {
        match spelling {
            TypeKey::Correct => {}
            TypeKey::Missing => {
                problems.push(format!("has no `{key}`"));
                advice.push(format!("add `{key}`"));
            }
            TypeKey::Misspelled(other) => {
                problems.push(format!("has `{}` instead of `{key}`", printable(other)));
                advice.push(format!("rename `{}` to `{key}`", printable(other)));
            }
        }
    }
    (problems.join(" and "), advice.join(" and "))
}

fn unknown_type(api_version: &str, kind: &str, (intended, intended_version): (&str, &str)) -> Finding {
    let (key, value, correct) = match kind == intended {
        true => ("apiVersion", api_version, intended_version),
        false => ("kind", kind, intended),
    };
    let message = format!("looks like a {intended}, but has `{key}: {}`", printable(value));
    Finding::new(RULE.id, Severity::Warning, FieldPath::from_keys(&[key]), message)
        .why("the API server has no such type; volcheck checks only the volumes that it finds by structure")
        .help(format!("write `{key}: {correct}`"))
}

fn missing_field(MissingField { parent, path, misplaced }: &MissingField, kind: &str) -> Finding {
    let message = format!("this {} has no `{path}`", printable(kind));
    let help = match misplaced {
        Some((from, to)) => format!("move `{from}` to `{to}`"),
        None => format!("add `{path}`"),
    };
    Finding::new(RULE.id, Severity::Warning, parent.clone(), message)
        .why("the API server rejects the object, and volcheck finds no Pods to check")
        .help(help)
}

fn raw_template(others: Option<OtherTemplates<'_>>) -> String {
    let message = "raw template: not YAML until it is rendered";
    match others {
        None => message.to_owned(),
        Some(OtherTemplates { chart, count }) => {
            format!("{message} ({count} more in the chart `{}`)", chart.display())
        }
    }
}
