//! A host path is relative or empty.
//!
//! ## What it does
//!
//! Reports a `hostPath` or `local` volume whose path is missing, empty or not absolute. In an
//! incomplete Pod or Pod template, such as in a patch, a missing or empty path is not reported.
//!
//! An absolute path starts with `/` or, on Windows, with a drive and a slash (`C:\`), a share or a
//! device. Whitespace before the first slash makes a path relative. These paths also count as
//! relative:
//!
//! - a Windows path without a drive, such as `\var\log`
//! - a Windows path that is relative to the current directory of a drive, such as `C:var\log`
//! - in a Pod that requires Linux nodes, a Windows path that does not start with `/`
//! - a path that starts with `~` or a variable, because Kubernetes does not expand them in host
//!   paths
//!
//! ## Why is this bad?
//!
//! The API server rejects an empty path, but accepts a relative path. On the node, each program
//! resolves a relative path against its own working directory. The working directory of the kubelet
//! and of containerd is usually `/`. The working directory of runc is the OCI bundle of the
//! container, which is a directory below `/run/containerd`. The effect on a `hostPath` volume
//! therefore depends on the path:
//!
//! - `data/x`: depending on `hostPath.type`, the kubelet or containerd checks or creates `/data/x`.
//!   Even if `/data/x` exists, runc fails, because the bundle contains no `data/x`. The container
//!   never starts.
//! - `var/run`: on many nodes, `/var/run` is a symbolic link to the absolute path `/run`.
//!   containerd resolves the link and passes `/run` to runc. The container gets all of `/run`.
//! - `.`, `rootfs` and `config.json`: these paths exist in the bundle. Without a `type`, the
//!   container gets the bundle, the root filesystem in it or the configuration in it.
//!
//! Other container runtimes can behave differently. On Windows too, the kubelet and the container
//! runtime resolve a relative path against their own working directories. The exception is a path
//! that starts with a backslash, such as `\var\log`: the kubelet adds `c:` to it.
//!
//! Policies and scanners that look for certain absolute paths do not recognize a relative path.
//!
//! `podman kube generate` writes a tmpfs mount as a `hostPath` volume with the path `tmpfs`, which
//! has no special meaning in Kubernetes. Use an `emptyDir` with `medium: Memory` instead. On
//! Windows, omit the medium.
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
//! - [Podman: podman kube generate](https://docs.podman.io/en/latest/markdown/podman-kube-generate.1.html)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{HostPath, Os};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("relative-host-path"),
    summary: "a host path is relative or empty",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("relative_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // In a patch, the path can be in the patched object instead.
    let is_complete = cx.pod().is_none_or(|pod| pod.is_complete);
    for volume in cx.host_path_volumes() {
        match volume.path {
            "" if is_complete => out.push(empty_path(volume)),
            "" => {}
            path if cx.os == Some(Os::Linux) && volume.clean.is_windows() => {
                if !path.starts_with('/') {
                    out.push(windows_path_on_linux(volume));
                }
            }
            _ if !volume.clean.is_relative() => {}
            path if path.starts_with('\\') => out.push(path_without_drive(volume)),
            path if HostPath::new(path).has_drive() => out.push(path_relative_to_drive(volume)),
            _ => out.push(relative_path(volume, cx.os)),
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

fn relative_path(volume: &HostPathVolume<'_>, os: Option<Os>) -> Finding {
    finding(volume, format!("host path {} is not absolute", quoted(volume.path)))
        .label("does not start with a slash")
        .why(match os {
            Some(Os::Windows) => WINDOWS_REASON.to_owned(),
            _ => why(volume),
        })
        .help(help(volume, os))
}

/// Creates a finding about a Windows path in a Pod for Linux. On Linux, such a path is relative to
/// the working directory, and a backslash is an ordinary character.
fn windows_path_on_linux(volume: &HostPathVolume<'_>) -> Finding {
    let slashed = volume.path.replace('\\', "/");
    let path = slashed.split_once(':').map_or(&*slashed, |(_, path)| path);
    let is_known = volume.clean.has_drive() && !volume.clean.has_backstep();
    let example = match is_known && path.starts_with('/') && is_plain(path) {
        true => format!(", such as {}", quoted(&HostPath::simplify(path))),
        false => String::new(),
    };
    finding(
        volume,
        format!("host path {} is a Windows path, but the Pod requires Linux", quoted(volume.path)),
    )
    .label("relative on Linux")
    .why("on Linux, the path is relative to the working directory of the program that resolves it")
    .help(format!("write an absolute path{example}"))
}

/// Creates a finding about a Windows path such as `C:data`.
fn path_relative_to_drive(volume: &HostPathVolume<'_>) -> Finding {
    let (drive, rest) = volume.path.split_once(':').unwrap_or_default();
    let example = match volume.clean.has_backstep() {
        true => String::new(),
        false => format!(", such as {}", quoted(&format!(r"{drive}:\{rest}"))),
    };
    finding(
        volume,
        format!("host path {} is relative to the current directory of its drive", quoted(volume.path)),
    )
    .label("no slash after the drive")
    .why("each process has its own current directory on a drive")
    .help(format!("write an absolute path{example}"))
}

const WINDOWS_REASON: &str = "the kubelet and the container runtime resolve it against their own working directories, which can differ";

/// Relative paths that exist in the bundle of a container, which is the working directory of runc.
const BUNDLE_PATHS: &[&str] = &["", "config.json", "rootfs"];

/// Relative paths that are symbolic links to an absolute path on many nodes.
const LINKS: &[&str] = &["dev/core", "dev/fd", "var/lock", "var/run"];

/// Returns the consequence of a relative path. For a `hostPath` volume, this is the consequence
/// with containerd and runc.
fn why(volume: &HostPathVolume<'_>) -> String {
    // runc does not resolve the path of a `local` volume, which the kubelet mounts.
    if !volume.supports_type {
        return "each program on the node resolves it against its working directory".to_owned();
    }
    let clean = HostPath::simplify(volume.path);
    // `proc/1/root` is a link to `/`.
    let is_root = || clean.ends_with("/root") && volume.clean.is_root();
    if LINKS.contains(&&*clean) || is_root() {
        let target = quoted(&volume.clean.to_string());
        let link = quoted(&format!("/{clean}"));
        format!("the container gets {target} if the runtime resolves the symbolic link {link}")
    } else if BUNDLE_PATHS.contains(&&*clean) {
        "runc resolves it against the bundle of the container, a directory of the container runtime"
            .to_owned()
    } else {
        "the kubelet resolves it against `/`, but runc against another directory, so the container never starts"
            .to_owned()
    }
}

/// Creates a finding about a Windows path without a drive. On Linux, backslashes do not separate
/// names, so such a path is a relative path with one name.
fn path_without_drive(volume: &HostPathVolume<'_>) -> Finding {
    let example = match volume.clean.has_backstep() {
        true => String::new(),
        false => format!(", such as {}", quoted(&format!("C:{}", volume.path))),
    };
    finding(volume, format!("host path {} has no drive", quoted(volume.path)))
        .label("does not start with a drive such as `C:`")
        .why("the kubelet on Windows adds the drive `c:`, but other programs use their current drive")
        .help(format!("write an absolute path{example}"))
}

fn help(volume: &HostPathVolume<'_>, os: Option<Os>) -> String {
    let help = "write an absolute path";
    let path = volume.path;
    match path.chars().next() {
        _ if path == "tmpfs" && os != Some(Os::Windows) => {
            "replace the `hostPath` with `emptyDir: {medium: Memory}`, which is a tmpfs".to_owned()
        }
        Some('~') => format!("{help}: `~` is not expanded"),
        Some(first) if first.is_whitespace() && path.trim_start().starts_with('/') => {
            "remove the whitespace before the first slash".to_owned()
        }
        _ if path.contains('$') => format!("{help}: variables are not expanded in host paths"),
        Some(first) if first.is_alphanumeric() && is_plain(path) && !volume.clean.has_backstep() => {
            let example = match os {
                Some(Os::Windows) => format!(r"C:\{}", path.replace('/', r"\")),
                _ => format!("/{path}"),
            };
            format!("{help}, such as {}", quoted(&example))
        }
        _ => help.to_owned(),
    }
}

fn is_plain(path: &str) -> bool {
    path.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character))
}

fn finding(volume: &HostPathVolume<'_>, message: String) -> Finding {
    let finding = Finding::new(RULE.id, Severity::Error, volume.path_field(), message);
    finding.volume(volume.name).host_path(&volume.clean)
}
