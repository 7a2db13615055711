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
//! `File` for what has the extension of a file, else `Directory`. Unsafe: where the path is missing or is
//! something else, the Pod no longer starts. There is none for a device that volcheck doesn't know.
//!
//! If the Pod is to make the path itself, write `DirectoryOrCreate` or `FileOrCreate` instead.
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

use super::words::quoted;
use super::{Context, FixClass, HostPathType, HostVolume, Meta, Rule, types};
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
        let untyped =
            cx.host_volumes().iter().filter(|host| host.has_type && host.kind.is_none_or(str::is_empty));
        // An empty path is refused for itself.
        for host in untyped.filter(|host| !host.path.is_empty() && !host.clean.is_named_pipe()) {
            out.push(finding(host, types::likely(&cx.options.catalog, host)));
        }
    }
}

fn finding(host: &HostVolume<'_>, likely: Option<HostPathType>) -> Finding {
    let label = match host.kind {
        None => "lacks a `type`",
        Some(_) => "empty, which is the same as none",
    };
    let message = format!("host path {} has no type", quoted(host.path));
    let finding = Finding::new(META.id, Severity::Error, host.type_field(), message)
        .label(label)
        .why(why(likely))
        .volume(host.name)
        .path(&host.clean);
    let Some(kind) = likely else {
        return finding.help("say what must be there: `type: CharDevice`, `BlockDevice` or `Directory`");
    };
    let word = kind.word();
    let set = Edit::Set(host.source.key("type"), EditValue::Str(word.to_owned()));
    finding
        .help(format!("say what must be there: `type: {word}` (the Pod doesn't start where it is missing)"))
        .fix(Fix { safety: Safety::Unsafe, edits: vec![set] })
}

fn why(likely: Option<HostPathType>) -> String {
    let nothing = "nothing checks what is there, and a missing path becomes an empty directory owned by root";
    match likely {
        None | Some(HostPathType::Directory) => nothing.to_owned(),
        Some(kind) => format!("{nothing}, where {} should be", types::described(kind)),
    }
}
