//! A host path has slashes or dots in it that say nothing.
//!
//! ## What it does
//!
//! Reports `//`, `/./` and a slash at the end of the path of a `hostPath` or `local` volume; in a path of
//! Windows the same with backslashes. A slash at the end alone is an info. A relative path is left to
//! `relative-host-path`.
//!
//! ## Why is this bad?
//!
//! The API server stores a path as it is written. Whoever compares paths as text, such as an allow list, a
//! search or a reviewer, doesn't see that `/var//log` is `/var/log`. A slash at the end makes the path one of
//! a directory, which a file or a socket is not.
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
//!       path: /var//log # finding
//!       type: Directory
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
//! Writes the path without them. Safe, but for a slash at the end of what isn't stated to be a directory:
//! without it, a file at that path is taken, too.
//!
//! ## When to allow it
//!
//! Never: the clean path means the same.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::host_path_type::RequestedType;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathType, HostPathVolume, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Safety, Severity};
use crate::model::HostPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unclean-host-path"),
    summary: "a host path has slashes or dots in it that say nothing",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: None,
    source: include_str!("unclean_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for host in cx.host_path_volumes().iter().filter(|host| !host.clean.is_relative()) {
        let tidy = HostPath::simplify(host.path);
        if tidy != host.path {
            out.push(finding(host, &tidy));
        }
    }
}

fn finding(host: &HostPathVolume<'_>, tidy: &str) -> Finding {
    let path = quoted(host.path);
    let is_slash_at_end = tidy != "/" && host.path.strip_suffix(['/', '\\']) == Some(tidy);
    let (severity, message) = match is_slash_at_end {
        true => (Severity::Info, format!("host path {path} ends in a slash")),
        false => (Severity::Warning, format!("host path {path} is not in its clean form")),
    };
    let set = Edit::Set(host.path_field(), EditValue::Str(tidy.to_owned()));
    Finding::new(RULE.id, severity, host.path_field(), message)
        .label(format!("means {}", quoted(tidy)))
        .why(format!(
            "tools that compare paths as text, such as allow lists and `grep`, don't see that this is {}",
            quoted(tidy)
        ))
        .help(format!("write {}", quoted(tidy)))
        .fix(Fix { title: "rewrite the path".into(), safety: safety(host), edits: vec![set] })
        .volume(host.name)
        .path(&host.clean)
}

/// A slash at the end is lost, and with it that the path must be a directory, where the type doesn't say so.
fn safety(host: &HostPathVolume<'_>) -> Safety {
    let is_directory =
        RequestedType::of_volume(host).is_some_and(|asked| asked.file_type == HostPathType::Directory);
    let loses_slash = HostPath::has_directory_suffix(host.path) && !host.clean.is_root();
    if loses_slash && !is_directory { Safety::Unsafe } else { Safety::Safe }
}
