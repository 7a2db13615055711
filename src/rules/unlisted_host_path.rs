//! A volume exposes a host path that is not in the policy's allow list.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path is not allowed by the policy's
//! allow list `hostPaths.allowOnly`. An entry of the list allows its path and everything below it.
//! With `readOnly: true`, it allows only read-only mounts. If several entries contain the path, the
//! most specific one decides. Relative paths and paths with `..` are never allowed.
//!
//! The effective path is the path of the volume joined with the `subPath` of the mount. Aliases are
//! resolved: `/var/run` counts as `/run`.
//!
//! The allow list also affects `unknown-socket` and, for paths that are not in the host path
//! catalog, `hidden-host-path`. All other rules still report an allowed path.
//!
//! ## Why is this bad?
//!
//! Your policy defines which host paths workloads may use, and this path is not one of them.
//!
//! ## Example
//!
//! With this policy:
//!
//! ```yaml
//! hostPaths:
//!   allowOnly:
//!   - { path: /var/log, readOnly: true }
//!   - { path: /srv/volumes }
//! ```
//!
//! The rule reports this Pod:
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
//!       path: /srv/volumes-old # finding
//!       type: Directory
//! ```
//!
//! It does not report this Pod:
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/volumes/reader
//!       type: Directory
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Options
//!
//! `hostPaths.allowOnly` is the allow list. Without it, the rule reports nothing. An empty list
//! allows no path. To accept the findings of other rules about an allowed path, add an exemption.
//!
//! ## When to allow it
//!
//! If every workload may use the path, add it to the allow list. If only one workload may use it,
//! exempt that workload.

use std::borrow::Cow;

use super::support::findings::host_path_finding;
use super::support::wording::{accessor, host_path, read_only_setting};
use super::{
    Check, Context, FixClass, Group, HostPathAccess, HostPathVolume, MatchKey, ObjectKinds, Rule, RuleOption,
};
use crate::finding::{Family, Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unlisted-host-path"),
    summary: "a volume exposes a host path that is not in the policy's allow list",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[RuleOption::policy_key(
        "hostPaths.allowOnly",
        "the allowed paths; without it, the rule reports nothing",
    )],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("unlisted_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(allowed) = &cx.options.allowed_host_paths else { return };
    for (volume, access) in cx.host_path_accesses() {
        if access.is_allowed(cx.options) {
            continue;
        }
        let path = host_path(volume, access);
        let (message, help) = if allowed.iter().any(|entry| entry.covers(&access.path)) {
            (
                format!(
                    "{path} is allowed for reading only, but {} can write to it",
                    accessor(volume, access)
                ),
                read_only_help(volume, access),
            )
        } else {
            (
                format!("{path} is not in the policy's allow list"),
                "use an allowed path, or add this one to `hostPaths.allowOnly` in the policy".into(),
            )
        };
        let finding = host_path_finding(RULE.id, Severity::Error, volume, access, message)
            .why("the policy limits the host paths that workloads may use")
            .help(help);
        out.push(finding);
    }
}

fn read_only_help(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> Cow<'static, str> {
    match access.mount {
        _ if volume.is_persistent_volume() => {
            "use a path that is allowed without `readOnly`: a PersistentVolume is writable".into()
        }
        Some(mount) => format!("set {} on the mount", read_only_setting(mount)).into(),
        None => "set `readOnly: true` on the mount".into(),
    }
}
