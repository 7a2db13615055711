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

use super::types::AskedType;
use super::words::quoted;
use super::{Context, FixClass, HostVolume, Meta, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, Safety, Severity};

const META: Meta = Meta {
    id: "unknown-host-path-type",
    summary: "a host path has a type that doesn't exist",
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: Some("the API server refuses the object before it calls a webhook"),
    source: include_str!("unknown_host_path_type.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        for host in cx.host_volumes() {
            let Some(written) = host.host_path_type.filter(|text| !text.is_empty()) else { continue };
            if AskedType::of(host).is_none() {
                out.push(finding(host, written));
            }
        }
    }
}

fn finding(host: &HostVolume<'_>, written: &str) -> Finding {
    let message = format!("host path {} has the unknown type {}", quoted(host.path), quoted(written));
    let finding = Finding::new(META.id, Severity::Error, host.type_field(), message)
        .label("none of the seven types")
        .why("the API server refuses the object")
        .volume(host.name)
        .path(&host.clean);
    let meant = AskedType::ALL.into_iter().find(|asked| asked.word().eq_ignore_ascii_case(written.trim()));
    let Some(meant) = meant.map(AskedType::word) else {
        let known = AskedType::ALL.map(|asked| format!("`{}`", asked.word())).join(", ");
        return finding.help(format!("use one of {known}"));
    };
    let set = Edit::Set(host.type_field(), EditValue::Str(meant.to_owned()));
    finding.help(format!("write `{meant}`")).fix(Fix { safety: Safety::Safe, edits: vec![set] })
}
