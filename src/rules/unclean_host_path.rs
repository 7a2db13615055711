//! A host path contains redundant slashes or dots.
//!
//! ## What it does
//!
//! Reports `//`, `/./` and a trailing slash in the path of a `hostPath` or `local` volume. In a
//! Windows path, backslashes count as slashes. The severity is info if the path only has a trailing
//! slash. Relative paths are skipped, because `relative-host-path` reports them.
//!
//! ## Why is this bad?
//!
//! The API server stores the path as written. Allow lists, searches and reviewers that compare
//! paths as text do not recognize that `/var//log` is `/var/log`. A path with a trailing slash must
//! be a directory, so it cannot be a file or a socket.
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
//! Removes the redundant characters. Safe, except for a trailing slash if the type is not
//! `Directory` or `DirectoryOrCreate`: without the slash, the path can also be a file.
//!
//! ## When to allow it
//!
//! Never. The clean path has the same meaning.
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
    summary: "a host path contains redundant slashes or dots",
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
    for volume in cx.host_path_volumes().iter().filter(|volume| !volume.clean.is_relative()) {
        let clean = HostPath::simplify(volume.path);
        if clean != volume.path {
            out.push(finding(volume, &clean));
        }
    }
}

fn finding(volume: &HostPathVolume<'_>, clean: &str) -> Finding {
    let path = quoted(volume.path);
    let has_only_trailing_slash = clean != "/" && volume.path.strip_suffix(['/', '\\']) == Some(clean);
    let (severity, message) = match has_only_trailing_slash {
        true => (Severity::Info, format!("host path {path} ends in a slash")),
        false => (Severity::Warning, format!("host path {path} has redundant parts")),
    };
    let set = Edit::Set(volume.path_field(), EditValue::Str(clean.to_owned()));
    let clean = quoted(clean);
    Finding::new(RULE.id, severity, volume.path_field(), message)
        .label(format!("same as {clean}"))
        .why(format!(
            "tools that compare paths as text, such as allow lists and `grep`, miss that this is {clean}"
        ))
        .help(format!("write {clean}"))
        .fix(Fix { title: "write the clean path".into(), safety: safety(volume), edits: vec![set] })
        .volume(volume.name)
        .path(&volume.clean)
}

/// Returns the safety of the fix. A trailing slash requires a directory. Unless the type requires
/// one too, removing the slash also allows other file types.
fn safety(volume: &HostPathVolume<'_>) -> Safety {
    let requires_directory = RequestedType::of_volume(volume)
        .is_some_and(|requested| requested.file_type == HostPathType::Directory);
    let loses_slash = HostPath::has_directory_suffix(volume.path) && !volume.clean.is_root();
    if loses_slash && !requires_directory { Safety::Unsafe } else { Safety::Safe }
}
