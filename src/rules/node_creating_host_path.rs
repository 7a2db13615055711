//! A volume creates a path of the node that it shouldn't.
//!
//! ## What it does
//!
//! Reports `type: DirectoryOrCreate` and `type: FileOrCreate`
//!
//! - at or inside a folder that belongs to the node: `/etc`, `/usr`, `/boot`, `/dev`, `/proc`, `/sys` and
//!   `C:\Windows`;
//! - where every container mounts the volume read-only, so that none of them can fill what was made.
//!
//! The folders where the kubelet looks for plugins (`/var/lib/kubelet`, FlexVolume's) are left out, and so are
//! those of the CNI plugins (`/etc/cni`) and of the secrets store's providers: it is for a plugin to make them. In
//! `/run`, which is empty after each reboot, whoever comes first makes its folder.
//!
//! ## Why is this bad?
//!
//! The kubelet makes what is missing as root, on every node that the Pod comes to, and nobody removes it. In a
//! folder of the node, its own programs read what they find: an empty file in `/etc` is a configuration, too.
//! A path that is only read must come from somebody else: where it is missing, the Pod should say so, instead
//! of reading nothing.
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
//!     - name: audit
//!       mountPath: /audit
//!       readOnly: true
//!   volumes:
//!   - name: audit
//!     hostPath:
//!       path: /etc/audit
//!       type: DirectoryOrCreate # finding
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
//!     - name: audit
//!       mountPath: /audit
//!       readOnly: true
//!   volumes:
//!   - name: audit
//!     hostPath:
//!       path: /etc/audit
//!       type: Directory
//! ```
//!
//! ## Fix
//!
//! Drops `OrCreate`. Unsafe: where the path is missing, the Pod no longer starts.
//!
//! ## When to allow it
//!
//! An agent that installs itself on the node, such as a CSI driver that keeps its settings in `/etc/amazon/efs`.
//!
//! ## References
//!
//! - [Kubernetes: hostPath volume types](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types)

use super::support::host_path_type::{self, RequestedType, with_article};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, PathClass, Rule};
use crate::finding::{Access, Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{HostPath, Relation};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("node-creating-host-path"),
    summary: "a volume creates a path of the node that it shouldn't",
    group: Group::HostPaths,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: None,
    source: include_str!("node_creating_host_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for host in cx.host_path_volumes().iter().filter(|host| host.is_mounted()) {
        let Some(asked) = RequestedType::of_volume(host).filter(|asked| asked.creates) else { continue };
        if inside(&host.clean, OF_OTHERS).is_none() {
            out.extend(finding(cx, host, asked));
        }
    }
}

/// Folders that the node's packages and its kernel fill.
const OF_NODE: &[&str] = &["/etc", "/usr", "/boot", "/dev", "/proc", "/sys", r"C:\Windows"];

/// Folders where it is for others than the node to make one.
const OF_OTHERS: &[&str] = &[
    "/run",
    "/var/lib/kubelet",
    "/usr/libexec/kubernetes/kubelet-plugins",
    "/etc/cni",
    "/etc/kubernetes/secrets-store-csi-providers",
    "/etc/kubernetes/volumeplugins",
    r"C:\var\lib\kubelet",
];

fn finding(cx: &Context<'_>, host: &HostPathVolume<'_>, asked: RequestedType) -> Option<Finding> {
    let path = quoted(host.path);
    let (message, why) = match inside(&host.clean, OF_NODE) {
        Some(folder) => (
            format!("host path {path} is created if it is missing, in the node's own {}", quoted(folder)),
            "the node's own programs read what they find there, and nobody removes what the kubelet made as root",
        ),
        None if is_only_read(cx, host) => (
            format!("host path {path} is created if it is missing, and no container can write to it"),
            "the containers then read nothing, and no error says that the path is missing",
        ),
        None => return None,
    };
    // Where `OrCreate` isn't all that is wrong, dropping it alone would be no remedy.
    let kind = host_path_type::known_type(&cx.options.catalog, &host.clean).unwrap_or(asked.file_type);
    let word = kind.name();
    let set = Edit::Set(host.type_field(), EditValue::Str(word.to_owned()));
    let finding = Finding::new(RULE.id, Severity::Warning, host.type_field(), message)
        .label(format!("makes {} owned by root", with_article(asked.file_type)))
        .why(why)
        .help(format!("set `type: {word}` (the Pod doesn't start where it is missing)"))
        .fix(Fix::unsafe_edits(format!("set `type: {word}`"), vec![set]))
        .volume(host.name)
        .path(&host.clean)
        .access(host.accesses.iter().map(|used| used.effective).max().unwrap_or(Access::Read));
    Some(finding)
}

/// Whether a volume may have to make its path: a container writes there, and on a new node nobody else makes it.
pub(super) fn may_create(cx: &Context<'_>, host: &HostPathVolume<'_>) -> bool {
    let catalog = &cx.options.catalog;
    let is_written = host.accesses.iter().any(|used| used.mount.is_some() && !used.is_read_only);
    is_written
        && match (inside(&host.clean, OF_OTHERS), catalog.classify(&host.clean)) {
            (_, PathClass::SocketParent(_)) => false,
            // What the kubelet makes itself, the catalogue knows.
            (Some(folder), _) if folder.ends_with("kubelet") => catalog.file_type(&host.clean).is_none(),
            (Some(_), _) => true,
            (None, class) => !class.is_catalogued() && inside(&host.clean, OF_NODE).is_none(),
        }
}

/// Whether it is mounted, and nowhere writable. Of a part of a pod, other mounts may stand elsewhere.
fn is_only_read(cx: &Context<'_>, host: &HostPathVolume<'_>) -> bool {
    cx.pod().is_some_and(|pod| pod.is_complete)
        && host.accesses.iter().all(|used| used.mount.is_some() && used.is_read_only)
}

/// The folder of the list that the path is, or is inside of.
fn inside(path: &HostPath, folders: &[&'static str]) -> Option<&'static str> {
    let around = |folder: &&str| {
        matches!(path.relation_to(&HostPath::new(folder)), Relation::Equal | Relation::Descendant)
    };
    folders.iter().copied().find(around)
}
