//! A container has a mount inside a read-only mount.
//!
//! ## What it does
//!
//! Reports a mount whose path is inside a read-only mount of the same container. The read-only
//! mount is called the *outer mount*, and its volume the *outer volume*. If the path is inside
//! several mounts, the rule considers only the innermost of them. The severity depends on the outer
//! volume:
//!
//! - error if the volume is initially empty: `emptyDir`, and generic ephemeral volumes without a
//!   data source
//! - warning if the volume may contain the mount point: `hostPath`, `persistentVolumeClaim`,
//!   `image` and others
//!
//! A mount is not reported in these cases:
//!
//! - The outer volume is a `configMap`, `secret`, `downwardAPI` or `projected` volume, in which the
//!   kubelet creates the mount point.
//! - The outer volume is a `hostPath` volume, and volcheck knows that the mount point exists on the
//!   node. It knows this for paths with a type in volcheck's host path catalog, parent
//!   directories of catalog entries whose path contains no `*`, well-known devices, and names that
//!   end in `.sock`. It also knows this for the path of each `hostPath` volume that a container of
//!   the Pod mounts, and for the parent directories of this path.
//! - Another container can create the mount point, because it starts before or alongside the
//!   container with the mount, and can write to the outer volume.
//! - The outer volume is undefined, or its source is unknown.
//!
//! The rule also checks two mounts that are not in the manifest:
//!
//! - By default, the API server adds a mount of the ServiceAccount token at
//!   `/var/run/secrets/kubernetes.io/serviceaccount`. The rule does not assume this mount in a Pod
//!   with `automountServiceAccountToken: false`, in a static Pod, in an ephemeral container, or in
//!   a container with another mount at this path or at `/run/secrets/kubernetes.io/serviceaccount`.
//!   A finding about this mount is always a warning, even if the outer volume is initially empty.
//!   For example, a read-only mount of a host path at `/var/run` is a warning. A mount of a Secret
//!   at `/run/secrets` is also a warning, because `/var/run` is a symbolic link to `/run` in most
//!   images. The kubelet does not resolve this link, so it does not create the mount point in the
//!   Secret.
//! - The kubelet mounts a file at the `terminationMessagePath` of the container, which is
//!   `/dev/termination-log` by default. A read-only mount of the node's `/dev` at `/dev` is
//!   therefore a warning.
//!
//! Pods on Windows nodes, objects of unknown kinds and incomplete objects, such as patches, are
//! skipped.
//!
//! ## Why is this bad?
//!
//! The container runtime creates a missing mount point before it starts the container. In a
//! read-only mount, it cannot: the container fails with `read-only file system`, and the Pod stays
//! in `CrashLoopBackOff`. The order of the mounts in the manifest makes no difference.
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
//!     - name: site
//!       mountPath: /site
//!       readOnly: true
//!     - name: uploads
//!       mountPath: /site/uploads # finding
//!   volumes:
//!   - name: site
//!     emptyDir: {}
//!   - name: uploads
//!     persistentVolumeClaim:
//!       claimName: uploads
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
//!     - name: site
//!       mountPath: /site
//!       readOnly: true
//!     - name: uploads
//!       mountPath: /uploads
//!   volumes:
//!   - name: site
//!     emptyDir: {}
//!   - name: uploads
//!     persistentVolumeClaim:
//!       claimName: uploads
//! ```
//!
//! ## Fix
//!
//! Advice only: mount the inner volume elsewhere, make the outer mount writable, or create the
//! directory in the outer volume before the container starts.
//!
//! ## When to allow it
//!
//! Allow a warning if the mount point exists in the outer volume on every node where the Pod can
//! run.
//!
//! ## References
//!
//! - [kubernetes/kubernetes#121294](https://github.com/kubernetes/kubernetes/issues/121294): a mount inside a read-only `emptyDir`
//! - [kubernetes/kubernetes#60342](https://github.com/kubernetes/kubernetes/pull/60342), which creates mount points in ConfigMaps, Secrets and similar volumes
//! - [kubernetes/kubernetes#65835](https://github.com/kubernetes/kubernetes/issues/65835): a Secret at `/run/secrets`
//! - [rook/rook#1727](https://github.com/rook/rook/issues/1727): a read-only mount of `/dev`

use std::cell::LazyCell;
use std::collections::HashMap;

use super::support::nested_mounts::{
    InnerMount, NestedMount, TOKEN_PATH, creates_mount_points, exists_on_node, has_earlier_writer,
    nested_mounts, token_help,
};
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, HostPathAccess, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldPath, HostPath, Pod, VolumeMount, VolumeSource, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("mount-inside-read-only"),
    summary: "a container has a mount inside a read-only mount",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("mount_inside_read_only.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let accesses = LazyCell::new(|| cx.accesses_by_mount());
    let is_outer = |mount: &VolumeMount<'_>| {
        let creates = || pod.volume(&mount.name).is_some_and(creates_mount_points);
        let is_token_parent = || TOKEN_PARENTS.contains(&&*clean_container_path(&mount.mount_path));
        pod.is_read_only(mount) && (!creates() || is_token_parent())
    };
    for nested in nested_mounts(cx, is_outer) {
        let Some(content) = content(pod, &nested, &accesses) else { continue };
        let point = content.path().map(|path| path.join(&nested.relative));
        let exists = point.as_ref().is_some_and(|point| exists_on_node(cx, point));
        if !exists && !has_earlier_writer(pod, &nested.outer) {
            out.push(finding(&nested, &content, point));
        }
    }
}

