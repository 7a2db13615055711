//! Where the pods of custom kinds are: a table that a policy can extend.

use serde::{Deserialize, Serialize};

use super::field_path::FieldPath;
use super::read::Node;

/// The custom kinds whose pods are known to be at certain places.
#[derive(Clone, Debug, Default)]
pub struct CustomKinds(Vec<CustomKind>);

/// One custom kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomKind {
    /// Its API group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Where it has a template: metadata and spec.
    #[serde(default)]
    pub pod_templates: Vec<PathExpression>,
    /// Where it has a pod spec.
    #[serde(default)]
    pub pod_specs: Vec<PathExpression>,
    /// Pods that are put together of several places.
    #[serde(default)]
    pub parts: Vec<Parts>,
    /// Whether volumes or mounts may come from elsewhere.
    #[serde(default, rename = "fragment")]
    pub is_fragment: bool,
}

/// The places of one pod's volumes and containers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Parts {
    /// One pod for each of these; the object itself where it is empty.
    pub each: PathExpression,
    /// Lists of volumes, from `each`.
    pub volumes: Vec<PathExpression>,
    /// Lists of volumes that all these pods have, from the object.
    pub shared_volumes: Vec<PathExpression>,
    /// Containers, or lists of them, from `each`.
    pub containers: Vec<PathExpression>,
    /// Init containers, or lists of them, from `each`.
    pub init_containers: Vec<PathExpression>,
    /// Lists of claim templates, from the object.
    pub claim_templates: Vec<PathExpression>,
    /// Patches of the pod spec, as text, from `each`.
    pub pod_spec_patch: Vec<PathExpression>,
}

/// A path such as `spec.tasks[].template`: `[]` is each item of a list, `*` each value of a mapping.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathExpression(Vec<Step>);

/// One step of a [`PathExpression`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    EachItem,
    EachValue,
}

impl TryFrom<String> for PathExpression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|_| !text.is_empty()) {
            let (key, each) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
            match key {
                "" => return Err(format!("`{text}` has an empty key")),
                "*" => steps.push(Step::EachValue),
                key if key.contains(['[', ']']) => {
                    return Err(format!("`{part}` in `{text}` is not `key[]`"));
                }
                key => steps.push(Step::Key(key.to_owned())),
            }
            if each {
                steps.push(Step::EachItem);
            }
        }
        Ok(Self(steps))
    }
}

impl From<PathExpression> for String {
    fn from(path: PathExpression) -> Self {
        let mut text = Self::new();
        for step in &path.0 {
            match step {
                Step::EachItem => text.push_str("[]"),
                Step::Key(_) | Step::EachValue if text.is_empty() => {}
                Step::Key(_) | Step::EachValue => text.push('.'),
            }
            match step {
                Step::EachItem => {}
                Step::Key(key) => text.push_str(key),
                Step::EachValue => text.push('*'),
            }
        }
        text
    }
}

impl PathExpression {
    /// The values at this path, and where each stands.
    pub fn find<'a, N: Node<'a>>(&self, node: N) -> Vec<(FieldPath, N)> {
        let mut found = vec![(FieldPath::root(), node)];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|(path, node)| {
                    step.follow(node).into_iter().map(move |(segment, node)| (path.with(segment), node))
                })
                .collect();
        }
        found
    }
}

impl CustomKinds {
    /// A table of these kinds; of two entries for one kind, the later counts.
    pub fn new(kinds: Vec<CustomKind>) -> Self {
        Self(kinds)
    }

    /// Adds these kinds.
    pub fn extend(&mut self, kinds: Vec<CustomKind>) {
        self.0.extend(kinds);
    }

    /// The entry of a kind.
    pub fn get(&self, group: &str, kind: &str) -> Option<&CustomKind> {
        self.0.iter().rev().find(|entry| entry.group == group && entry.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_keys_and_each() {
        let parsed = |text: &str| PathExpression::try_from(text.to_owned());
        assert!(parsed("spec.tasks[].template").is_ok() && parsed("spec.*.a").is_ok() && parsed("").is_ok());
        for text in ["spec.tasks[].template", "a.*.b[]", "", "*[].a"] {
            assert_eq!(parsed(text).map(String::from).as_deref(), Ok(text));
        }
        for wrong in ["a..b", ".a", "a[0]", "a[]b", "a]", "a.[]", "[]"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
