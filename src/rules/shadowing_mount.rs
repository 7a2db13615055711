//! A mount hides a folder that the container needs.
//!
//! ## What it does
//!
//! Reports a mount at `/`, `/bin`, `/dev`, `/etc`, `/lib`, `/proc`, `/sys` or `/usr` of a container, unless it is
//! the same path of the node. Mounts inside of these folders are fine.
//!
//! ## Why is this bad?
//!
//! The volume takes the folder's place: the container no longer sees what its image, or the runtime, has put
//! there. Without its programs, libraries or devices it often doesn't start at all; with another `/etc` it runs
//! with other users, certificates and name resolution than its image has.
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
//! For an image that is made for it, such as one with a single static program and an `/etc` that is always
//! mounted.
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
    summary: "a mount hides a folder that the container needs",
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

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    let same = LazyCell::new(|| same_of_node(cx));
    for of in pod.mounts().filter(|of| !of.mount.mount_path.is_empty()) {
        let (name, written) = (&of.mount.name, &of.mount.mount_path);
        let path = clean_container_path(written);
        let Some((_, content)) = NEEDED.iter().find(|(needed, _)| *needed == path) else { continue };
        // What isn't known may be the node's same path.
        let is_known = pod.volume(name).is_some() || pod.claim_template(name).is_some();
        if !is_known || same.contains(&of.path()) {
            continue;
        }
        let volume = quoted(name);
        let message = format!("volume {volume} hides {} of {}", quoted(written), container(of.container));
        out.push(
            Finding::new(RULE.id, Severity::Warning, of.path().key("mountPath"), message)
                .why(format!("there the container has {content}, which it can't see any more"))
                .help("mount it in a folder of its own inside, or at a path that the image doesn't use")
                .volume(name)
                .container(&of.container.name)
                .path(path),
        );
    }
}

/// What a container can't do without, and what is there.
const NEEDED: &[(&str, &str)] = &[
    ("/", "all of its image"),
    ("/bin", "the programs of its image"),
    ("/dev", "the devices that the runtime gives it"),
    ("/etc", "the settings of its image"),
    ("/lib", "the libraries of its image"),
    ("/proc", "its processes, as the kernel shows them"),
    ("/sys", "the system, as the kernel shows it"),
    ("/usr", "the programs and libraries of its image"),
];

/// The mounts that are at the same path in the container as on the node.
fn same_of_node(cx: &Context<'_>) -> HashSet<FieldPath> {
    let mounts = cx.host_path_accesses().filter_map(|(_, used)| Some((used.mount?, &used.path)));
    mounts
        .filter(|(of, path)| HostPath::new(&of.mount.mount_path) == **path)
        .map(|(of, _)| of.path())
        .collect()
}
