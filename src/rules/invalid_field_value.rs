//! A field has a value of the wrong type.
//!
//! ## What it does
//!
//! In each object, reports the first field with an invalid value. The value has the wrong type,
//! such as a number where the API server expects a string, or it is an invalid quantity, such as
//! `1GiB`. volcheck validates only the fields that it reads. It does not check the rest of an
//! object with an invalid value. It still checks all other objects, and exits with code 2.
//!
//! In three cases, the finding is only a warning, and does not cause exit code 2:
//!
//! - The object is in another object or in a string. Another program may correct the value before
//!   it creates the object.
//! - The value is a placeholder, as in `readOnly: ${READ_ONLY}`. volcheck then checks the object as
//!   if the field were absent, so it can also report further fields of the object.
//! - The key is probably a misspelling of a field of a volume or a mount, or of a field that
//!   contains them, such as `readonly` or `volumeMount`. volcheck then checks the object without
//!   the key.
//!
//! Some custom resources contain a patch of a pod spec as text. The rule reports such a text if it
//! is not a valid patch, which the controller then cannot apply.
//!
//! ## Why is this bad?
//!
//! The API server rejects the object. The mistake is common in YAML: kubectl reads an unquoted `y`,
//! `n`, `on`, `no` or `yes` as a boolean and `010` as a number, even where a name or a path is
//! expected. Conversely, `"true"` in quotes is a string, not a boolean.
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
//! Never. The finding cannot be suppressed. To skip the file, exclude its path with `--exclude`.
//!
//! ## References
//!
//! - [YAML 1.1: Boolean](https://yaml.org/type/bool.html)

use super::{Check, FixClass, Group, ObjectKinds, Rule, Unchecked};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ExpectedType, FieldErrorKind, FieldPath, MisspelledKey, printable};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("invalid-field-value"),
    summary: "a field has a value of the wrong type",
    group: Group::Run,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::Any,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("invalid_field_value.rs"),
    check: Check::Unchecked(check),
};

fn check(unchecked: &Unchecked<'_>, out: &mut Vec<Finding>) {
    match *unchecked {
        Unchecked::InvalidField { error, kind, is_embedded }
            if !matches!(error.kind, FieldErrorKind::TooLarge(_)) =>
        {
            let why = match is_embedded {
                true => "the API server rejects the object unless another program corrects the value",
                false => "the API server rejects the object, and volcheck cannot check it",
            };
            let mut finding =
                finding(&error.path, kind, &error.kind.to_string()).why(why).help(help(&error.kind));
            if is_embedded {
                finding.severity = Severity::Warning;
            }
            out.push(finding);
        }
        Unchecked::Placeholder { path, text, kind } => {
            let problem = format!("`{}` is a placeholder", printable(text));
            let mut finding = finding(path, Some(kind), &problem)
                .why("volcheck checks the object as if the field were absent")
                .help("check the manifest after the placeholder is replaced");
            finding.severity = Severity::Warning;
            out.push(finding);
        }
        Unchecked::MisspelledKey { key: MisspelledKey { path, field, has_field }, kind } => {
            let help = match has_field {
                true => format!("remove the key, because the mapping also has `{field}`"),
                false => format!("rename the key to `{field}`"),
            };
            let mut finding = finding(path, Some(kind), &format!("unknown field; did you mean `{field}`?"))
                .at_key()
                .why("the API server rejects or drops the field, and volcheck ignores it")
                .help(help);
            finding.severity = Severity::Warning;
            out.push(finding);
        }
        Unchecked::InvalidPatch { path, error, kind } => {
            let finding = finding(path, Some(kind), &format!("invalid patch of a pod spec: {error}"))
                .why("the controller cannot apply the patch, and volcheck cannot check it")
                .help("write a YAML or JSON patch with fields of a pod spec");
            out.push(finding);
        }
        _ => {}
    }
}

fn finding(path: &FieldPath, kind: Option<&str>, problem: &str) -> Finding {
    let kind = kind.map_or_else(String::new, |kind| format!(" of this {}", printable(kind)));
    let message = format!("`{}`{kind}: {problem}", printable(&path.to_string()));
    Finding::new(RULE.id, Severity::Error, path.clone(), message)
}

fn help(kind: &FieldErrorKind) -> &'static str {
    match kind {
        FieldErrorKind::WrongType { expected: ExpectedType::String, found } if found.is_scalar() => {
            "quote the value so that YAML reads it as a string"
        }
        FieldErrorKind::WrongType { expected: ExpectedType::Boolean, .. } => {
            "write `true` or `false`, without quotes"
        }
        _ => "use a value that the API server accepts",
    }
}
