//! A host path is not absolute, or is empty.
//!
//! ## What it does
//!
//! Reports the path of a `hostPath` or `local` volume that doesn't begin at the root of the node (`/`, or a
//! drive, a share or a device of Windows), or that is missing. A blank before the first slash makes a path
//! relative, too, a path of Windows without a drive (`\var\log`) is as good as that, and neither `~` nor a variable
//! is expanded in one.
//!
//! ## Why is this bad?
//!
//! The API server takes every path but an empty one. On the node, a relative path begins at the working
//! directory of whatever daemon comes to resolve it: with most runtimes that is `/`, so `var/run` is all of
//! `/var/run` there, and another place, or an error, on the next node. Checks that compare paths from the root
//! see neither.
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
//!       path: var/log # finding
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
//! ## When to allow it
//!
//! Never: the absolute path says the same, and to everybody.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("relative-host-path"),
    summary: "a host path is not absolute, or is empty",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("relative_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // A patch that names no path leaves that to what it patches.
    let is_whole = cx.pod().is_none_or(|pod| pod.is_complete);
    for host in cx.host_path_volumes().iter().filter(|host| host.clean.is_relative()) {
        match host.path {
            "" if is_whole => out.push(empty(host)),
            "" => {}
            _ => out.push(relative(host)),
        }
    }
}

fn empty(host: &HostPathVolume<'_>) -> Finding {
    let source = if host.has_type { "hostPath" } else { "local" };
    finding(host, format!("`{source}` has no path"))
        .label("`path` is missing or empty")
        .why("the API server refuses the object")
        .help("set `path` to the whole path on the node")
}

fn relative(host: &HostPathVolume<'_>) -> Finding {
    if host.clean.is_windows() {
        return driveless(host);
    }
    finding(host, format!("host path {} is not absolute", quoted(host.path)))
        .label("doesn't begin with a slash")
        .why(
            "the node resolves it from the working directory of a daemon, which isn't the same on every node",
        )
        .help(help(host))
}

/// What Windows alone takes for a path: to Linux it is one name.
fn driveless(host: &HostPathVolume<'_>) -> Finding {
    let such_as = match host.clean.has_backstep() {
        true => String::new(),
        false => format!(", such as {}", quoted(&format!("C:{}", host.path))),
    };
    finding(host, format!("host path {} has no drive", quoted(host.path)))
        .label("lacks a drive, such as `C:`")
        .why("the kubelet of Windows puts `c:` before it; other programs take the drive that they are on")
        .help(format!("write the whole path on the node{such_as}"))
}

fn help(host: &HostPathVolume<'_>) -> String {
    let whole = "write the whole path on the node";
    let path = host.path;
    match path.chars().next() {
        Some('~') => format!("{whole}: nothing expands `~`"),
        Some(blank) if blank.is_whitespace() && path.trim_start().starts_with('/') => {
            "remove what stands before the first slash".to_owned()
        }
        _ if path.contains('$') => format!("{whole}: no variable is expanded in a host path"),
        Some(first) if first.is_alphanumeric() && is_plain(path) && !host.clean.has_backstep() => {
            format!("{whole}, such as {}", quoted(&format!("/{path}")))
        }
        _ => whole.to_owned(),
    }
}

fn is_plain(path: &str) -> bool {
    path.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character))
}

fn finding(host: &HostPathVolume<'_>, message: impl Into<String>) -> Finding {
    Finding::new(RULE.id, Severity::Error, host.path_field(), message).volume(host.name).path(&host.clean)
}
