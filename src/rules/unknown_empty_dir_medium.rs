//! An `emptyDir` volume has an unknown medium.
//!
//! ## What it does
//!
//! Reports a value of `emptyDir.medium` other than `Memory`, `HugePages` and `HugePages-<size>`
//! (for example, `HugePages-2Mi`). Values are case-sensitive. An empty value means the node's disk.
//! A value with a placeholder, such as `${MEDIUM}`, is only a warning.
//!
//! ## Why is this bad?
//!
//! The API server accepts any value. If a container mounts the volume, the kubelet fails to set it
//! up, and the Pod stays in `ContainerCreating`.
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
//! Corrects the value if it differs from a known medium only in case. Safe: as written, no
//! container can use the volume. There is no fix for Pods on Windows, which supports only the
//! node's disk.
//!
//! ## When to allow it
//!
//! Never. No kubelet can mount the volume.
//!
//! ## References
//!
//! - [Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
//! - [Kubernetes: huge pages](https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/)

use super::support::empty_dir::{Medium, empty_dirs};
use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{Origin, Os, marked_placeholder};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-empty-dir-medium"),
    summary: "an `emptyDir` volume has an unknown medium",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Safe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("unknown_empty_dir_medium.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for empty_dir in empty_dirs(cx).filter(|empty_dir| empty_dir.medium() == Medium::Unknown) {
        let (name, medium) = (&empty_dir.volume.name, &*empty_dir.source.medium);
        let field = empty_dir.medium_field();
        let finding =
            |severity, message| Finding::new(RULE.id, severity, field.clone(), message).volume(name);
        let placeholder = marked_placeholder(medium).filter(|_| cx.object.origin != Origin::Admission);
        if let Some(placeholder) = placeholder {
            let (name, placeholder) = (quoted(name), quoted(placeholder));
            let message =
                format!("the medium of `emptyDir` volume {name} contains placeholder {placeholder}");
            out.push(
                finding(Severity::Warning, message)
                    .label("replaced by another program, or an unknown medium")
                    .why("if no program replaces the placeholder, a Pod that uses the volume never starts")
                    .help("check the manifest after the placeholder is replaced"),
            );
            continue;
        }
        let message = format!("unknown medium {} for `emptyDir` volume {}", quoted(medium), quoted(name));
        let finding = finding(Severity::Error, message)
            .label("unknown to the kubelet")
            .why("the kubelet cannot mount the volume, so a Pod that uses it never starts");
        out.push(match with_correct_case(medium) {
            _ if cx.os == Some(Os::Windows) => finding.help("remove the medium: Windows nodes support only disk"),
            Some(known) => {
                let (help, title) = (format!("use {}", quoted(&known)), format!("set `medium: {known}`"));
                let edit = Edit::Set(field, EditValue::Str(known));
                finding.help(help).fix(Fix::safe_edits(title, vec![edit]))
            }
            None => finding.help(
                "use `Memory` for a tmpfs, `HugePages` or `HugePages-2Mi` for huge pages, or no medium for disk",
            ),
        });
    }
}

/// Returns the known medium that differs from `text` only in case, or `None` if there is none.
fn with_correct_case(text: &str) -> Option<String> {
    let plain = ["Memory", "HugePages"].into_iter().find(|known| known.eq_ignore_ascii_case(text));
    plain.map(str::to_owned).or_else(|| {
        const PREFIX: &str = "HugePages-";
        let (start, size) = text.split_at_checked(PREFIX.len())?;
        let known = format!("{PREFIX}{size}");
        (start.eq_ignore_ascii_case(PREFIX) && Medium::parse(&known) == Medium::HugePages).then_some(known)
    })
}

#[cfg(test)]
mod tests {
    use super::with_correct_case;

    #[test]
    fn corrects_only_the_case() {
        assert_eq!(with_correct_case("MEMORY").as_deref(), Some("Memory"));
        assert_eq!(with_correct_case("hugepages").as_deref(), Some("HugePages"));
        assert_eq!(with_correct_case("hugePages-2Mi").as_deref(), Some("HugePages-2Mi"));
        for text in ["Memory ", "tmpfs", "hugepages-", "hugepages-big", "hugepages-0", "größe-2Mi"] {
            assert_eq!(with_correct_case(text), None, "{text}");
        }
    }
}
