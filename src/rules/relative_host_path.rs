//! A host path is relative or empty.
//!
//! ## What it does
//!
//! Reports a `hostPath` or `local` volume whose path is missing, empty or not absolute. An absolute
//! path starts with `/` or, on Windows, with a drive, a share or a device. Whitespace before the
//! first slash makes a path relative. A Windows path without a drive, such as `\var\log`, counts as
//! relative. `~` and variables are not expanded in host paths.
//!
//! ## Why is this bad?
//!
//! The API server rejects an empty path, but accepts a relative one. On the node, each program
//! resolves a relative path against its own working directory: the kubelet and containerd against
//! `/`, but runc against the bundle directory of the container. Usually, the container then fails
//! to start. However, `var/run` exposes all of `/run` if `/var/run` is a symbolic link with an
//! absolute target. On another node, the same path can refer to another directory. Checks that
//! compare absolute paths do not recognize a relative one.
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
//! Never. An absolute path has the same meaning on every node.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("relative-host-path"),
    summary: "a host path is relative or empty",
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
    // In a patch, the path can be in the patched object instead.
    let is_complete = cx.pod().is_none_or(|pod| pod.is_complete);
    for volume in cx.host_path_volumes().iter().filter(|volume| volume.clean.is_relative()) {
        match volume.path {
            "" if is_complete => out.push(empty_path(volume)),
            "" => {}
            _ if volume.clean.is_windows() => out.push(path_without_drive(volume)),
            _ => out.push(relative_path(volume)),
        }
    }
}

fn empty_path(volume: &HostPathVolume<'_>) -> Finding {
    let source = if volume.supports_type { "hostPath" } else { "local" };
    finding(volume, format!("`{source}` has no path"))
        .label("`path` is missing or empty")
        .why("the API server rejects the object")
        .help("set `path` to an absolute path")
}

fn relative_path(volume: &HostPathVolume<'_>) -> Finding {
    finding(volume, format!("host path {} is not absolute", quoted(volume.path)))
        .label("does not start with a slash")
        .why("it is resolved against the working directory of the kubelet or container runtime, which can differ between nodes")
        .help(help(volume))
}

/// Creates a finding about a Windows path without a drive. On Linux, backslashes do not separate
/// names, so such a path is a relative path with one name.
fn path_without_drive(volume: &HostPathVolume<'_>) -> Finding {
    let example = match volume.clean.has_backstep() {
        true => String::new(),
        false => format!(", such as {}", quoted(&format!("C:{}", volume.path))),
    };
    finding(volume, format!("host path {} has no drive", quoted(volume.path)))
        .label("no drive, such as `C:`")
        .why("the kubelet on Windows adds `c:`, but other programs use their current drive")
        .help(format!("write an absolute path{example}"))
}

fn help(volume: &HostPathVolume<'_>) -> String {
    let help = "write an absolute path";
    let path = volume.path;
    match path.chars().next() {
        Some('~') => format!("{help}: `~` is not expanded"),
        Some(first) if first.is_whitespace() && path.trim_start().starts_with('/') => {
            "remove the whitespace before the first slash".to_owned()
        }
        _ if path.contains('$') => format!("{help}: variables are not expanded in host paths"),
        Some(first) if first.is_alphanumeric() && is_plain(path) && !volume.clean.has_backstep() => {
            format!("{help}, such as {}", quoted(&format!("/{path}")))
        }
        _ => help.to_owned(),
    }
}

fn is_plain(path: &str) -> bool {
    path.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character))
}

fn finding(volume: &HostPathVolume<'_>, message: String) -> Finding {
    let finding = Finding::new(RULE.id, Severity::Error, volume.path_field(), message);
    finding.volume(volume.name).path(&volume.clean)
}
