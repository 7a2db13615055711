//! A sub path of a volume that Kubernetes updates: the container never sees the updates.
//!
//! ## What it does
//!
//! Reports each mount of a `configMap`, `secret`, `downwardAPI` or `projected` volume with a `subPath` or
//! `subPathExpr`.
//!
//! ## Why is this bad?
//!
//! The kubelet updates such a volume by putting a new folder in its place. A sub path stays bound to the file
//! of the old one: until the Pod is made anew, the container reads the settings, and the keys, of the day it
//! started. A token of a ServiceAccount expires there.
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
//!       mountPath: /etc/nginx/nginx.conf
//!       subPath: nginx.conf # finding
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
//!     args: [nginx, -c, /settings/nginx.conf]
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /settings
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! ## When to allow it
//!
//! Where the Pods are made anew at each change anyway: names with a hash (`configMapGenerator`), a checksum in
//! an annotation of the template, or `immutable: true`.
//!
//! ## References
//!
//! - [Kubernetes: ConfigMaps](https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-sub-path"),
    summary: "a sub path of a volume that Kubernetes updates: the container never sees the updates",
    group: Group::Mounts,
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("stale_sub_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for of in pod.mounts() {
        let Some((key, sub_path)) = of.mount.sub_path_entry() else { continue };
        let Some(volume) = pod.volume(&of.mount.name) else { continue };
        let Some(source @ ("configMap" | "secret" | "downwardAPI" | "projected")) = volume.source_key()
        else {
            continue;
        };
        let path = quoted(sub_path);
        let name = container(of.container);
        let message =
            format!("{name} never sees updates of {path} in `{source}` volume {}", quoted(&volume.name));
        let why = if volume.has_service_account_token() {
            "a sub path stays bound to the first file, and the token in it expires"
        } else {
            "a sub path stays bound to the file that was there when the container started"
        };
        out.push(
            Finding::new(RULE.id, Severity::Info, of.path().key(key), message)
                .related(volume.path.clone(), "this volume is updated")
                .why(why)
                .help(HELP)
                .volume(&volume.name)
                .container(&of.container.name)
                .path(sub_path),
        );
    }
}

const HELP: &str = "mount the whole volume at a folder of its own and point the program at it (not over a folder \
                    that holds other files), or restart the Pods after each change";
