//! A path contains a variable that Kubernetes does not expand.
//!
//! ## What it does
//!
//! Reports a variable that Kubernetes does not expand:
//!
//! - `$(NAME)`, `${NAME}` or `$NAME` in `subPath`, or in the path of a `hostPath` or `local`
//!   volume, in which no variables are expanded
//! - `${NAME}` or `$NAME` in `subPathExpr`, in which only `$(NAME)` is expanded
//!
//! `$NAME` in a Windows host path is not reported, because `$` is common in Windows paths.
//!
//! In these cases, nothing is reported, because another program probably replaces the variable
//! before Kubernetes uses the path:
//!
//! - `${NAME}` in a sub path, if the object with the sub path is inside another object or a string,
//!   for example in an OpenShift Template
//! - `$(NAME)` or `${NAME}` in a host path of such an object, or of an object whose kind is not
//!   part of Kubernetes
//! - paths in an object whose name or namespace contains a variable, such as `${NAME}-data`
//! - host paths that start with another placeholder, such as `${NAME:=/srv}` or `__NAME__`
//!
//! The summary of the run counts the host paths that were not checked, and names up to three fields
//! with such a path.
//!
//! ## Why is this bad?
//!
//! The Pod uses a path that contains the text of the variable, such as `$(POD_NAME)`, instead of
//! the value of the variable. If this path does not exist, a directory is usually created. Pods
//! that share the volume then use the same directory, although each Pod was meant to have a
//! separate directory.
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
//!     env:
//!     - name: POD_NAME
//!       valueFrom:
//!         fieldRef:
//!           fieldPath: metadata.name
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /var/log/nginx
//!       subPath: $(POD_NAME) # finding
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
//! ## Fix
//!
//! Sets `subPathExpr` to the sub path, with each variable written as `$(NAME)`, and removes
//! `subPath`.
//! Unsafe: the container then uses a different directory, which does not contain the existing
//! files. There is no fix for a host path, or if the `env` of the container does not define all
//! variables.
//!
//! ## When to allow it
//!
//! Allow it if a tool replaces the variable before the manifest is applied.
//!
//! ## References
//!
//! - [Kubernetes: Using subPath with expanded environment variables](https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment)

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, EditValue, Finding, Fix, RuleId, Severity};
use crate::model::{ContainerMount, Origin};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("literal-variable-in-path"),
    summary: "a path contains a variable that Kubernetes does not expand",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::Any,
    lint_only: None,
    source: include_str!("literal_variable_in_path.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.object.id.has_variable() {
        return;
    }
    for volume in cx.host_path_volumes() {
        // On Windows, a dollar sign is an ordinary character, as in `C:\$Recycle.Bin`.
        let is_variable =
            |variable: &Variable<'_>| !volume.clean.is_windows() || variable.text.ends_with([')', '}']);
        if let Some(variable) = variables(volume.path).into_iter().find(is_variable) {
            let message = format!(
                "variable {} in host path {} is not expanded",
                quoted(variable.text),
                quoted(volume.path)
            );
            let finding = Finding::new(RULE.id, Severity::Warning, volume.path_field(), message)
                .why("the kubelet uses a path that contains the text of the variable")
                .help("write the path without a variable, or use `subPathExpr` in the mount")
                .volume(volume.name)
                .host_path(&volume.clean);
            out.push(finding);
        }
    }
    let mounts = cx.pod().into_iter().flat_map(|pod| pod.mounts());
    out.extend(mounts.filter_map(|mount| mount_finding(mount, cx.object.origin)));
}

fn mount_finding(mount: ContainerMount<'_, '_>, origin: Origin) -> Option<Finding> {
    let (sub_path, expression) = (&*mount.mount.sub_path, &*mount.mount.sub_path_expr);
    let (key, text) = if expression.is_empty() { ("subPath", sub_path) } else { ("subPathExpr", expression) };
    let all = variables(text);
    let literal = all.iter().find(|variable| {
        let is_expanded = key == "subPathExpr" && variable.is_expanded;
        // A program such as `oc process` may replace the variable.
        let may_be_replaced = origin == Origin::Embedded && variable.text.ends_with('}');
        !is_expanded && !may_be_replaced
    })?;
    let field = mount.path().key(key);
    let message = format!("variable {} in `{key}` is not expanded", quoted(literal.text));
    let finding = Finding::new(RULE.id, Severity::Warning, field.clone(), message)
        .why("the path contains the text of the variable instead of its value")
        .help(format!("use `subPathExpr` with `$({})`", literal.name))
        .volume(&mount.mount.name)
        .container(&mount.container.name)
        .path(text);
    let is_defined = |name: &str| mount.container.env.iter().any(|variable| *variable.name == *name);
    if !all.iter().all(|variable| is_defined(variable.name)) {
        return Some(finding);
    }
    let mut expanded = text.to_owned();
    for variable in all.iter().rev() {
        let end = variable.start + variable.text.len();
        expanded.replace_range(variable.start..end, &format!("$({})", variable.name));
    }
    let title = format!("set `subPathExpr: {expanded}`");
    let set = Edit::Set(mount.path().key("subPathExpr"), EditValue::Str(expanded));
    let remove = (key == "subPath").then_some(Edit::Remove(field));
    Some(finding.fix(Fix::unsafe_edits(title, remove.into_iter().chain([set]).collect())))
}

/// A reference to a variable in a path.
#[derive(Debug, PartialEq, Eq)]
struct Variable<'t> {
    /// The byte offset of the reference in the path.
    start: usize,
    /// The reference, such as `$(NAME)`.
    text: &'t str,
    name: &'t str,
    /// Whether Kubernetes expands the reference in `subPathExpr`: only `$(NAME)`.
    is_expanded: bool,
}

/// Returns the references to variables in a path: `$(NAME)`, `${NAME}` and `$NAME`. Omits escaped
/// references (`$$`).
fn variables(path: &str) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = path[at..].find('$') {
        let start = at + offset;
        let rest = &path[start + 1..];
        if rest.starts_with('$') {
            at = start + 2;
            continue;
        }
        let (open, close) = match rest.bytes().next() {
            Some(b'(') => (1, ")"),
            Some(b'{') => (1, "}"),
            _ => (0, ""),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let body = &rest[open..];
        let name = &body[..body.find(|c| !is_name(c)).unwrap_or(body.len())];
        let is_reference =
            name.starts_with(|c: char| !c.is_ascii_digit()) && body[name.len()..].starts_with(close);
        if is_reference {
            let length = 1 + open + name.len() + close.len();
            let text = &path[start..start + length];
            found.push(Variable { start, text, name, is_expanded: close == ")" });
            at = start + length;
        } else {
            at = start + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn finds_references_in_all_forms() {
        let texts = |path| variables(path).iter().map(|variable| variable.text).collect::<Vec<_>>();
        assert_eq!(texts("a/$(POD_NAME)/${B}/$c-$_d"), ["$(POD_NAME)", "${B}", "$c", "$_d"]);
        for path in
            ["", "$", "a$", "$$(A)", "$()", "${}", "$(A", "${A)", "$1", r"\\host\C$\x", "$(a b)", "$é"]
        {
            assert!(texts(path).is_empty(), "{path}");
        }
        assert_eq!(texts("$$$(A)"), ["$(A)"]);
        assert_eq!(texts("$($(A)"), ["$(A)"]);
    }
}
