//! A mount path is relative or not clean.
//!
//! ## What it does
//!
//! Reports a `mountPath` that is relative, has a segment `..`, contains `//` or `/./`, or ends
//! in `/` or `/.`. The root itself, `/` or `C:\`, is not reported. In a Windows path, backslashes
//! count as slashes. A path that starts with a placeholder, such as `${DIR}`, is reported only if
//! it has a segment `..`.
//!
//! ## Why is this bad?
//!
//! The API server accepts such paths and compares mount paths as strings: it treats `/data` and
//! `data/` as two paths. The kubelet prepends a slash to a relative path, and the container runtime
//! cleans the result. The container may therefore see the volume at an unexpected path.
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
//!     - name: cache
//!       mountPath: /var/cache/nginx/ # finding
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//! ```
//!
//! ## Fix
//!
//! Makes the path clean and absolute. Safe, unless the path has a segment `..`: if the name
//! before the `..` is a symbolic link in the image, the container runtime may use another
//! directory. There is no fix for a Windows path, for a path whose clean form is `/`, or if the
//! container already has a mount or block device at the clean path.
//!
//! ## When to allow it
//!
//! Never.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashSet;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Safety, Severity};
use crate::model::{ContainerMount, HostPath, clean_container_path, marked_placeholder};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unclean-mount-path"),
    summary: "a mount path is relative or not clean",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unclean_mount_path.rs"),
    check: Check::Volumes(check),
};

const MISSED_DUPLICATES: &str =
    "the API server compares paths as strings, so it can miss duplicates of this path";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for container in cx.pod().into_iter().flat_map(|pod| &pod.containers) {
        let used =
            LazyCell::new(|| container.volume_uses().map(|usage| usage.target).collect::<HashSet<_>>());
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let is_used = |path: &str| used.contains(path);
            out.extend(finding(ContainerMount { container, mount, index }, is_used));
        }
    }
}

fn finding(mount: ContainerMount<'_, '_>, is_used: impl Fn(&str) -> bool) -> Option<Finding> {
    let mount_path = &*mount.mount.mount_path;
    if mount_path.is_empty() || clean_container_path(mount_path) == mount_path {
        return None;
    }
    let path = HostPath::in_container(mount_path);
    let (problem, why) = problem(mount_path, &path)?;
    let message = format!("mount path {} of {} {problem}", quoted(mount_path), container(mount.container));
    let field = mount.path().key("mountPath");
    let finding = Finding::new(RULE.id, Severity::Info, field.clone(), message)
        .label(label(&path))
        .why(why)
        .volume(&mount.mount.name)
        .container(&mount.container.name)
        .path(mount_path);
    if path.is_windows() {
        return Some(finding.help("write the clean path"));
    }
    if path.is_root() {
        return Some(finding.help("use a subdirectory: this is the container's root directory"));
    }
    let clean = path.to_string();
    if is_used(&clean) {
        return Some(finding.help("use another path: the container already uses the clean path"));
    }
    let safety = if path.has_backstep() { Safety::Unsafe } else { Safety::Safe };
    let help = format!("write {}", quoted(&clean));
    let edits = vec![Edit::Set(field, EditValue::Str(clean))];
    Some(finding.help(help).fix(Fix { title: "clean the path".into(), safety, edits }))
}

fn label(path: &HostPath) -> String {
    let clean = quoted(&path.to_string());
    match path.has_backstep() {
        true => format!("{clean}, unless symbolic links are involved"),
        false => format!("same as {clean}"),
    }
}

/// Returns the problem of a mount path, and its consequence.
fn problem(mount_path: &str, path: &HostPath) -> Option<(&'static str, Cow<'static, str>)> {
    if path.has_backstep() {
        return Some(("uses `..`", "the resulting path depends on the container runtime".into()));
    }
    if path.is_windows() {
        return is_unclean_windows_path(mount_path).then_some(("is unclean", MISSED_DUPLICATES.into()));
    }
    if !mount_path.starts_with('/') {
        let starts_with_placeholder =
            marked_placeholder(mount_path).is_some_and(|placeholder| mount_path.starts_with(placeholder));
        return (!starts_with_placeholder).then_some(("is relative", "the kubelet prepends a `/`".into()));
    }
    let clean = path.to_string();
    if mount_path.strip_suffix('/') == Some(&*clean) {
        let (written, clean) = (quoted(mount_path), quoted(&clean));
        let why = format!("{written} and {clean} are two paths for the API server but one in the container");
        return Some(("ends in a slash", why.into()));
    }
    Some(("is unclean", MISSED_DUPLICATES.into()))
}

/// Checks whether a Windows path contains an empty or `.` component after its prefix, such as `C:`,
/// `\\server` or `\\.\pipe`.
fn is_unclean_windows_path(path: &str) -> bool {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let slashes = path.bytes().take_while(is_slash).count();
    let body = path[slashes..].trim_start_matches(['.', '?']);
    let mut names = body.split(['/', '\\']).skip(1).peekable();
    // The root of a drive: `C:\`.
    if names.peek() == Some(&"") && body.len() == 3 {
        return false;
    }
    names.any(|name| matches!(name, "" | "."))
}
