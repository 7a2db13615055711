//! A host path doesn't say what must be there.
//!
//! ## What it does
//!
//! Reports a `hostPath` whose `type` is absent, null or empty (the same to Kubernetes), in a volume or a
//! PersistentVolume. A named pipe of Windows is left out: the kubelet knows no type for it.
//!
//! ## Why is this bad?
//!
//! Without a type nothing is checked, and the container runtime makes a missing path as a directory that
//! belongs to root. A misspelt path gives an empty directory instead of an error, on every node that the Pod
//! comes to, and nobody removes it. Where a socket or a file should be, that directory keeps its daemon from
//! making it.
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log # finding
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
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Sets the type that the path suggests: what the catalogue of host paths knows there, `Socket` for `*.sock`,
//! `File` for what has the extension of a file or is in a folder of programs, else `Directory`. Where a container
//! writes to a folder, a lock, a log or a database that isn't the node's own, is in `/run`, or is a plugin's, it is
//! `DirectoryOrCreate` or `FileOrCreate`: on a new node nobody else makes it. Unsafe: where the path is missing or
//! is something else, the Pod no longer starts. There is none for a device that volcheck doesn't know.
//!
//! ## When to allow it
//!
//! The kubelet checks the type in its own file system. On a node where it runs in a container itself, as on
//! Talos, that check can fail although the path is there.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)
//! - [kubernetes/kubernetes#34058](https://github.com/kubernetes/kubernetes/pull/34058), which made the type

use super::node_creating_host_path::may_create;
use super::types::{self, AskedType};
use super::words::quoted;
use super::{Context, FixClass, HostPathType, HostVolume, Meta, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, Safety, Severity};

const META: Meta = Meta {
    id: "untyped-host-path",
    summary: "a host path doesn't say what must be there",
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("untyped_host_path.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        let untyped = cx
            .host_volumes()
            .iter()
            .filter(|host| host.has_type && host.host_path_type.is_none_or(str::is_empty));
        // An empty path is refused for itself.
        for host in untyped.filter(|host| !host.path.is_empty() && !host.clean.is_named_pipe()) {
            out.push(finding(host, likely(cx, host)));
        }
    }
}

/// What the volume should ask for; none where nothing is probable.
fn likely(cx: &Context<'_>, host: &HostVolume<'_>) -> Option<AskedType> {
    let file_type = types::likely(&cx.options.catalog, host)?;
    let creates = types::may_begin_empty(file_type, &host.clean) && may_create(cx, host);
    Some(AskedType { file_type, creates })
}

fn finding(host: &HostVolume<'_>, likely: Option<AskedType>) -> Finding {
    let label = match host.host_path_type {
        None => "lacks a `type`",
        Some(_) => "empty, which is the same as none",
    };
    let message = format!("host path {} has no type", quoted(host.path));
    let finding = Finding::new(META.id, Severity::Error, host.type_field(), message)
        .label(label)
        .why(why(likely))
        .volume(host.name)
        .path(&host.clean);
    let Some(asked) = likely else {
        return finding.help("say what must be there: `type: CharDevice`, `BlockDevice` or `Directory`");
    };
    let (word, kind) = (asked.word(), asked.file_type.word());
    let help = match asked.creates {
        true => format!(
            "say what is made where it is missing: `type: {word}`; if it must be there, `type: {kind}`"
        ),
        false => {
            format!("say what must be there: `type: {word}` (the Pod doesn't start where it is missing)")
        }
    };
    let set = Edit::Set(host.source.key("type"), EditValue::Str(word.to_owned()));
    finding.help(help).fix(Fix { safety: Safety::Unsafe, edits: vec![set] })
}

fn why(likely: Option<AskedType>) -> String {
    let nothing = "nothing checks what is there, and a missing path becomes an empty directory owned by root";
    match likely {
        Some(AskedType { file_type: HostPathType::Directory, creates: true }) => {
            "nothing checks what is there, and what becomes of a missing path is left to the runtime"
                .to_owned()
        }
        None | Some(AskedType { file_type: HostPathType::Directory, .. }) => nothing.to_owned(),
        Some(asked) => format!("{nothing}, where {} should be", types::described(asked.file_type)),
    }
}
