//! A volume gives files of the node's own.
//!
//! ## What it does
//!
//! Reports each volume or PersistentVolume whose effective path the catalogue of host paths knows as the
//! node's own. How bad that is depends on what is there:
//!
//! | class | examples | if a container can write | if it can only read |
//! |---|---|---|---|
//! | never | `/var/lib/kubelet`, `/etc/kubernetes`, `/root`, `/etc/shadow`, `/dev/sda` | error | error |
//! | read | `/etc`, `/var/log`, `/proc`, `/sys`, `/dev`, `/usr`, `/opt/cni/bin` | error | info |
//! | harmless | `/etc/localtime`, `/etc/ssl/certs`, `/dev/null` | error | – |
//!
//! A folder counts as what the nearest entry at or above it says, else as the worst that lies below it:
//! `/var/lib` is as bad as `/var/lib/kubelet`. A socket or a device can be written through a read-only
//! mount, and so can whoever claims a PersistentVolume.
//!
//! ## Why is this bad?
//!
//! Who writes to `/etc`, `/usr` or `/var/log` can become root on the node; who reads `/var/lib/kubelet` or
//! `/etc/kubernetes` has the credentials of the node or of the cluster.
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
//!     - name: kubelet
//!       mountPath: /kubelet
//!       readOnly: true
//!   volumes:
//!   - name: kubelet
//!     hostPath:
//!       path: /var/lib/kubelet # finding
//!       type: Directory
//! ```
//!
//! Use a leaf that tells nothing secret, read-only:
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
//!     - name: zone
//!       mountPath: /etc/localtime
//!       readOnly: true
//!   volumes:
//!   - name: zone
//!     hostPath:
//!       path: /etc/localtime
//!       type: File
//! ```
//!
//! ## When to allow it
//!
//! Agents of the node read `/var/log`, `/proc` and `/sys`: read-only, that is only an info. What needs more,
//! such as a CNI plugin that installs itself, is to be exempted by namespace, name, path and access; the
//! PersistentVolumes of k3s and MicroK8s by the folder where their provisioner makes them.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)
//! - [MITRE ATT&CK for containers: escape to host](https://attack.mitre.org/techniques/T1611/)

use std::borrow::Cow;

use super::words::{at_path, host_path, quoted, reason, who};
use super::{Class, Context, Entry, EntryClass, FixClass, HostPathType, HostUse, HostVolume, Meta, Rule};
use crate::finding::{Access, Family, Finding, Severity};
use crate::model::Relation;

const META: Meta = Meta {
    id: "sensitive-host-path",
    summary: "a volume gives files of the node's own",
    severity: Severity::Error,
    since: "0.1.0",
    family: Some(Family::Path),
    fix: FixClass::Hint,
    options: &[],
    lint_only: None,
    source: include_str!("sensitive_host_path.rs"),
};

/// Folders where a provisioner makes PersistentVolumes.
const OF_PROVISIONERS: &[&str] =
    &["/var/lib/rancher/k3s/storage", "/var/snap/microk8s/common/default-storage"];

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn check(&self, cx: &Context<'_>, out: &mut Vec<Finding>) {
        for (host, used) in cx.host_uses() {
            let Some((entry, _)) = used.class.entry() else { continue };
            let Some((severity, what)) = judge(cx, entry, host, used) else { continue };
            let message = format!("sensitive {} {what} {}", host_path(host, used), who(host, used));
            let finding = at_path(&META, severity, host, used, message).why(reason(used.class));
            out.push(finding.help(remedy(cx, entry, host, used)));
        }
    }
}

/// How bad it is to reach what is there, and in which words.
fn judge(
    cx: &Context<'_>,
    entry: &Entry,
    host: &HostVolume<'_>,
    used: &HostUse<'_>,
) -> Option<(Severity, &'static str)> {
    let writes = (Severity::Error, "can be written by");
    match entry.class {
        EntryClass::Never => Some((Severity::Error, "is reached by")),
        EntryClass::Read if used.access == Access::Write => Some(writes),
        EntryClass::Read => Some((Severity::Info, reads(cx, entry, host, used))),
        // Writing to a device such as /dev/null harms nobody: only the mount's own flag counts here.
        EntryClass::Harmless if !used.is_read_only => Some(writes),
        EntryClass::Harmless | EntryClass::Socket | EntryClass::Credentials | EntryClass::AgentSocket => None,
    }
}

/// What a read-only use can do.
fn reads(cx: &Context<'_>, entry: &Entry, host: &HostVolume<'_>, used: &HostUse<'_>) -> &'static str {
    match used.file_type {
        // Who adds a container to the Pod says how that mounts it.
        _ if host.volume.is_some() && used.mount.is_none() => "can be reached by",
        _ if !cx.options.catalog.holds_devices(entry) => "can be read by",
        Some(HostPathType::Directory) => "lets its devices be used by",
        _ => "can be used by",
    }
}

fn remedy(cx: &Context<'_>, entry: &Entry, host: &HostVolume<'_>, used: &HostUse<'_>) -> Cow<'static, str> {
    let folder = quoted(&entry.path);
    if host.volume.is_none() {
        let is_inside = used.path.relation(&entry.pattern) == Relation::Descendant;
        if is_inside && OF_PROVISIONERS.contains(&&*entry.path) {
            return format!("if its provisioner made this PersistentVolume, exempt {folder} in the policy")
                .into();
        }
        return "point the PersistentVolume at a folder that is for volumes alone".into();
    }
    let device = used.file_type.filter(|kind| kind.ignores_read_only());
    let words = match (entry.class, used.class, used.access, device) {
        (EntryClass::Never, Class::Above(_), ..) => "mount only the file or folder below it that is needed",
        (EntryClass::Never, ..) => {
            "drop the volume; if this agent needs it, exempt it in the policy by namespace, name and path"
        }
        (EntryClass::Harmless, ..) => "set `readOnly: true` on the mount",
        (_, _, Access::Read, _) => "drop the volume, or mount only the part that is needed",
        (.., Some(kind)) => {
            let kind = kind.noun();
            let words =
                format!("drop the volume: this is a {kind}, which a read-only mount does not protect");
            return words.into();
        }
        _ if cx.options.catalog.opens_below(&used.path) => {
            "mount only what is needed below it: a read-only mount protects no device or socket in it"
        }
        _ => {
            let words = format!(
                "set `readOnly: true` on the mount, and let the container write outside of {folder}; if it must \
                 write there, exempt it in the policy"
            );
            return words.into();
        }
    };
    words.into()
}
