//! The `type` of a `hostPath` volume contradicts its path.
//!
//! ## What it does
//!
//! Reports the `hostPath.type` of a mounted volume or of a PersistentVolume if the type contradicts
//! the path:
//!
//! - The host path catalog lists another type for the path. For example, `/dev/null` is a character
//!   device, and `/etc/passwd` is a file.
//! - The path is a parent directory of a catalog entry whose path contains no `*`, and the type is
//!   neither `Directory` nor `DirectoryOrCreate`. An example of such a parent directory is `/run`.
//! - The path is a well-known device or directory below `/dev`, such as `/dev/loop0`, and the type
//!   does not match it.
//! - The path ends in `.sock`, and the type is not `Socket`.
//! - The path ends in a slash or in `/.`, and the type is neither `Directory` nor
//!   `DirectoryOrCreate`.
//! - The path is a Windows named pipe. The kubelet supports no type for named pipes.
//!
//! ## Why is this bad?
//!
//! The kubelet checks the type before it starts the Pod. If the check fails, the Pod stays in
//! `ContainerCreating`. `DirectoryOrCreate` and `FileOrCreate` are worse if the path is a socket
//! that does not exist yet. The kubelet then creates an empty directory or file in its place, and
//! the daemon that should create the socket may fail to start.
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
//!     - name: api
//!       mountPath: /run/agent.sock
//!   volumes:
//!   - name: api
//!     hostPath:
//!       path: /run/agent/agent.sock
//!       type: FileOrCreate # finding
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
//!     - name: api
//!       mountPath: /run/agent.sock
//!   volumes:
//!   - name: api
//!     hostPath:
//!       path: /run/agent/agent.sock
//!       type: Socket
//! ```
//!
//! ## Fix
//!
//! Sets the correct type, removes the trailing slash or `/.`, or removes the type of a named pipe.
//! Unsafe: the path may be wrong instead of the type.
//!
//! ## When to allow it
//!
//! Allow it if the path has the requested type on your nodes. For example, a path whose name ends
//! in `.sock` may be a directory.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::{self, RequestedType, with_article};
use super::support::policy_keys::CATALOG;
use super::support::wording::quoted;
use super::{
    Catalog, Check, Context, FixClass, Group, HostPathType, HostPathVolume, MatchKey, ObjectKinds, Rule,
};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{FieldPath, HostPath};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("mismatched-host-path-type"),
    summary: "the `type` of a `hostPath` volume contradicts its path",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("mismatched_host_path_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mounted =
        cx.host_path_volumes().iter().filter(|volume| !volume.path.is_empty() && volume.is_mounted());
    for (volume, requested) in mounted.filter_map(|volume| Some((volume, RequestedType::of_volume(volume)?)))
    {
        out.extend(mismatch(&cx.options.catalog, volume, requested));
    }
}

fn mismatch(catalog: &Catalog, volume: &HostPathVolume<'_>, requested: RequestedType) -> Option<Finding> {
    if volume.clean.is_named_pipe() {
        return Some(named_pipe_finding(volume));
    }
    let known = host_path_type::known_type(catalog, &volume.clean);
    if let Some(actual) = known.filter(|known| *known != requested.file_type) {
        return Some(known_type_finding(catalog, volume, requested, actual));
    }
    if requested.file_type == HostPathType::Directory || !HostPath::has_directory_suffix(volume.path) {
        return None;
    }
    // A path that ends in a slash must be a directory, so either the type or the slash is wrong.
    let probable = known.or_else(|| host_path_type::type_from_name(&volume.clean));
    let is_directory = requested.file_type == HostPathType::File && probable == Some(HostPathType::Directory);
    Some(if is_directory { type_finding(volume, requested) } else { slash_finding(volume, requested) })
}

const NOT_STARTED: &str = "the kubelet checks the type and does not start the Pod";

fn named_pipe_finding(volume: &HostPathVolume<'_>) -> Finding {
    let message = format!("host path {} is a named pipe and must have no type", quoted(volume.path));
    finding(volume, volume.type_field(), message, NOT_STARTED)
        .label("no type is valid for a pipe")
        .help("remove the `type`")
        .fix(Fix::unsafe_edits("remove the `type`", vec![Edit::Remove(volume.type_field())]))
}

fn known_type_finding(
    catalog: &Catalog,
    volume: &HostPathVolume<'_>,
    requested: RequestedType,
    actual: HostPathType,
) -> Finding {
    let requested_type = with_article(requested.file_type);
    let path = quoted(volume.path);
    let message = match (actual, catalog.file_type(&volume.clean)) {
        (HostPathType::Socket, None) => {
            format!("host path {path} is named like a socket, not {requested_type}")
        }
        (actual, _) => format!("host path {path} is {}, not {requested_type}", with_article(actual)),
    };
    let mut edits = vec![set_type(volume, actual.name())];
    if actual != HostPathType::Directory && HostPath::has_directory_suffix(volume.path) {
        edits.push(remove_slash(volume));
    }
    let why = match (requested.creates, requested.file_type) {
        (true, HostPathType::Directory) => {
            "if the path does not exist, the kubelet creates an empty directory there"
        }
        (true, _) => "if the path does not exist, the kubelet creates an empty file there",
        (false, _) => NOT_STARTED,
    };
    finding(volume, volume.type_field(), message, why)
        .label(format!("requests {requested_type}"))
        .help(format!("set `type: {}`, or correct the path", actual.name()))
        .fix(Fix::unsafe_edits(format!("set `type: {}`", actual.name()), edits))
}

/// Creates a finding about a type that is wrong for a path with a trailing slash.
fn type_finding(volume: &HostPathVolume<'_>, requested: RequestedType) -> Finding {
    let name = RequestedType { file_type: HostPathType::Directory, ..requested }.name();
    finding(volume, volume.type_field(), slash_message(volume, requested), NOT_STARTED)
        .label(format!("requests {}", with_article(requested.file_type)))
        .related(volume.path_field(), "trailing slash")
        .help(format!("set `type: {name}`, or remove the trailing slash"))
        .fix(Fix::unsafe_edits(format!("set `type: {name}`"), vec![set_type(volume, name)]))
}

/// Creates a finding about a trailing slash that is wrong for the type.
fn slash_finding(volume: &HostPathVolume<'_>, requested: RequestedType) -> Finding {
    finding(volume, volume.path_field(), slash_message(volume, requested), NOT_STARTED)
        .label("trailing slash")
        .related(volume.type_field(), format!("requests {}", with_article(requested.file_type)))
        .help(format!("remove the trailing slash: {}", quoted(&HostPath::simplify(volume.path))))
        .fix(Fix::unsafe_edits("remove the trailing slash", vec![remove_slash(volume)]))
}

fn slash_message(volume: &HostPathVolume<'_>, requested: RequestedType) -> String {
    let (path, name) = (quoted(volume.path), requested.name());
    format!("host path {path} ends with a slash, which requires a directory, but has type `{name}`")
}

fn finding(volume: &HostPathVolume<'_>, field: FieldPath, message: String, why: &'static str) -> Finding {
    Finding::new(RULE.id, Severity::Warning, field, message)
        .why(why)
        .volume(volume.name)
        .host_path(&volume.clean)
}

fn set_type(volume: &HostPathVolume<'_>, name: &str) -> Edit {
    Edit::Set(volume.type_field(), EditValue::Str(name.to_owned()))
}

fn remove_slash(volume: &HostPathVolume<'_>) -> Edit {
    Edit::Set(volume.path_field(), EditValue::Str(HostPath::simplify(volume.path)))
}
