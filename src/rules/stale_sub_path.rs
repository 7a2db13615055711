//! A sub path mount never receives the updates of its volume.
//!
//! ## What it does
//!
//! Reports each `subPath` or `subPathExpr` in a mount of a `configMap`, `secret`, `downwardAPI` or
//! `projected` volume.
//!
//! ## Why is this bad?
//!
//! The kubelet updates such a volume by replacing a directory. A sub path mount stays bound to the
//! file in the old directory, so the container keeps using the settings and keys from the time it
//! started. A ServiceAccount token in such a file expires.
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
//! Allow it if each change creates new Pods anyway, because the ConfigMap's name contains a hash
//! (`configMapGenerator`) or an annotation of the Pod template contains a checksum. Also allow it
//! for a ConfigMap or Secret with `immutable: true`.
//!
//! ## References
//!
//! - [Kubernetes: ConfigMaps](https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-sub-path"),
    summary: "a sub path mount never receives the updates of its volume",
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

const HELP: &str = "mount the whole volume at a separate directory and configure the program to read it there, or \
                    restart the Pods after each change";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for mount in pod.mounts() {
        let Some((key, sub_path)) = mount.mount.sub_path_entry() else { continue };
        let Some(volume) = pod.volume(&mount.mount.name) else { continue };
        let Some(source @ ("configMap" | "secret" | "downwardAPI" | "projected")) = volume.source_key()
        else {
            continue;
        };
        let (container, path) = (container(mount.container), quoted(sub_path));
        let name = quoted(&volume.name);
        let message = format!("{container} never sees updates of {path} in `{source}` volume {name}");
        let why = if volume.has_service_account_token() {
            "the mount stays bound to the old file, and the token in it expires"
        } else {
            "the mount stays bound to the file that existed when the container started"
        };
        out.push(
            Finding::new(RULE.id, Severity::Info, mount.path().key(key), message)
                .related(volume.path.clone(), "updated by the kubelet")
                .why(why)
                .help(HELP)
                .volume(&volume.name)
                .container(&mount.container.name)
                .path(sub_path),
        );
    }
}
