//! A mount path that isn't written as the container sees it.
//!
//! ## What it does
//!
//! Reports a `mountPath` that is relative, has a `..`, or is unclean: `//`, `/./`, or a `/` at its end.
//!
//! ## Why is this bad?
//!
//! The API server accepts all of these, and compares mount paths as text: `/data` and `data/` pass as two
//! paths. The kubelet puts a `/` before a relative one, and the runtime cleans the rest, so the container may
//! have the volume at another path than the one that was meant.
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
//! Writes the path clean and absolute. Safe, but for a path with a `..`: where a link of the image stands before
//! it, the runtime may reach another folder. There is none for a path of Windows, for the root, nor where the
//! container has another mount at the clean path.
//!
//! ## When to allow it
//!
//! Never needed.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashSet;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Safety, Severity};
use crate::model::{ContainerMount, HostPath, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unclean-mount-path"),
    summary: "a mount path that isn't written as the container sees it",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: None,
    source: include_str!("unclean_mount_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for container in cx.pod().into_iter().flat_map(|pod| &pod.containers) {
        let taken = LazyCell::new(|| container.volume_uses().map(|used| used.target).collect::<HashSet<_>>());
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let is_taken = |path: &str| taken.contains(path);
            out.extend(finding(ContainerMount { container, mount, index }, is_taken));
        }
    }
}

fn finding(of: ContainerMount<'_, '_>, is_taken: impl Fn(&str) -> bool) -> Option<Finding> {
    let written = &*of.mount.mount_path;
    if written.is_empty() || clean_container_path(written) == written {
        return None;
    }
    let path = HostPath::in_container(written);
    let (problem, why) = problem(written, &path)?;
    let message = format!("mount path {} of {} {problem}", quoted(written), container(of.container));
    let finding = Finding::new(RULE.id, Severity::Info, of.path().key("mountPath"), message)
        .label(label(&path))
        .why(why)
        .volume(&of.mount.name)
        .container(&of.container.name)
        .path(written);
    if path.is_windows() {
        return Some(finding.help("write it clean, and without `..`"));
    }
    let clean = path.to_string();
    if path.is_root() {
        return Some(finding.help("name the folder that is meant: this is all of the container"));
    }
    if is_taken(&clean) {
        return Some(
            finding.help("give the mount a path of its own: there is another one at the clean path"),
        );
    }
    let safety = if path.has_backstep() { Safety::Unsafe } else { Safety::Safe };
    let help = format!("write {}", quoted(&clean));
    let edits = vec![Edit::Set(of.path().key("mountPath"), EditValue::Str(clean))];
    Some(finding.help(help).fix(Fix { title: "rewrite the path".into(), safety, edits }))
}

fn label(path: &HostPath) -> String {
    let clean = quoted(&path.to_string());
    match path.has_backstep() {
        true => format!("reaches {clean}, unless a link leads elsewhere"),
        false => format!("means {clean}"),
    }
}

const UNCLEAN: &str = "the API server compares paths as text, so two spellings of one path pass as two";

/// What is wrong with a path, and what comes of it.
fn problem(written: &str, path: &HostPath) -> Option<(&'static str, Cow<'static, str>)> {
    if path.has_backstep() {
        return Some(("has a `..`", "where that leads is the runtime's affair".into()));
    }
    if path.is_windows() {
        return is_unclean_of_windows(written).then_some(("is unclean", UNCLEAN.into()));
    }
    if !written.starts_with('/') {
        return Some(("is relative", "the kubelet puts a `/` before it".into()));
    }
    let clean = path.to_string();
    if written.strip_suffix('/') == Some(&*clean) {
        let (written, clean) = (quoted(written), quoted(&clean));
        let why =
            format!("the API server takes {written} and {clean} for two mount paths, the container for one");
        return Some(("ends in a slash", why.into()));
    }
    Some(("is unclean", UNCLEAN.into()))
}

/// Whether a path of Windows has an empty name or a `.` behind its beginning: `C:`, `\\server`, `\\.\pipe`.
fn is_unclean_of_windows(written: &str) -> bool {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let slashes = written.bytes().take_while(is_slash).count();
    let body = written[slashes..].trim_start_matches(['.', '?']);
    let mut names = body.split(['/', '\\']).skip(1).peekable();
    // The root of a drive: `C:\`.
    if names.peek() == Some(&"") && body.len() == 3 {
        return false;
    }
    names.any(|name| matches!(name, "" | "."))
}
