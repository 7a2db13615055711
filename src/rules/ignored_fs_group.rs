//! `fsGroup` is set, but has no effect on the `hostPath` volumes of the Pod.
//!
//! ## What it does
//!
//! Reports the `securityContext.fsGroup` of a Pod if a container has a writable mount of a
//! `hostPath` volume, and the Pod has no other volume that might need the group. Mounts of sockets
//! and devices do not count. The rule assumes that these volumes do not need the group:
//!
//! - other `hostPath` volumes
//! - `configMap`, `downwardAPI` and `image` volumes, whose files are usually readable for all users
//! - the volume `kube-api-access-…`, which the API server adds for the ServiceAccount token
//!
//! If all `hostPath` volumes are mounted read-only, the Pod is not reported, because the group may
//! then be meant for the ServiceAccount token. Incomplete objects, such as patches, and objects of
//! unknown kinds are skipped.
//!
//! ## Why is this bad?
//!
//! The processes of the containers belong to the group, but the files usually do not, because
//! Kubernetes never changes the ownership of files in a `hostPath` volume. Writes can fail, and no
//! event explains why.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: app
//! spec:
//!   securityContext:
//!     runAsUser: 1000
//!     fsGroup: 2000 # finding
//!   containers:
//!   - name: app
//!     image: busybox
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/data
//!       type: Directory
//! ```
//!
//! Use a volume type that supports `fsGroup`:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: app
//! spec:
//!   securityContext:
//!     runAsUser: 1000
//!     fsGroup: 2000
//!   containers:
//!   - name: app
//!     image: busybox
//!     volumeMounts:
//!     - name: data
//!       mountPath: /data
//!   volumes:
//!   - name: data
//!     persistentVolumeClaim:
//!       claimName: data
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the container needs the group for another purpose. `supplementalGroups` is the
//! better field for that.
//!
//! ## References
//!
//! - [Kubernetes: security context of a Pod](https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)

use super::support::wording;
use super::{Check, Context, FixClass, Group, HostPathType, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, Volume};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("ignored-fs-group"),
    summary: "`fsGroup` is set, but has no effect on `hostPath` volumes",
    group: Group::HostPaths,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("ignored_fs_group.rs"),
    check: Check::Volumes(check),
};

/// The maximum number of volumes among the related locations.
const MAX_RELATED: usize = 9;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let Some(group) = pod.fs_group.filter(|_| has_unsupported_volume(cx) && !has_supported_volume(pod))
    else {
        return;
    };
    let field = pod.path.key("securityContext").key("fsGroup");
    let message = format!("`fsGroup: {group}` has no effect on `hostPath` volumes");
    let finding = Finding::new(RULE.id, Severity::Info, field, message)
        .why("writes can fail, because the kubelet does not change the group of files on the node")
        .help("change the group of the files on the node, or use a `persistentVolumeClaim` or an `emptyDir`");
    let volumes = cx.host_path_volumes().iter().take(MAX_RELATED);
    out.push(volumes.fold(finding, |finding, volume| {
        finding.related(
            volume.path_field(),
            format!("the files of {} keep their group", wording::volume(volume)),
        )
    }));
}

/// Checks whether a container has a writable mount of a host path that is neither a socket nor a
/// device.
fn has_unsupported_volume(cx: &Context<'_>) -> bool {
    cx.host_path_accesses().any(|(_, access)| {
        let is_device = access.file_type.is_some_and(HostPathType::bypasses_read_only);
        access.mount.is_some() && !access.is_read_only && !is_device
    })
}

/// Checks whether the pod has a volume that supports `fsGroup` and may need it. ConfigMaps and
/// similar volumes do not need it, because all users can usually read their files.
fn has_supported_volume(pod: &Pod<'_>) -> bool {
    let is_supported = |volume: &Volume<'_>| {
        let is_readable = matches!(volume.source_key(), Some("configMap" | "downwardAPI" | "image"));
        !is_readable && volume.host_path().is_none() && !volume.is_kube_api_access()
    };
    pod.volumes.iter().any(is_supported) || !pod.claim_templates.is_empty()
}
