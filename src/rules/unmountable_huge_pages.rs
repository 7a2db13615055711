//! The kubelet cannot mount an `emptyDir` volume for huge pages.
//!
//! ## What it does
//!
//! Reports a mounted `emptyDir` volume in these cases:
//!
//! - The medium is `HugePages-<size>`, and neither the Pod nor a container requests
//!   `hugepages-<size>`.
//! - The medium is `HugePages`, and the Pod and its containers request no huge pages, or huge pages
//!   of several sizes.
//! - The medium is `HugePages` or `HugePages-<size>`, and the Pod is for Windows nodes.
//!
//! The requests of init containers count, and a limit counts as a request. Incomplete objects, such
//! as patches, are skipped because the requests may be elsewhere.
//!
//! ## Why is this bad?
//!
//! The API server accepts the Pod. The kubelet then fails to mount the volume, and the Pod stays in
//! `ContainerCreating`.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: dpdk
//! spec:
//!   containers:
//!   - name: dpdk
//!     image: dpdk
//!     resources:
//!       limits:
//!         memory: 100Mi
//!         hugepages-2Mi: 100Mi
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /hugepages
//!   volumes:
//!   - name: pages
//!     emptyDir:
//!       medium: HugePages-1Gi # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: dpdk
//! spec:
//!   containers:
//!   - name: dpdk
//!     image: dpdk
//!     resources:
//!       limits:
//!         memory: 100Mi
//!         hugepages-2Mi: 100Mi
//!     volumeMounts:
//!     - name: pages
//!       mountPath: /hugepages
//!   volumes:
//!   - name: pages
//!     emptyDir:
//!       medium: HugePages-2Mi
//! ```
//!
//! ## When to allow it
//!
//! Allow it if a LimitRange or an admission webhook adds the requests.
//!
//! ## References
//!
//! - [Kubernetes: Manage HugePages](https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/)
//! - `getPageSizeMountOption` in `pkg/volume/emptydir/empty_dir.go`, Kubernetes 1.37

use super::support::empty_dir::{EmptyDir, Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Os, Pod, Quantity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unmountable-huge-pages"),
    summary: "the kubelet cannot mount an `emptyDir` volume for huge pages",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unmountable_huge_pages.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    let volumes = empty_dirs(cx)
        .filter(|empty_dir| empty_dir.medium() == Medium::HugePages && empty_dir.is_mounted(pod));
    out.extend(volumes.filter_map(|empty_dir| {
        let problem = problem(cx, pod, &empty_dir)?;
        let name = &empty_dir.volume.name;
        let message = format!("{} for `emptyDir` volume {}", problem.message, quoted(name));
        let finding = Finding::new(RULE.id, Severity::Error, empty_dir.medium_field(), message)
            .why("the kubelet cannot mount the volume, so the Pod never starts")
            .help(problem.help)
            .volume(name);
        Some(finding)
    }));
}

/// The reason why the kubelet cannot mount a volume.
struct Problem {
    /// The start of the message, which continues with the volume.
    message: String,
    help: String,
}

fn problem(cx: &Context<'_>, pod: &Pod<'_>, empty_dir: &EmptyDir<'_>) -> Option<Problem> {
    if cx.os == Some(Os::Windows) {
        let message = "no huge pages are available on Windows".to_owned();
        return Some(Problem { message, help: "remove the medium".to_owned() });
    }
    let requested = requested_sizes(pod);
    let names: Vec<_> = requested.iter().map(|(name, _)| quoted(name)).collect();
    let sizes = names.join(", ");
    let Some(size) = empty_dir.source.medium.strip_prefix("HugePages-") else {
        return match requested.len() {
            1 => None,
            0 => Some(Problem {
                message: "no container requests huge pages".to_owned(),
                help: "add a limit such as `hugepages-2Mi` to a container that uses the volume".to_owned(),
            }),
            _ => Some(Problem {
                message: "`medium: HugePages` is ambiguous".to_owned(),
                help: format!("add the size to the medium: the Pod requests {sizes}"),
            }),
        };
    };
    let expected = Quantity::parse(size);
    if requested.iter().any(|(_, size)| Some(*size) == expected) {
        return None;
    }
    let resource = quoted(&format!("hugepages-{size}"));
    let add = format!("add a limit for {resource} to a container that uses the volume");
    Some(Problem {
        message: format!("no container requests {resource}"),
        help: match requested.is_empty() {
            true => add,
            false => format!("{add}, or change the medium: the Pod requests {sizes}"),
        },
    })
}

/// Returns the sizes of huge pages that the pod requests, each with the name of the resource.
fn requested_sizes<'p>(pod: &'p Pod<'_>) -> Vec<(&'p str, Quantity)> {
    let mut sizes: Vec<(&str, Quantity)> = Vec::new();
    for name in pod.requested_resources() {
        let Some(size) = name.strip_prefix("hugepages-").and_then(Quantity::parse) else { continue };
        if sizes.iter().all(|(_, known)| *known != size) {
            sizes.push((name, size));
        }
    }
    sizes
}
