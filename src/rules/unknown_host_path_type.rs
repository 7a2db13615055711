//! A host path has a type that doesn't exist.
//!
//! ## What it does
//!
//! Reports a `hostPath.type` that is none of `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`,
//! `Socket`, `CharDevice` and `BlockDevice`. Case and blanks count.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object. In a custom resource nobody may look before its operator makes Pods of
//! it, and those are refused then.
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
//! Writes the type as Kubernetes does, where only the case differs or there are blanks around it. Safe: the
//! object could not have been created as it was.
//!
//! ## When to allow it
//!
//! Never: no API server takes it.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::RequestedType;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-host-path-type"),
    summary: "a host path has a type that doesn't exist",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: Some("the API server refuses the object before it calls a webhook"),
    source: include_str!("unknown_host_path_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for host in cx.host_path_volumes() {
        let Some(written) = host.declared_type.filter(|name| !name.is_empty()) else { continue };
        if RequestedType::of_volume(host).is_none() {
            out.push(finding(host, written));
        }
    }
}

fn finding(host: &HostPathVolume<'_>, written: &str) -> Finding {
    let message = format!("host path {} has the unknown type {}", quoted(host.path), quoted(written));
    let finding = Finding::new(RULE.id, Severity::Error, host.type_field(), message)
        .label("none of the seven types")
        .why("the API server refuses the object")
        .volume(host.name)
        .path(&host.clean);
    let meant =
        RequestedType::ALL.into_iter().find(|asked| asked.name().eq_ignore_ascii_case(written.trim()));
    let Some(meant) = meant.map(RequestedType::name) else {
        let known = RequestedType::ALL.map(|asked| format!("`{}`", asked.name())).join(", ");
        return finding.help(format!("use one of {known}"));
    };
    let set = Edit::Set(host.type_field(), EditValue::Str(meant.to_owned()));
    finding.help(format!("write `{meant}`")).fix(Fix::safe_edits(format!("set `type: {meant}`"), vec![set]))
}
