//! An emptyDir has a medium that the kubelet refuses.
//!
//! ## What it does
//!
//! Reports an `emptyDir.medium` that is none of `Memory`, `HugePages` and `HugePages-` with the size of a page,
//! such as `HugePages-2Mi`. Upper and lower case count. Empty, it is the node's disk.
//!
//! ## Why is this bad?
//!
//! The API server takes any word. The kubelet then fails to mount the volume, and the Pod stays in
//! `ContainerCreating` for ever.
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
//!       medium: memory # finding
//!       sizeLimit: 64Mi
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
//!       medium: Memory
//!       sizeLimit: 64Mi
//! ```
//!
//! ## Fix
//!
//! Writes the medium as the kubelet knows it, where only upper and lower case differ. Safe: the Pod could not
//! have run as written.
//!
//! ## When to allow it
//!
//! Never: no kubelet mounts it.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: huge pages](https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/)

use super::support::empty_dir::{Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-empty-dir-medium"),
    summary: "an emptyDir has a medium that the kubelet refuses",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    lint_only: None,
    source: include_str!("unknown_empty_dir_medium.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for empty_dir in empty_dirs(cx).filter(|empty_dir| empty_dir.medium() == Medium::Unknown) {
        let (name, medium) = (&empty_dir.volume.name, &*empty_dir.source.medium);
        let place = empty_dir.path().key("medium");
        let message = format!("emptyDir {} has the unknown medium {}", quoted(name), quoted(medium));
        let finding = Finding::new(RULE.id, Severity::Error, place.clone(), message)
            .label("no medium that the kubelet knows")
            .why("the kubelet can't mount it, so a Pod that does never starts")
            .volume(name);
        out.push(match in_other_case(medium) {
            Some(known) => finding
                .help(format!("write {}", quoted(&known)))
                .fix(Fix::safe_edits(format!("set `medium: {known}`"), vec![Edit::Set(place, EditValue::Str(known))])),
            None => finding.help(
                "write `Memory` for a tmpfs, `HugePages` or `HugePages-2Mi` for huge pages, or nothing for the disk",
            ),
        });
    }
}

/// The medium that differs from `text` in upper and lower case alone.
fn in_other_case(text: &str) -> Option<String> {
    let plain = ["Memory", "HugePages"].into_iter().find(|known| known.eq_ignore_ascii_case(text));
    plain.map(str::to_owned).or_else(|| {
        const SIZED: &str = "HugePages-";
        let (start, size) = text.split_at_checked(SIZED.len())?;
        let known = format!("{SIZED}{size}");
        (start.eq_ignore_ascii_case(SIZED) && Medium::parse(&known) == Medium::HugePages).then_some(known)
    })
}

#[cfg(test)]
mod tests {
    use super::in_other_case;

    #[test]
    fn corrects_case_alone() {
        assert_eq!(in_other_case("MEMORY").as_deref(), Some("Memory"));
        assert_eq!(in_other_case("hugepages").as_deref(), Some("HugePages"));
        assert_eq!(in_other_case("hugePages-2Mi").as_deref(), Some("HugePages-2Mi"));
        for text in ["Memory ", "tmpfs", "hugepages-", "hugepages-big", "hugepages-0", "größe-2Mi"] {
            assert_eq!(in_other_case(text), None, "{text}");
        }
    }
}
