//! Objects that look like a built-in kind, but are not valid: the API server has no such kind, or
//! the pod spec is at the wrong place.

use super::builtin::{is_built_in, pod_spec_path};
use super::decode::{Node, TypeMeta};
use super::field_path::FieldPath;
use super::misspelled_key::misspelled_field;
use super::text::placeholder;

/// The built-in kinds whose volumes are checked, with their current `apiVersion`.
const KINDS: [(&str, &str); 12] = [
    ("Pod", "v1"),
    ("PodTemplate", "v1"),
    ("ReplicationController", "v1"),
    ("PersistentVolume", "v1"),
    ("PersistentVolumeClaim", "v1"),
    ("Deployment", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("Job", "batch/v1"),
    ("CronJob", "batch/v1"),
    ("StorageClass", "storage.k8s.io/v1"),
];

/// Returns the built-in kind with this name, and its current `apiVersion`. Ignores case and typing
/// errors. Returns `None` if there is none.
pub fn similar_kind(kind: &str) -> Option<(&'static str, &'static str)> {
    let name = misspelled_field(kind, KINDS.iter().map(|(name, _)| *name))?;
    KINDS.into_iter().find(|(known, _)| *known == name)
}

/// Returns the `kind` and `apiVersion` that are probably intended, if the API server has no kind of
/// this type. Returns `None` for built-in kinds, and for kinds that may be custom resources.
pub fn intended_type(meta: &TypeMeta<'_>) -> Option<(&'static str, &'static str)> {
    let is_name = meta.api_version.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_built_in(meta.group(), &meta.kind) || !is_name || placeholder(&meta.api_version).is_some() {
        return None;
    }
    let (kind, api_version) = similar_kind(&meta.kind)?;
    // The group of a custom resource contains a dot.
    let is_known = match kind == &*meta.kind {
        true => !meta.group().contains('.'),
        false => is_built_in(meta.group(), kind),
    };
    is_known.then_some((kind, api_version))
}

/// A field of a pod spec or a pod template in a mapping that is too far outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingField {
    /// The mapping that should contain the field.
    pub parent: FieldPath,
    /// The path of the missing field.
    pub path: FieldPath,
    /// The present and the correct path of a field that should be inside of the missing field;
    /// `None` if there is no such field.
    pub misplaced: Option<(FieldPath, FieldPath)>,
}

/// Returns the missing field on the path to the pod spec of an object that looks complete. Returns
/// `None` if there is none, if the kind is not built in, or if the object may be a patch.
pub fn missing_field<'a, N: Node<'a>>(node: N, meta: &TypeMeta<'_>) -> Option<MissingField> {
    let chain = pod_spec_path(meta)?;
    let mut parent = node;
    for (depth, key) in chain.iter().enumerate() {
        if let Some(value) = parent.get(key) {
            parent = value;
            continue;
        }
        let (outer, inner) = (&chain[..depth], &chain[depth + 1..]);
        let own = FieldPath::from_keys(outer);
        let is_list = |key| parent.get(key).is_some_and(|value: N| value.items().is_some());
        let of_pod = ["containers", "volumes"]
            .into_iter()
            .find(|key| is_list(key))
            .map(|key| (own.key(key), FieldPath::from_keys(chain).key(key)));
        let is_mapping =
            |key: &&&'static str| parent.get(key).is_some_and(|value: N| !value.entries().is_empty());
        let of_chain = inner
            .iter()
            .enumerate()
            .find(|(_, key)| is_mapping(key))
            .map(|(index, key)| (own.key(*key), FieldPath::from_keys(&chain[..=depth + 1 + index])));
        let misplaced = of_pod.or(of_chain);
        // Only a complete workload has a selector.
        let is_complete = *key == "template" && parent.get("selector").is_some();
        let is_misspelled = || {
            let mut keys = parent.entries().into_iter();
            keys.any(|(other, _)| misspelled_field(&other, std::iter::once(*key)).is_some())
        };
        let is_missing = (misplaced.is_some() || is_complete) && !is_misspelled();
        return is_missing.then(|| MissingField { path: own.key(*key), parent: own, misplaced });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Str;

    #[test]
    fn recognizes_kinds_that_do_not_exist() {
        let intended = |api_version: &str, kind: &str| {
            intended_type(&TypeMeta { api_version: Str::owned(api_version), kind: Str::owned(kind) })
        };
        let deployment = Some(("Deployment", "apps/v1"));
        for (api_version, kind) in [
            ("v1", "Deployment"),
            ("app/v1", "Deployment"),
            ("apps/v1", "deployment"),
            ("apps/v1", "Deploymnet"),
        ] {
            assert_eq!(intended(api_version, kind), deployment, "{api_version} {kind}");
        }
        assert_eq!(intended("v1", "pod"), Some(("Pod", "v1")));
        assert_eq!(intended("apps/v1", "CronJob"), Some(("CronJob", "batch/v1")));
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("extensions/v1beta1", "Deployment"),
            ("apps.example.io/v1", "Deployment"),
            ("batch.volcano.sh/v1alpha1", "Job"),
            ("{{ version }}", "Deployment"),
            ("...", "Deployment"),
            ("v1", "DeploymentConfig"),
            ("v1", "PodList"),
            ("v1", "Node"),
            ("v1", "Service"),
            ("example.io/v1", "pod"),
        ] {
            assert_eq!(intended(api_version, kind), None, "{api_version} {kind}");
        }
    }
}
