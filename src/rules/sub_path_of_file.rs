//! A mount has a sub path, but its volume is a file, socket or device.
//!
//! ## What it does
//!
//! Reports each mount of a `hostPath` volume whose `subPath` or `subPathExpr` leads through a file,
//! socket or device of the node. The rule assumes this in these cases:
//!
//! - The `type` of the volume is `File`, `FileOrCreate`, `Socket`, `CharDevice` or `BlockDevice`.
//! - The volume has no `type`, and volcheck's host path catalog lists the path as a file, socket or
//!   device.
//! - The volume has no `type`, and the path is a well-known device, or its name ends in `.sock`.
//! - The path is a Windows named pipe.
//! - Inside the volume, the sub path leads through a path that the catalog lists as a file, socket
//!   or device. An example is the sub path `passwd/root` in a volume with the host path `/etc`.
//!
//! ## Why is this bad?
//!
//! A sub path must be inside a directory. The API server accepts the Pod, but the kubelet cannot
//! resolve the sub path, and the container never starts (`CreateContainerConfigError`).
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /etc/agent.conf
//!       subPath: agent.conf # finding
//!       readOnly: true
//!   volumes:
//!   - name: settings
//!     hostPath:
//!       path: /opt/agent/agent.conf
//!       type: File
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: agent
//! spec:
//!   containers:
//!   - name: agent
//!     image: busybox
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /etc/agent.conf
//!       readOnly: true
//!   volumes:
//!   - name: settings
//!     hostPath:
//!       path: /opt/agent/agent.conf
//!       type: File
//! ```
//!
//! ## When to allow it
//!
//! Never. Remove the sub path, or mount the directory of the file.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath)
//! - `makeMounts` in `pkg/kubelet/kubelet_pods.go`, Kubernetes 1.37

use super::support::host_path_type::{self, RequestedType};
use super::support::policy_keys::CATALOG;
use super::support::wording::{container, quoted, volume_and_path};
use super::{
    Catalog, Check, Context, FixClass, Group, HostPathAccess, HostPathType, HostPathVolume, MatchKey,
    ObjectKinds, Rule,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Relation;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("sub-path-of-file"),
    summary: "a mount has a sub path, but its volume is a file, socket or device",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("sub_path_of_file.rs"),
    check: Check::Volumes(check),
};

/// The noun for a Windows named pipe, which is not in a directory that can be mounted.
const NAMED_PIPE: &str = "named pipe";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let catalog = &cx.options.catalog;
    for (volume, access) in cx.host_path_accesses() {
        let Some(mount) = access.mount else { continue };
        let Some((key, sub_path)) = mount.mount.sub_path_entry() else { continue };
        // A sub path such as `.` is the volume itself.
        let is_below = key == "subPathExpr" || access.path != volume.clean;
        let Some((path, noun)) = file_above(catalog, volume, access).filter(|_| is_below) else { continue };
        let message = format!(
            "{} mounts sub path {}, but {} is a {noun}",
            container(mount.container),
            quoted(sub_path),
            quoted(path),
        );
        let finding = Finding::new(RULE.id, Severity::Error, mount.path().key(key), message)
            .related(volume.path_field(), volume_and_path(volume))
            .why("the kubelet cannot resolve the sub path, so the container never starts")
            .help(match noun {
                NAMED_PIPE => format!("remove `{key}`"),
                _ => format!(
                    "remove `{key}`, or use a volume with the directory that contains the {noun}, and set `{key}` to a \
                     path in this directory"
                ),
            })
            .volume(volume.name)
            .container(&mount.container.name)
            .host_path(&access.path);
        out.push(finding);
    }
}

/// Returns the path of the file, socket or device above the sub path of an access, and a noun for
/// it. Returns `None` if no such path is known.
fn file_above<'v>(
    catalog: &'v Catalog,
    volume: &'v HostPathVolume<'_>,
    access: &HostPathAccess<'_>,
) -> Option<(&'v str, &'static str)> {
    if volume.clean.is_named_pipe() {
        return Some((volume.path, NAMED_PIPE));
    }
    let of_volume = match RequestedType::of_volume(volume) {
        Some(requested) => Some(requested.file_type),
        None => host_path_type::known_type(catalog, &volume.clean),
    };
    if let Some(file_type) = of_volume.filter(|file_type| *file_type != HostPathType::Directory) {
        return Some((volume.path, file_type.noun()));
    }
    catalog.related(&access.path).find_map(|(entry, relation)| {
        let file_type = entry.file_type.filter(|file_type| *file_type != HostPathType::Directory)?;
        let is_inside_volume = volume.clean.relation(&entry.pattern) == Relation::Ancestor;
        let is_above = relation == Relation::Descendant && is_inside_volume;
        is_above.then(|| (entry.path.as_str(), file_type.noun()))
    })
}
