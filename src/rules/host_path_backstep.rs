//! A host path steps back by `..`.
//!
//! ## What it does
//!
//! Reports a `..` among the names of the path of a `hostPath` or `local` volume: between slashes, in a path of
//! Windows between backslashes, too. `/a..b` and `/...` have none.
//!
//! ## Why is this bad?
//!
//! Such a path isn't where it seems to be: `/srv/data/../../etc` is `/etc`. The API server refuses a `..`
//! between slashes, and takes one between backslashes: `C:\data\..\Windows` reaches the node, past each check
//! that looks for `C:\Windows`.
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
//!     - name: data
//!       mountPath: /data
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/data/../shared # finding
//!       type: Directory
//! ```
//!
//! Use instead:
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
//!     - name: data
//!       mountPath: /data
//!       readOnly: true
//!   volumes:
//!   - name: data
//!     hostPath:
//!       path: /srv/shared
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never: write the path that is meant. There is no fix for it, since a link on the way can lead elsewhere than
//! the text does.
//!
//! ## References
//!
//! - [Kubernetes: hostPath](https://kubernetes.io/docs/concepts/storage/volumes/#hostpath)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, HostPathVolume, Rule};
use crate::finding::{Finding, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("host-path-backstep"),
    summary: "a host path steps back by `..`",
    group: Group::HostPaths,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: None,
    source: include_str!("host_path_backstep.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(cx.host_path_volumes().iter().filter(|host| host.clean.has_backstep()).map(finding));
}

fn finding(host: &HostPathVolume<'_>) -> Finding {
    let is_refused = host.path.split('/').any(|name| name == "..");
    let why = match is_refused {
        true => "the API server refuses the object",
        false => "the API server knows slashes alone and accepts it, though it isn't where it seems to be",
    };
    let message = format!("host path {} steps back by `..`", quoted(host.path));
    Finding::new(RULE.id, Severity::Error, host.path_field(), message)
        .label(format!("reaches {}, unless a link leads elsewhere", quoted(&host.clean.to_string())))
        .why(why)
        .help("write the path that is meant, without `..`")
        .volume(host.name)
        .path(&host.clean)
}
