//! A `hostPath` volume has an unknown `type`.
//!
//! ## What it does
//!
//! Reports a `hostPath.type` other than `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`,
//! `Socket`, `CharDevice` and `BlockDevice`. The value is case-sensitive, and whitespace is
//! significant. An empty value is valid, and the same as no `type`. A value with a placeholder,
//! such as `${TYPE}`, is only a warning.
//!
//! ## Why is this bad?
//!
//! The API server rejects the object. In a custom resource, the error only appears when the
//! controller creates Pods from it.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: directory # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: reader
//! spec:
//!   containers:
//!   - name: reader
//!     image: busybox
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Corrects the case and removes surrounding whitespace, if nothing else is wrong. Safe: the API
//! server rejects the object as written.
//!
//! ## When to allow it
//!
//! Never. The API server accepts no Pod and no PersistentVolume with an unknown type.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::RequestedType;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::marked_placeholder;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-host-path-type"),
    summary: "a `hostPath` volume has an unknown `type`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: Some("the API server rejects the object before it calls webhooks"),
    source: include_str!("unknown_host_path_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.host_path_volumes() {
        let Some(declared) = volume.declared_type.filter(|name| !name.is_empty()) else { continue };
        if RequestedType::of_volume(volume).is_none() {
            out.push(finding(volume, declared));
        }
    }
}

fn finding(volume: &HostPathVolume<'_>, declared: &str) -> Finding {
    let path = quoted(volume.path);
    let finding = |severity, message| {
        Finding::new(RULE.id, severity, volume.type_field(), message)
            .volume(volume.name)
            .host_path(&volume.clean)
    };
    if let Some(placeholder) = marked_placeholder(declared) {
        let message = format!("the type of host path {path} contains placeholder {}", quoted(placeholder));
        return finding(Severity::Warning, message)
            .label("replaced by another program, or an unknown type")
            .why("if no program replaces the placeholder, the API server rejects the object")
            .help("check the manifest after the placeholder is replaced");
    }
    let message = format!("host path {path} has unknown type {}", quoted(declared));
    let finding = finding(Severity::Error, message)
        .label("not one of the seven types")
        .why("the API server rejects the object");
    let mut names = RequestedType::ALL.into_iter().map(RequestedType::name);
    match names.find(|name| name.eq_ignore_ascii_case(declared.trim())) {
        Some(name) => {
            let set = Edit::Set(volume.type_field(), EditValue::Str(name.to_owned()));
            finding
                .help(format!("write `{name}`"))
                .fix(Fix::safe_edits(format!("set `type: {name}`"), vec![set]))
        }
        None => {
            let names = RequestedType::ALL.map(|known| format!("`{}`", known.name())).join(", ");
            finding.help(format!("use one of {names}"))
        }
    }
}
