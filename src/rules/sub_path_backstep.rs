//! A sub path that is absolute, or leaves its volume by `..`.
//!
//! ## What it does
//!
//! Reports a `subPath` or `subPathExpr` that begins with `/`, `\` or a drive, or that has a `..` between slashes
//! of either kind. In a `subPathExpr` the values of variables count, as far as the container writes them out.
//!
//! ## Why is this bad?
//!
//! A sub path must stay in its volume. The API server refuses what it can see of this, but it knows neither
//! the slash of Windows nor the values of variables: such a Pod is accepted, and the kubelet then doesn't
//! start its container. A tool that joins volume and sub path without a look may end up outside.
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
//! Never. A backslash in the name of a folder of Linux is possible, and a `..` between two of them a
//! coincidence that a better name ends.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath)

use std::cell::LazyCell;
use std::collections::HashSet;
use std::ptr;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, VolumeMount, expand};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("sub-path-backstep"),
    summary: "a sub path that is absolute, or leaves its volume by `..`",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("sub_path_backstep.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for of in cx.pod().into_iter().flat_map(|pod| &pod.containers) {
        let values = LazyCell::new(|| of.env_values());
        for (index, mount) in of.volume_mounts.iter().enumerate() {
            let Some((key, written)) = mount.sub_path_entry() else { continue };
            let expanded = match key {
                "subPathExpr" => expand(written, |name| values.get(name).map(String::as_str)),
                _ => None,
            };
            let (reached, problem, why) = match (problem(written), expanded) {
                (Some(problem), _) => (String::new(), problem, problem.why()),
                (None, Some(expanded)) => match problem(&expanded) {
                    Some(problem) => (format!(" is {}, which", quoted(&expanded)), problem, OF_VALUE),
                    None => continue,
                },
                (None, None) => continue,
            };
            let message =
                format!("sub path {} of {}{reached} {}", quoted(written), container(of), problem.what);
            out.push(
                Finding::new(RULE.id, Severity::Error, of.mount_field(index).key(key), message)
                    .why(why)
                    .help(problem.help)
                    .volume(&mount.name)
                    .container(&of.name)
                    .path(written),
            );
        }
    }
}

/// The mounts that the rule speaks of. Each container's variables are expanded once.
pub(super) fn reported<'p>(pod: &'p Pod<'_>) -> HashSet<*const VolumeMount<'p>> {
    let mut found = HashSet::new();
    for of in &pod.containers {
        let values = LazyCell::new(|| of.env_values());
        for mount in of.volume_mounts.iter() {
            let Some((key, written)) = mount.sub_path_entry() else { continue };
            let expanded = || expand(written, |name| values.get(name).map(String::as_str));
            let is_problem_expanded = || expanded().is_some_and(|expanded| problem(&expanded).is_some());
            if problem(written).is_some() || key == "subPathExpr" && is_problem_expanded() {
                found.insert(ptr::from_ref(mount));
            }
        }
    }
    found
}

const OF_VALUE: &str =
    "the API server doesn't see the variable's value, and the kubelet doesn't start the container";

#[derive(Clone, Copy)]
struct Problem {
    what: &'static str,
    help: &'static str,
    /// Whether only Windows reads the path so.
    of_windows: bool,
}

impl Problem {
    fn why(self) -> &'static str {
        if self.of_windows {
            "a kubelet on Windows takes it for that and doesn't start the container; the API server doesn't see it"
        } else {
            "the API server refuses the object"
        }
    }
}

fn problem(path: &str) -> Option<Problem> {
    let absolute = |of_windows| {
        let help = "write it from the root of the volume, without a slash or a drive";
        Some(Problem { what: "is absolute", help, of_windows })
    };
    let leaves = |of_windows| {
        Some(Problem {
            what: "has a `..`",
            help: "name a path inside of the volume, without `..`",
            of_windows,
        })
    };
    let is_drive = |bytes: &[u8]| match bytes {
        [letter, b':'] | [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    };
    match path {
        _ if path.starts_with('/') => absolute(false),
        _ if path.split('/').any(|name| name == "..") => leaves(false),
        _ if path.starts_with('\\') || is_drive(path.as_bytes()) => absolute(true),
        _ if path.split(['/', '\\']).any(|name| name == "..") => leaves(true),
        _ => None,
    }
}
