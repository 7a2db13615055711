//! A sub path uses a variable that its container doesn't define.
//!
//! ## What it does
//!
//! Reports each `$(NAME)` in a `subPathExpr` for which the container has no variable `NAME` in `env`, or an empty
//! one. With `envFrom`, or where the name looks like a variable that the kubelet makes for a Service
//! (`DB_SERVICE_HOST`), it is a warning: the variable may come from there. `$$(NAME)` is no variable. Parts of
//! objects, such as the patches of a kustomization, are left alone.
//!
//! ## Why is this bad?
//!
//! The API server accepts it, and the kubelet then doesn't start the container: `CreateContainerConfigError`,
//! with the variable's name in an event of the Pod.
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
//! Where the variable surely comes from elsewhere: from `envFrom`, or from a webhook that adds it.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath with expanded environment variables](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment)

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{ContainerMount, EnvVar, Piece, pieces};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("undefined-sub-path-variable"),
    summary: "a sub path uses a variable that its container doesn't define",
    group: Group::Mounts,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("undefined_sub_path_variable.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for container in &pod.containers {
        // Of several with one name the last counts.
        let defined =
            LazyCell::new(|| container.env.iter().map(|variable| (&*variable.name, variable)).collect());
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let of = ContainerMount { container, mount, index };
            let mut seen = HashSet::new();
            for piece in pieces(&mount.sub_path_expr) {
                if let Piece::Variable(name) = piece {
                    out.extend(seen.insert(name).then(|| finding(of, name, &defined)).flatten());
                }
            }
        }
    }
}

const EMPTY: &str = "leaves empty";

fn finding(of: ContainerMount<'_, '_>, name: &str, defined: &HashMap<&str, &EnvVar<'_>>) -> Option<Finding> {
    let variable = quoted(name);
    let (severity, problem) = match defined.get(name) {
        Some(variable) if variable.value.is_empty() && variable.value_from.is_none() => {
            (Severity::Error, EMPTY)
        }
        Some(_) => return None,
        None if is_of_api_server(name) => return None,
        None if !of.container.env_from.is_empty() => (Severity::Warning, "has from `envFrom` or not at all"),
        None if is_of_service(name) => (Severity::Warning, "has from a Service or not at all"),
        None => (Severity::Error, "doesn't define"),
    };
    let message = format!("sub path uses variable {variable}, which {} {problem}", container(of.container));
    Some(
        Finding::new(RULE.id, severity, of.path().key("subPathExpr"), message)
            .why("without a value for it, the kubelet doesn't start the container")
            .help(match problem {
                EMPTY => format!("give {variable} a value"),
                _ => format!("define {variable} in `env` of the container; `$$` stands for a dollar sign"),
            })
            .volume(&of.mount.name)
            .container(&of.container.name)
            .path(format_args!("$({name})")),
    )
}

/// The kubelet always sets the variables of the Service `kubernetes`.
fn is_of_api_server(name: &str) -> bool {
    ["KUBERNETES_SERVICE_", "KUBERNETES_PORT"].iter().any(|start| name.starts_with(start))
}

/// It sets those of the namespace's Services, unless `enableServiceLinks` is false.
fn is_of_service(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_PORT_")
}
