//! A host path is not in its usual form.
//!
//! ## What it does
//!
//! Reports the path of a `hostPath` or `local` volume if it contains `//` or `/./`, or ends in `/`
//! or `/.`. The root itself, `/` or `C:\`, is not reported. In a Windows path, backslashes count as
//! slashes, and the prefix of a share or a device path, such as `\\server` or `\\.\`, does not
//! count. The severity is info if a single slash at the end is the only problem. Relative paths are
//! skipped, because `relative-host-path` reports them.
//!
//! Also reports a Windows path in one of these forms:
//!
//! | form | example |
//! |---|---|
//! | a name that ends in a dot or space, which Windows removes | `C:\Windows.\System32` |
//! | a short name | `C:\PROGRA~3\docker` |
//! | a name followed by an NTFS stream | `C:\Windows::$INDEX_ALLOCATION` |
//! | an administrative share | `\\localhost\C$\Windows` |
//! | another share of the node itself | `\\localhost\data` |
//! | a directory in place of the drive | `/c/Windows` |
//!
//! For most of these forms, other rules check the directory that the path leads to. The exceptions
//! are shares that are not administrative shares, and short names of directories that are not
//! well-known.
//!
//! ## Why is this bad?
//!
//! The API server stores the path as written. Allow lists, searches and reviewers that compare
//! paths as text do not recognize that `/var//log` is `/var/log`. A path with a trailing slash must
//! be a directory, so it cannot be a file or a socket. A short name or a share can denote any
//! directory, and a different one on each node.
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
//! Removes the redundant characters. Unsafe if the path ends in `/` or `/.` and the type is not
//! `Directory` or `DirectoryOrCreate`: without this ending, the path can also be a file. Otherwise
//! safe. There is no fix for short names, streams, shares and `/c`.
//!
//! ## When to allow it
//!
//! Never. Each of these paths can also be written in its usual form.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [Windows: naming files, paths and namespaces](https://learn.microsoft.com/windows/win32/fileio/naming-a-file)
//! - [Windows: file path formats](https://learn.microsoft.com/dotnet/standard/io/file-path-formats)

use super::support::host_path_type::RequestedType;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathType, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Safety, Severity};
use crate::model::HostPath;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unclean-host-path"),
    summary: "a host path is not in its usual form",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("unclean_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for volume in cx.host_path_volumes().iter().filter(|volume| !volume.clean.is_relative()) {
        if let Some((problem, help)) = obscure_form(volume) {
            out.push(obscure_finding(volume, &problem, &help));
            continue;
        }
        let clean = HostPath::simplify(volume.path);
        if clean != volume.path {
            out.push(finding(volume, &clean));
        }
    }
}

/// Returns the problem and the advice if the path is a Windows path in a form for which there is no
/// fix. Returns `None` for other paths.
fn obscure_form(volume: &HostPathVolume<'_>) -> Option<(String, String)> {
    if !volume.clean.is_windows() {
        return None;
    }
    let path = volume.path;
    let body = if volume.clean.has_drive() && path.get(1..2) == Some(":") { &path[2..] } else { path };
    let names = || body.split(['/', '\\']);
    let help = |advice: &str| {
        let clean = volume.clean.has_drive().then(|| quoted(&volume.clean.to_string()));
        let example = clean.map_or_else(String::new, |clean| format!(", such as {clean}"));
        format!("{advice}{example}")
    };
    if let Some(name) = names().find(|name| is_short_name(name)) {
        let problem = format!("contains the short name {}", quoted(name));
        return Some((problem, "write the long names of the directories".to_owned()));
    }
    let is_device = path.get(2..3).is_some_and(|mark| matches!(mark, "?" | "."));
    let is_share = path.starts_with(r"\\") || path.starts_with("//");
    let with_drive = "write the path with its drive";
    let (problem, advice) = if volume.clean.is_local_share() {
        ("is a share of the node, whose directory is unknown", with_drive)
    } else if is_share && volume.clean.has_drive() && !(is_device && path.get(5..6) == Some(":")) {
        ("is an administrative share, which can lead to a drive of the node", with_drive)
    } else if !is_share && names().any(has_stream) {
        ("contains the name of a stream", "write the path without the stream")
    } else if is_drive_directory(path) {
        ("has a directory in place of the drive", with_drive)
    } else {
        return None;
    };
    Some((problem.to_owned(), help(advice)))
}

/// Checks whether a name has the form of a short name (8.3), such as `PROGRA~1`.
fn is_short_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let Some((start, number)) = stem.rsplit_once('~') else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    !start.is_empty() && is_number && stem.len() <= 8 && extension.len() <= 3
}

/// Checks whether a segment of a Windows path contains the name of a stream. A drive does not.
fn has_stream(segment: &str) -> bool {
    segment.contains(':') && !(segment.len() == 2 && segment.ends_with(':'))
}

/// Checks whether a path starts with `/c` in place of the drive `C:`.
fn is_drive_directory(path: &str) -> bool {
    let rest = path.strip_prefix("/c").or_else(|| path.strip_prefix("/C"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn obscure_finding(volume: &HostPathVolume<'_>, problem: &str, help: &str) -> Finding {
    let message = format!("host path {} {problem}", quoted(volume.path));
    Finding::new(RULE.id, Severity::Warning, volume.path_field(), message)
        .why("tools that compare paths may not recognize the directory, which can differ between nodes")
        .help(help.to_owned())
        .volume(volume.name)
        .host_path(&volume.clean)
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
        .host_path(&volume.clean)
}

/// Returns the safety of the fix. A trailing slash requires a directory. Unless the type requires
/// one too, removing the slash also allows other file types.
fn safety(volume: &HostPathVolume<'_>) -> Safety {
    let requires_directory = RequestedType::of_volume(volume)
        .is_some_and(|requested| requested.file_type == HostPathType::Directory);
    let loses_slash = HostPath::has_directory_suffix(volume.path) && !volume.clean.is_root();
    if loses_slash && !requires_directory { Safety::Unsafe } else { Safety::Safe }
}

#[cfg(test)]
mod tests {
    use super::is_short_name;

    #[test]
    fn recognizes_short_names() {
        for name in ["PROGRA~1", "progra~3", "KUBER~12", "A~1.TXT", "ADMINI~1"] {
            assert!(is_short_name(name), "{name}");
        }
        for name in ["", "~1", "a~", "a~b", "docker", "long-name~1", "a~1.json", "~"] {
            assert!(!is_short_name(name), "{name}");
        }
    }
}
