//! A mount hides a system directory of the container.
//!
//! ## What it does
//!
//! Reports a mount at `/`, `/bin`, `/dev`, `/etc`, `/lib`, `/proc`, `/sys` or `/usr` of a
//! container, unless the same path of the node is mounted there. Mounts below these directories are
//! not reported.
//!
//! ## Why is this bad?
//!
//! The volume hides everything that the image or the container runtime put in the directory.
//! Without its programs or libraries, the container often does not start. With a mount at `/`,
//! `/dev` or `/proc`, runc never starts it. A mount at `/etc` replaces the users, certificates and
//! name resolution settings of the image.
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
//!     - name: settings
//!       mountPath: /etc # finding
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
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
//!     - name: settings
//!       mountPath: /etc/nginx/conf.d
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the image is built for the mount, such as an image with a single static binary that
//! expects a mounted `/etc`.
//!
//! ## References
//!
//! - [Kubernetes: Volumes](https://kubernetes.io/docs/concepts/storage/volumes/)

use std::cell::LazyCell;
use std::collections::HashSet;

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldPath, HostPath, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("shadowing-mount"),
    summary: "a mount hides a system directory of the container",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("shadowing_mount.rs"),
    check: Check::Volumes(check),
};

/// The consequence of a mount at a directory that runc sets up (runc 1.1 and 1.5).
const NEVER_STARTS: &str = "runc cannot start a container with this mount";

/// System directories of a container, each with the consequence of a mount there.
const SYSTEM_DIRECTORIES: &[(&str, &str)] = &[
    ("/", NEVER_STARTS),
    ("/bin", "the container can no longer see the programs of its image"),
    ("/dev", NEVER_STARTS),
    ("/etc", "the container can no longer see the settings of its image"),
    ("/lib", "the container can no longer see the libraries of its image"),
    ("/proc", NEVER_STARTS),
    ("/sys", "the container can no longer see the kernel's view of the system"),
    ("/usr", "the container can no longer see the programs and libraries of its image"),
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let mounts_of_same_path = LazyCell::new(|| mounts_of_same_path(cx));
    for mount in pod.mounts() {
        let (volume, mount_path) = (&mount.mount.name, &mount.mount.mount_path);
        if mount_path.is_empty() {
            continue;
        }
        let path = clean_container_path(mount_path);
        let Some((_, why)) = SYSTEM_DIRECTORIES.iter().find(|(directory, _)| *directory == path) else {
            continue;
        };
        // An undefined volume may be a host path equal to the mount path.
        let is_known = pod.volume(volume).is_some() || pod.claim_template(volume).is_some();
        if !is_known || mounts_of_same_path.contains(&mount.path()) {
            continue;
        }
        let (name, directory) = (quoted(volume), quoted(mount_path));
        let message = format!("volume {name} hides {directory} of {}", container(mount.container));
        out.push(
            Finding::new(RULE.id, Severity::Warning, mount.path().key("mountPath"), message)
                .why(*why)
                .help("mount it at a subdirectory, or at a path that the image does not use")
                .volume(volume)
                .container(&mount.container.name)
                .path(path),
        );
    }
}

/// Returns the field paths of the mounts whose path in the container equals their path on the node.
fn mounts_of_same_path(cx: &Context<'_>) -> HashSet<FieldPath> {
    let accesses = cx.host_path_accesses().filter_map(|(_, access)| Some((access.mount?, &access.path)));
    accesses
        .filter(|(mount, path)| HostPath::new(&mount.mount.mount_path) == **path)
        .map(|(mount, _)| mount.path())
        .collect()
}
