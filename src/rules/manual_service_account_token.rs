//! Something else is mounted where Kubernetes puts the token of the Pod's ServiceAccount.
//!
//! ## What it does
//!
//! Reports a mount at `/var/run/secrets/kubernetes.io/serviceaccount`, or at the same path below `/run`, of
//! anything but a `projected` volume with a `serviceAccountToken` source.
//!
//! ## Why is this bad?
//!
//! Every client library reads its token there. The API server mounts one that is bound to the Pod and renewed
//! all the time, but not into a container that already mounts something at this path: such a container talks to
//! the API with whatever it finds. The token of a Secret never expires, and outlives the Pod that leaked it.
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
//! Where a program outside of the cluster is tried in it, with a token of another cluster.
//!
//! ## References
//!
//! - [Kubernetes: Managing service accounts](https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Pod, VolumeSource, clean_container_path};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("manual-service-account-token"),
    summary: "something else is mounted where Kubernetes puts the token of the Pod's ServiceAccount",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("manual_service_account_token.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for of in pod.mounts() {
        let path = clean_container_path(&of.mount.mount_path);
        if !TOKEN.contains(&&*path) {
            continue;
        }
        let Some(Mounted { what, help }) = mounted(pod, &of.mount.name) else { continue };
        // The API server looks for its own spelling alone.
        let why = if *of.mount.mount_path == *TOKEN[0] {
            "the API server leaves the container without a token that is bound to the Pod and renewed"
        } else {
            "the API server mounts its own token there too, and one of the two hides the other"
        };
        let message = format!("{} has {what} where Kubernetes puts its token", container(of.container));
        out.push(
            Finding::new(RULE.id, Severity::Warning, of.path(), message)
                .why(why)
                .help(help)
                .volume(&of.mount.name)
                .container(&of.container.name)
                .path(path),
        );
    }
}

/// Where the token is; `/var/run` is a link to `/run` in most images.
const TOKEN: [&str; 2] =
    ["/var/run/secrets/kubernetes.io/serviceaccount", "/run/secrets/kubernetes.io/serviceaccount"];

struct Mounted {
    what: String,
    help: &'static str,
}

/// What the volume `name` is, and what to do about it; none where it is fine, or not known.
fn mounted(pod: &Pod<'_>, name: &str) -> Option<Mounted> {
    let of_pod = "drop the mount: the API server adds one with a token of the Pod's `serviceAccountName`";
    let Some(volume) = pod.volume(name) else {
        pod.claim_template(name)?;
        return Some(Mounted { what: format!("claim template {}", quoted(name)), help: of_pod });
    };
    if volume.has_service_account_token() {
        return None;
    }
    let what = match volume.source_key() {
        Some(key) => format!("`{key}` volume {}", quoted(name)),
        None => format!("volume {}", quoted(name)),
    };
    let help = match volume.source() {
        Some(VolumeSource::EmptyDir(_)) | None => {
            "drop the mount; `automountServiceAccountToken: false` keeps the token out of the Pod"
        }
        Some(VolumeSource::Projected(_)) => {
            "add a `serviceAccountToken` source to the volume, or drop the mount"
        }
        Some(_) => of_pod,
    };
    Some(Mounted { what, help })
}
