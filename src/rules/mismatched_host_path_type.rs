//! The type of a host path contradicts the path.
//!
//! ## What it does
//!
//! Reports a `hostPath.type` that can't be true of its path:
//!
//! - another type than what the catalogue of host paths knows to be there (`/dev/null` is a character device,
//!   `/etc/passwd` a file, `/run` a directory);
//! - another type than `Socket` where the name ends in `.sock`;
//! - a path that ends in a slash, and a type other than `Directory` and `DirectoryOrCreate`;
//! - any type on a named pipe of Windows, since the kubelet knows none for it.
//!
//! ## Why is this bad?
//!
//! The kubelet checks the type before it starts the Pod, and the Pod hangs in `ContainerCreating`. With
//! `DirectoryOrCreate` or `FileOrCreate` on a socket that isn't there yet it is worse: the kubelet makes an
//! empty directory or file in its place, and the daemon whose socket it is no longer starts.
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
//! Sets the type that the path has, or drops the slash at the end of the path. Unsafe: the path may be what is
//! wrong.
//!
//! ## When to allow it
//!
//! Where your nodes really have something else there, such as a directory whose name ends in `.sock`.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::{self, RequestedType, with_article};
use super::support::wording::quoted;
use super::{Catalog, Check, Context, FixClass, Group, HostPathType, HostPathVolume, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{FieldPath, HostPath};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("mismatched-host-path-type"),
    summary: "the type of a host path contradicts the path",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("mismatched_host_path_type.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let typed = cx.host_path_volumes().iter().filter(|host| !host.path.is_empty() && host.is_mounted());
    for (host, asked) in typed.filter_map(|host| Some((host, RequestedType::of_volume(host)?))) {
        out.extend(mismatch(&cx.options.catalog, host, asked));
    }
}

fn mismatch(catalog: &Catalog, host: &HostPathVolume<'_>, asked: RequestedType) -> Option<Finding> {
    if host.clean.is_named_pipe() {
        return Some(pipe(host));
    }
    let certain = host_path_type::known_type(catalog, &host.clean);
    if let Some(kind) = certain.filter(|kind| *kind != asked.file_type) {
        return Some(other_kind(catalog, host, asked, kind));
    }
    if asked.file_type == HostPathType::Directory || !HostPath::has_directory_suffix(host.path) {
        return None;
    }
    // Either the type is a slip, or the slash is.
    let looks_like = certain.or_else(|| host_path_type::type_from_name(&host.clean));
    let is_directory = asked.file_type == HostPathType::File && looks_like == Some(HostPathType::Directory);
    Some(if is_directory { needless_type(host, asked) } else { needless_slash(host, asked) })
}

const NO_START: &str = "the kubelet checks the type, and the Pod doesn't start";

fn pipe(host: &HostPathVolume<'_>) -> Finding {
    let message = format!("host path {} is a named pipe, and no type fits one", quoted(host.path));
    finding(host, host.type_field(), message, NO_START)
        .label("asks for what a pipe can't be")
        .help("remove the type")
        .fix(Fix::unsafe_edits("remove the `type`", vec![Edit::Remove(host.type_field())]))
}

fn other_kind(
    catalog: &Catalog,
    host: &HostPathVolume<'_>,
    asked: RequestedType,
    kind: HostPathType,
) -> Finding {
    let asks_for = with_article(asked.file_type);
    let path = quoted(host.path);
    let message = match (kind, catalog.file_type(&host.clean)) {
        (HostPathType::Socket, None) => {
            format!("host path {path} has the name of a socket, not of {asks_for}")
        }
        (kind, _) => format!("host path {path} is {}, not {asks_for}", with_article(kind)),
    };
    let mut edits = vec![set_type(host, kind.name())];
    if kind != HostPathType::Directory && HostPath::has_directory_suffix(host.path) {
        edits.push(drop_slash(host));
    }
    let why = match (asked.creates, asked.file_type) {
        (true, HostPathType::Directory) => {
            "where it is missing, the kubelet makes an empty directory in its place"
        }
        (true, _) => "where it is missing, the kubelet makes an empty file in its place",
        (false, _) => NO_START,
    };
    finding(host, host.type_field(), message, why)
        .label(format!("asks for {asks_for}"))
        .help(format!("set `type: {}`, or correct the path", kind.name()))
        .fix(Fix::unsafe_edits(format!("set `type: {}`", kind.name()), edits))
}

fn needless_type(host: &HostPathVolume<'_>, asked: RequestedType) -> Finding {
    let word = RequestedType { file_type: HostPathType::Directory, ..asked }.name();
    finding(host, host.type_field(), slash_message(host, asked), NO_START)
        .label(format!("asks for {}", with_article(asked.file_type)))
        .related(host.path_field(), "ends as a directory does")
        .help(format!("set `type: {word}`, or drop the slash at the end of the path"))
        .fix(Fix::unsafe_edits(format!("set `type: {word}`"), vec![set_type(host, word)]))
}

fn needless_slash(host: &HostPathVolume<'_>, asked: RequestedType) -> Finding {
    finding(host, host.path_field(), slash_message(host, asked), NO_START)
        .label("ends as a directory does")
        .related(host.type_field(), format!("asks for {}", with_article(asked.file_type)))
        .help(format!("drop the slash at the end: write {}", quoted(&HostPath::simplify(host.path))))
        .fix(Fix::unsafe_edits("remove the trailing slash", vec![drop_slash(host)]))
}

fn slash_message(host: &HostPathVolume<'_>, asked: RequestedType) -> String {
    format!("host path {} ends as a directory does, and its type is `{}`", quoted(host.path), asked.name())
}

fn finding(host: &HostPathVolume<'_>, place: FieldPath, message: String, why: &'static str) -> Finding {
    Finding::new(RULE.id, Severity::Warning, place, message).why(why).volume(host.name).path(&host.clean)
}

fn set_type(host: &HostPathVolume<'_>, word: &str) -> Edit {
    Edit::Set(host.type_field(), EditValue::Str(word.to_owned()))
}

fn drop_slash(host: &HostPathVolume<'_>) -> Edit {
    Edit::Set(host.path_field(), EditValue::Str(HostPath::simplify(host.path)))
}
