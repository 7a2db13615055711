//! An `emptyDir` volume of a Windows Pod has the medium `Memory`.
//!
//! ## What it does
//!
//! Reports `medium: Memory` in a Pod for Windows nodes. These are the Pods with one of the
//! following:
//!
//! - `os.name: windows`
//! - a node selector or required node affinity that selects Windows nodes by the label
//!   `kubernetes.io/os` or `beta.kubernetes.io/os`
//! - a node selector with the label `node.kubernetes.io/windows-build`
//! - `windowsOptions` in a security context
//! - a mount path with a drive, such as `C:\data`
//!
//! A Pod that requires Linux, for example by `os.name: linux`, is never reported.
//!
//! ## Why is this bad?
//!
//! Windows has no tmpfs. The kubelet creates a directory on the node's disk instead, without an
//! error. Secrets that are meant to stay in memory are written to the disk, and access is slower
//! than expected. The files do not count as memory of the Pod.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   os:
//!     name: windows
//!   containers:
//!   - name: web
//!     image: mcr.microsoft.com/windows/servercore/iis
//!     volumeMounts:
//!     - name: cache
//!       mountPath: C:\cache
//!   volumes:
//!   - name: cache
//!     emptyDir:
//!       medium: Memory # finding
//!       sizeLimit: 1Gi
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
//!   os:
//!     name: windows
//!   containers:
//!   - name: web
//!     image: mcr.microsoft.com/windows/servercore/iis
//!     volumeMounts:
//!     - name: cache
//!       mountPath: C:\cache
//!   volumes:
//!   - name: cache
//!     emptyDir:
//!       sizeLimit: 1Gi
//! ```
//!
//! ## Fix
//!
//! Removes the medium. Unsafe: if the Pod runs on Linux after all, the volume is then on disk.
//!
//! ## When to allow it
//!
//! Allow it if the same template creates Pods for Linux and Windows, and the files may be on disk.
//!
//! ## References
//!
//! - [Kubernetes: Windows containers,
//!   storage](https://kubernetes.io/docs/concepts/storage/windows-storage/)
//! - `MountSensitive` in `mount_windows.go` of `k8s.io/mount-utils` 0.37

use super::support::empty_dir::{Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Severity};
use crate::model::Os;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("memory-medium-on-windows"),
    summary: "an `emptyDir` volume of a Windows Pod has the medium `Memory`",
    group: Group::EmptyDir,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("memory_medium_on_windows.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.os != Some(Os::Windows) {
        return;
    }
    let in_memory =
        empty_dirs(cx).filter(|empty_dir| Medium::parse(&empty_dir.source.medium) == Medium::Memory);
    out.extend(in_memory.map(|empty_dir| {
        let (name, field) = (&empty_dir.volume.name, empty_dir.medium_field());
        let message = format!(
            "`emptyDir` volume {} is on disk: Windows does not support `medium: Memory`",
            quoted(name)
        );
        Finding::new(RULE.id, Severity::Warning, field.clone(), message)
            .label("no effect on Windows")
            .why("the files are written to the node's disk, and do not count as memory of the Pod")
            .help("remove the medium, and keep secrets out of the volume")
            .fix(Fix::unsafe_edits("remove the medium", vec![Edit::Remove(field)]))
            .volume(name)
    }));
}
