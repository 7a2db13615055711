//! A volume is mounted at the path of the Pod's ServiceAccount token.
//!
//! ## What it does
//!
//! Reports a mount at `/var/run/secrets/kubernetes.io/serviceaccount` or
//! `/run/secrets/kubernetes.io/serviceaccount`, unless its volume is a `projected` volume with a
//! `serviceAccountToken` source. Mounts of undefined volumes are left to the rule
//! `undefined-volume`.
//!
//! ## Why is this bad?
//!
//! Kubernetes client libraries read the token from the directory
//! `/var/run/secrets/kubernetes.io/serviceaccount`. By default, the API server adds a mount there,
//! with a token that is bound to the Pod and renewed before it expires. It does not add this mount
//! to a container that already has a mount at the same path. Programs in such a container
//! authenticate with the content of the mounted volume.
//!
//! A mount at `/run/secrets/kubernetes.io/serviceaccount` does not prevent the mount of the token,
//! so the container gets both mounts. In most images, `/var/run` is a symbolic link to `/run`. The
//! two mounts are then at the same path, and one hides the other.
//!
//! A token in a Secret of type `kubernetes.io/service-account-token` does not expire. If the Pod
//! leaks such a token, the token remains valid even after the Pod is deleted.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: robot
//! spec:
//!   containers:
//!   - name: robot
//!     image: busybox
//!     volumeMounts:
//!     - name: token # finding
//!       mountPath: /var/run/secrets/kubernetes.io/serviceaccount
//!       readOnly: true
//!   volumes:
//!   - name: token
//!     secret:
//!       secretName: robot-token
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: robot
//! spec:
//!   serviceAccountName: robot
//!   containers:
//!   - name: robot
//!     image: busybox
//! ```
//!
//! ## When to allow it
//!
//! Allow it in tests where a program must use a token of another cluster.
//!
//! ## References
//!
//! - [Kubernetes: Managing service accounts](https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("manual-service-account-token"),
    summary: "a volume is mounted at the path of the Pod's ServiceAccount token",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("manual_service_account_token.rs"),
    check: Check::Volumes(check),
};

/// The paths of the token. In most images, `/var/run` is a symbolic link to `/run`.
const TOKEN_PATHS: [&str; 2] =
    ["/var/run/secrets/kubernetes.io/serviceaccount", "/run/secrets/kubernetes.io/serviceaccount"];

/// A volume that is mounted in place of the token.
struct Replacement {
    description: String,
    help: &'static str,
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for mount in pod.mounts() {
        let path = clean_container_path(&mount.mount.mount_path);
        if !TOKEN_PATHS.contains(&&*path) {
            continue;
        }
        let Some(Replacement { description, help }) = replacement(pod, &mount.mount.name) else { continue };
        // The API server looks only for a mount at exactly this path.
        let why = if *mount.mount.mount_path == *TOKEN_PATHS[0] {
            "the container does not get the Pod's own token, which the kubelet renews"
        } else {
            "the API server may mount the Pod's token in the same directory; one mount then hides the other"
        };
        let message =
            format!("{} mounts {description} in place of the Pod's API token", container(mount.container));
        out.push(
            Finding::new(RULE.id, Severity::Warning, mount.path(), message)
                .why(why)
                .help(help)
                .volume(&mount.mount.name)
                .container(&mount.container.name)
                .path(path),
        );
    }
}

/// Describes the volume `name`, which is mounted in place of the token. Returns `None` if the
/// volume is unknown or provides a token that Kubernetes renews.
fn replacement(pod: &Pod<'_>, name: &str) -> Option<Replacement> {
    let remove_mount = "remove the mount, and use the token that the API server mounts by default";
    let Some(volume) = pod.volume(name) else {
        pod.claim_template(name)?;
        return Some(Replacement {
            description: format!("claim template {}", quoted(name)),
            help: remove_mount,
        });
    };
    if volume.has_service_account_token() {
        return None;
    }
    let description = match volume.source_key() {
        Some(key) => format!("`{key}` volume {}", quoted(name)),
        None => format!("volume {}", quoted(name)),
    };
    let help = match volume.source_key() {
        Some("emptyDir") | None => {
            "remove the mount, and set `automountServiceAccountToken: false` to omit the token"
        }
        Some("projected") => "add a `serviceAccountToken` source to the volume, or remove the mount",
        Some(_) => remove_mount,
    };
    Some(Replacement { description, help })
}
