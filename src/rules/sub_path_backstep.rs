//! A sub path is absolute or contains `..`.
//!
//! ## What it does
//!
//! Reports a `subPath` or `subPathExpr` that starts with `/`, `\` or a drive and a slash, such as
//! `C:\`, that is only a drive, such as `C:`, or that has a path element `..`. Slashes, backslashes
//! and colons separate elements. The variables of a `subPathExpr` are expanded if the manifest
//! contains their values.
//!
//! ## Why is this bad?
//!
//! A sub path must stay within its volume. The API server rejects the invalid sub paths that it
//! recognizes, but it does not expand variables and does not treat backslashes as separators. The
//! kubelet checks the expanded sub path, and if it is invalid, does not start the container. Some
//! sub paths, such as `C:\data` and `a\..\b`, are invalid only for a kubelet on Windows. Tools that
//! join the volume's path and the sub path without a check may access a path outside the volume.
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
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       subPath: ../pages # finding
//!   volumes:
//!   - name: pages
//!     persistentVolumeClaim:
//!       claimName: pages
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
//!     - name: pages
//!       mountPath: /usr/share/nginx/html
//!       subPath: pages
//!   volumes:
//!   - name: pages
//!     persistentVolumeClaim:
//!       claimName: pages
//! ```
//!
//! ## When to allow it
//!
//! Never. On Linux, a name can contain backslashes, so `a\..\b` can be the name of a directory in
//! the volume. Rename such a directory.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath)

use std::cell::LazyCell;
use std::collections::HashSet;
use std::ptr;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, Pod, VolumeMount, expand};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("sub-path-backstep"),
    summary: "a sub path is absolute or contains `..`",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("sub_path_backstep.rs"),
    check: Check::Volumes(check),
};

/// The reason why a sub path is invalid.
#[derive(Clone, Copy)]
struct Problem {
    predicate: &'static str,
    help: &'static str,
    /// Whether only a kubelet on Windows rejects the sub path.
    is_windows_only: bool,
}

/// A mount with an invalid sub path.
struct InvalidMount<'p, 'a> {
    mount: ContainerMount<'p, 'a>,
    /// `subPath` or `subPathExpr`.
    key: &'static str,
    sub_path: &'p str,
    problem: Problem,
    /// The sub path with expanded variables, in backticks; `None` if the unexpanded sub path is
    /// already invalid.
    expanded: Option<String>,
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    out.extend(invalid_mounts(pod).iter().map(finding));
}

/// Returns the mounts that the rule reports.
pub(super) fn reported<'p>(pod: &'p Pod<'_>) -> HashSet<*const VolumeMount<'p>> {
    invalid_mounts(pod).iter().map(|invalid| ptr::from_ref(invalid.mount.mount)).collect()
}

fn invalid_mounts<'p, 'a>(pod: &'p Pod<'a>) -> Vec<InvalidMount<'p, 'a>> {
    let mut invalid_mounts = Vec::new();
    for container in &pod.containers {
        let values = LazyCell::new(|| container.env_values());
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let Some((key, sub_path)) = mount.sub_path_entry() else { continue };
            let mount = ContainerMount { container, mount, index };
            if let Some(problem) = problem(sub_path) {
                invalid_mounts.push(InvalidMount { mount, key, sub_path, problem, expanded: None });
            } else if key == "subPathExpr"
                && let Some(expanded) = expand(sub_path, |name| values.get(name).map(String::as_str))
                && let Some(problem) = problem(&expanded)
            {
                let expanded = Some(quoted(&expanded));
                invalid_mounts.push(InvalidMount { mount, key, sub_path, problem, expanded });
            }
        }
    }
    invalid_mounts
}

fn finding(invalid: &InvalidMount<'_, '_>) -> Finding {
    let InvalidMount { mount, key, sub_path, problem, expanded } = invalid;
    let (name, predicate) = (container(mount.container), problem.predicate);
    let message = format!("sub path {} of {name} {predicate}", quoted(sub_path));
    let (message, why) = match expanded {
        None => (message, problem.why()),
        Some(expanded) if problem.is_windows_only => (format!("{message}: {expanded}"), problem.why()),
        Some(expanded) => (
            format!("{message}: {expanded}"),
            "the API server does not expand variables; the kubelet does, and does not start the container",
        ),
    };
    Finding::new(RULE.id, Severity::Error, mount.path().key(*key), message)
        .why(why)
        .help(problem.help)
        .volume(&mount.mount.name)
        .container(&mount.container.name)
        .path(sub_path)
}

impl Problem {
    fn why(self) -> &'static str {
        if self.is_windows_only {
            "the API server accepts it, but a kubelet on Windows does not start the container"
        } else {
            "the API server rejects the object"
        }
    }
}

fn problem(sub_path: &str) -> Option<Problem> {
    let absolute = |is_windows_only| {
        let help = "use a path relative to the volume, without a leading slash or drive letter";
        Some(Problem { predicate: "is absolute", help, is_windows_only })
    };
    let backstep = |is_windows_only| {
        let help = "use a path inside the volume, without `..`";
        Some(Problem { predicate: "uses `..`", help, is_windows_only })
    };
    let is_drive = |bytes: &[u8]| match bytes {
        [letter, b':'] | [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    };
    match sub_path {
        _ if sub_path.starts_with('/') => absolute(false),
        _ if sub_path.split('/').any(|name| name == "..") => backstep(false),
        _ if sub_path.starts_with('\\') || is_drive(sub_path.as_bytes()) => absolute(true),
        // `C:..` is relative to the current directory of the drive.
        _ if sub_path.split(['/', '\\', ':']).any(|name| name == "..") => backstep(true),
        _ => None,
    }
}
