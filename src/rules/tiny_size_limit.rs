//! The `sizeLimit` of an `emptyDir` volume is negative, tiny or not a whole number of bytes.
//!
//! ## What it does
//!
//! Reports a `sizeLimit` that is negative (error), smaller than a memory page of 4096 bytes
//! (warning), or not a whole number of bytes (warning). A `sizeLimit` of 0 means no limit and is
//! not reported by this rule.
//!
//! A number without a suffix is in bytes. The suffix `m` means a thousandth, so `500m` is half a
//! byte. `1.1Gi` is 1181116006.4 bytes, which is not a whole number either.
//!
//! ## Why is this bad?
//!
//! The API server rejects a negative limit.
//!
//! A limit smaller than a page is probably in the wrong unit. With such a limit, a volume in memory
//! has only one page. On disk, the first file can exceed the limit, and the kubelet then evicts the
//! Pod. On some filesystems, even the empty directory exceeds the limit.
//!
//! A larger limit with a fraction of a byte takes effect, because the kubelet rounds it up to whole
//! bytes. However, the API server stores it in thousandths of a byte, so `1.1Gi` becomes
//! `1181116006400m`. Tools that compare the manifest with the stored object report a difference.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: work
//!       mountPath: /work
//!   volumes:
//!   - name: work
//!     emptyDir:
//!       sizeLimit: 500m # finding
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: worker
//! spec:
//!   containers:
//!   - name: worker
//!     image: busybox
//!     volumeMounts:
//!     - name: work
//!       mountPath: /work
//!   volumes:
//!   - name: work
//!     emptyDir:
//!       sizeLimit: 500Mi
//! ```
//!
//! ## When to allow it
//!
//! Allow a tiny limit for a volume in memory that is only a mount point, and that no container
//! writes to.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: memory resource
//!   units](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#meaning-of-memory)

use super::support::empty_dir::empty_dirs;
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::Quantity;

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("tiny-size-limit"),
    summary: "the `sizeLimit` of an `emptyDir` volume is negative, tiny or not a whole number of bytes",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("tiny_size_limit.rs"),
    check: Check::Volumes(check),
};

/// The size of a memory page on most nodes, in bytes.
const PAGE_LEN: i64 = 4096;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(empty_dirs(cx).filter_map(|empty_dir| {
        let limit = empty_dir.source.size_limit.filter(|limit| *limit != Quantity::default())?;
        let problem = Problem::of(limit)?;
        let message = format!(
            "`sizeLimit` of `emptyDir` volume {} {}",
            quoted(&empty_dir.volume.name),
            problem.predicate
        );
        let finding = Finding::new(RULE.id, problem.severity, empty_dir.size_limit_field(), message)
            .why(problem.why)
            .help(problem.help)
            .volume(&empty_dir.volume.name);
        Some(finding)
    }));
}

struct Problem {
    severity: Severity,
    /// The end of a sentence about the `sizeLimit`.
    predicate: &'static str,
    why: &'static str,
    help: &'static str,
}

impl Problem {
    /// Returns the problem of a limit other than 0, if it has one.
    fn of(limit: Quantity) -> Option<Self> {
        if !limit.is_positive() {
            return Some(Self {
                severity: Severity::Error,
                predicate: "is negative",
                why: "the API server rejects the object",
                help: "set the maximum size of the volume, or remove `sizeLimit`",
            });
        }
        if limit < Quantity::from(PAGE_LEN) {
            return Some(Self {
                severity: Severity::Warning,
                predicate: "is smaller than a memory page (4096 bytes)",
                why: "the limit is probably in the wrong unit, and the first file can exceed it",
                help: "use a suffix such as `Mi`: `m` means a thousandth, and without a suffix, the unit is bytes",
            });
        }
        (!limit.is_whole()).then_some(Self {
            severity: Severity::Warning,
            predicate: "is not a whole number of bytes",
            why: "the API server stores it in thousandths of a byte, so the stored object differs from the manifest",
            help: "write a whole number of bytes, such as `1127Mi` instead of `1.1Gi`",
        })
    }
}