/// The parents of the ServiceAccount token in images where `/var/run` is a symbolic link to `/run`.
/// The kubelet does not create the mount point of the token there, because it does not resolve the
/// link.
const TOKEN_PARENTS: &[&str] = &["/run", "/run/secrets", "/run/secrets/kubernetes.io"];

/// The content of a volume before the containers start.
enum Content<'c> {
    Empty,
    /// The files of the node at this path.
    HostPath(&'c HostPath),
    Unknown,
}

impl Content<'_> {
    fn path(&self) -> Option<&HostPath> {
        match self {
            Self::HostPath(path) => Some(path),
            Self::Empty | Self::Unknown => None,
        }
    }
}

/// Returns the content of the outer mount's volume. Returns `None` if the kubelet creates the mount
/// point in the volume, or if the volume is unknown or not a directory.
fn content<'c>(
    pod: &Pod<'_>,
    nested: &NestedMount<'_>,
    accesses: &HashMap<FieldPath, &'c HostPathAccess<'_>>,
) -> Option<Content<'c>> {
    let outer = &nested.outer;
    let name = &*outer.mount.name;
    let Some(volume) = pod.volume(name) else {
        return pod.claim_template(name).map(|_| Content::Unknown);
    };
    if creates_mount_points(volume) {
        return matches!(nested.inner, InnerMount::Token).then_some(Content::Empty);
    }
    match volume.source() {
        Some(VolumeSource::HostPath(_)) => {
            let access = accesses.get(&outer.path())?;
            access.can_be_directory().then_some(Content::HostPath(&access.path))
        }
        Some(VolumeSource::EmptyDir(_)) => Some(Content::Empty),
        Some(VolumeSource::Ephemeral(source)) if source.is_empty() => Some(Content::Empty),
        Some(VolumeSource::Unknown) => None,
        Some(_) => Some(Content::Unknown),
        None => volume.empty_dir().map(|_| Content::Empty),
    }
}

fn finding(nested: &NestedMount<'_>, content: &Content<'_>, point: Option<HostPath>) -> Finding {
    let outer = &nested.outer;
    let outer_path = quoted(&outer.mount.mount_path);
    // A finding about the token is only a warning, because the ServiceAccount may disable the
    // token, and `/var/run` may be a directory in the image.
    let severity = match content {
        Content::Empty if !matches!(nested.inner, InnerMount::Token) => Severity::Error,
        _ => Severity::Warning,
    };
    let owner = container(outer.container);
    let (subject, mount, path) = match &nested.inner {
        InnerMount::Volume(inner) => {
            let path = &*inner.mount.mount_path;
            (format!("mount path {} of {owner}", quoted(path)), inner, path)
        }
        InnerMount::Token => (format!("the ServiceAccount token of {owner}"), outer, TOKEN_PATH),
        InnerMount::TerminationLog => {
            (format!("the termination log of {owner}"), outer, &*outer.mount.mount_path)
        }
    };
    let message = format!("{subject} is inside the read-only mount at {outer_path}");
    let why = match (content, point) {
        (Content::Empty, _) if matches!(nested.inner, InnerMount::Token) => {
            "the runtime cannot create the mount point in a read-only mount, so the container may never start"
                .to_owned()
        }
        (Content::Empty, _) => {
            "the runtime cannot create the mount point in a read-only mount, so the container never starts"
                .to_owned()
        }
        (_, Some(point)) => format!(
            "the container starts only if {} exists on the node, because the runtime cannot create it",
            quoted(&point.to_string())
        ),
        (_, None) => format!(
            "the container starts only if the path {} exists in the outer volume, because the runtime cannot create it",
            quoted(&nested.relative)
        ),
    };
    let help = match (&nested.inner, content) {
        (InnerMount::Token, _) => token_help(),
        (InnerMount::TerminationLog, _) => {
            format!("set `terminationMessagePath` to a path outside of {outer_path}")
        }
        (InnerMount::Volume(inner), Content::Empty) => format!(
            "mount volume {} outside of {outer_path}, or remove `readOnly` from the mount at {outer_path}",
            quoted(&inner.mount.name)
        ),
        (InnerMount::Volume(inner), _) => format!(
            "mount volume {} outside of {outer_path}, or at a directory that exists in volume {}",
            quoted(&inner.mount.name),
            quoted(&outer.mount.name)
        ),
    };
    let finding = Finding::new(RULE.id, severity, mount.path().key("mountPath"), message)
        .why(why)
        .help(help)
        .volume(&mount.mount.name)
        .container(&outer.container.name)
        .path(path);
    match nested.inner {
        InnerMount::Volume(_) => {
            finding.related(outer.path(), format!("volume {} is read-only here", quoted(&outer.mount.name)))
        }
        InnerMount::Token | InnerMount::TerminationLog => finding.label("read-only"),
    }
}
