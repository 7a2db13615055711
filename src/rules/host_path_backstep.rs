//! A host path contains `..`.
//!
//! ## What it does
//!
//! Reports a `..` segment in the path of a `hostPath` or `local` volume. Segments are separated by
//! slashes and, in Windows paths, also by backslashes. `/a..b` and `/...` contain no such segment.
//!
//! ## Why is this bad?
//!
//! The path is misleading: `/srv/data/../../etc` resolves to `/etc`. The API server rejects paths
//! with the segment `..`, but recognizes only segments that are separated by slashes. It therefore
//! accepts `C:\data\..\Windows`. On a Windows node, this path exposes `C:\Windows`, although it
//! starts with `C:\data`.
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
//!     - name: data
//!       mountPath: /data
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/data/../shared # finding
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
//!     - name: data
//!       mountPath: /data
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/shared
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never. Write the resolved path. volcheck offers no fix, because a symbolic link in the path can
//! lead to another location.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-backstep"),
    summary: "a host path contains `..`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("host_path_backstep.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(cx.host_path_volumes().iter().filter(|volume| volume.clean.has_backstep()).map(finding));
}

fn finding(volume: &HostPathVolume<'_>) -> Finding {
    let is_rejected = volume.path.split('/').any(|segment| segment == "..");
    let why = match is_rejected {
        true => "the API server rejects the object",
        false => "the API server accepts the path, and other policy engines may not resolve the `..`",
    };
    let message = format!("host path {} contains `..`", quoted(volume.path));
    Finding::new(RULE.id, Severity::Error, volume.path_field(), message)
        .label(format!("resolves to {} if no part is a symbolic link", quoted(&volume.clean.to_string())))
        .why(why)
        .help("write the resolved path, without `..`")
        .volume(volume.name)
        .host_path(&volume.clean)
}
