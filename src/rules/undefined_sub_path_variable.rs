//! A sub path uses a variable that its container does not define.
//!
//! ## What it does
//!
//! Reports each `$(NAME)` in a `subPathExpr` if the `env` of the container does not define `NAME`
//! or sets it to an empty value. The finding is a warning if the variable may come from elsewhere:
//!
//! - from the `envFrom` of the container
//! - from the kubelet, which sets variables such as `DB_SERVICE_HOST` for Services
//!
//! The escaped form `$$(NAME)` is not a variable. The kubelet always sets the variables of the
//! Service `kubernetes`, so they are not reported. Incomplete objects, such as kustomize patches,
//! are skipped.
//!
//! ## Why is this bad?
//!
//! The API server accepts the Pod, but the kubelet does not start the container: its status is
//! `CreateContainerConfigError`, and an event of the Pod names the variable.
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
//!     - name: logs
//!       mountPath: /var/log/nginx
//!       subPathExpr: $(POD_NAME) # finding
//!   volumes:
//!   - name: logs
//!     persistentVolumeClaim:
//!       claimName: logs
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
//!     env:
//!     - name: POD_NAME
//!       valueFrom:
//!         fieldRef:
//!           fieldPath: metadata.name
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /var/log/nginx
//!       subPathExpr: $(POD_NAME)
//!   volumes:
//!   - name: logs
//!     persistentVolumeClaim:
//!       claimName: logs
//! ```
//!
//! ## When to allow it
//!
//! Allow it if the variable is certain to come from elsewhere, for example from `envFrom`, or from
//! a mutating webhook that adds it to `env`.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath with expanded environment variables](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment)

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::support::wording::{self, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, EnvVar, Piece, pieces};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("undefined-sub-path-variable"),
    summary: "a sub path uses a variable that its container does not define",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("undefined_sub_path_variable.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for container in &pod.containers {
        // If several variables share a name, the last one takes effect.
        let defined =
            LazyCell::new(|| container.env.iter().map(|variable| (&*variable.name, variable)).collect());
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let mount = ContainerMount { container, mount, index };
            let mut seen = HashSet::new();
            for piece in pieces(&mount.mount.sub_path_expr) {
                if let Piece::Variable(name) = piece {
                    out.extend(seen.insert(name).then(|| finding(mount, name, &defined)).flatten());
                }
            }
        }
    }
}

fn finding(
    mount: ContainerMount<'_, '_>,
    name: &str,
    defined: &HashMap<&str, &EnvVar<'_>>,
) -> Option<Finding> {
    let (variable, container) = (quoted(name), wording::container(mount.container));
    let (severity, message) = match defined.get(name) {
        Some(defined) if !defined.value.is_empty() || defined.value_from.is_some() => return None,
        None if is_kubernetes_service_variable(name) => return None,
        Some(_) => {
            (Severity::Error, format!("sub path uses variable {variable}, which is empty in {container}"))
        }
        None if !mount.container.env_from.is_empty() => (
            Severity::Warning,
            format!("sub path uses variable {variable}, which {container} can only get from `envFrom`"),
        ),
        None if is_service_variable(name) => (
            Severity::Warning,
            format!("sub path uses variable {variable}, which {container} can only get from a Service"),
        ),
        None => (Severity::Error, format!("sub path uses undefined variable {variable} in {container}")),
    };
    let help = match defined.get(name) {
        Some(_) => format!("set a value for {variable}"),
        None => format!("define {variable} in `env` of the container; for a literal `$`, write `$$`"),
    };
    Some(
        Finding::new(RULE.id, severity, mount.path().key("subPathExpr"), message)
            .why("without a value for the variable, the kubelet does not start the container")
            .help(help)
            .volume(&mount.mount.name)
            .container(&mount.container.name)
            .path(format_args!("$({name})")),
    )
}

/// Checks whether the kubelet always sets the variable `name`, for the Service `kubernetes`.
fn is_kubernetes_service_variable(name: &str) -> bool {
    ["KUBERNETES_SERVICE_", "KUBERNETES_PORT"].iter().any(|prefix| name.starts_with(prefix))
}

/// Checks whether `name` looks like a variable for a Service of the namespace. The kubelet sets
/// such variables unless `enableServiceLinks` is false.
fn is_service_variable(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_PORT_")
}
