//! Path expressions, which locate the pods and other fields of custom workloads.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::decode::Node;
use super::field_path::{FieldPath, Segment};

/// A path such as `spec.tasks[].template`. `[]` matches each item of a list, and `*` matches each
/// value of a mapping. The empty path refers to the value itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathExpression(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    EachItem,
    EachValue,
}

impl Step {
    /// Returns the values in `node` that the step matches.
    fn follow<'a, N: Node<'a>>(&self, node: N) -> Vec<(Segment, N)> {
        match self {
            Self::Key(key) => {
                let found = node.get(key).map(|value| (Segment::Key(Cow::Owned(key.clone())), value));
                found.into_iter().collect()
            }
            Self::EachItem => {
                let items = node.items().unwrap_or_default();
                items.into_iter().enumerate().map(|(index, item)| (Segment::Index(index), item)).collect()
            }
            Self::EachValue => {
                let entries = node.entries().into_iter();
                entries.map(|(key, value)| (Segment::Key(Cow::Owned(key.into_owned())), value)).collect()
            }
        }
    }
}

impl PathExpression {
    /// Returns all values at this path, with their field paths from `node`.
    pub fn find<'a, N: Node<'a>>(&self, node: N) -> Vec<(FieldPath, N)> {
        follow_all(&self.0, node)
    }

    /// Returns all values at this path, each with its field path from `node` and its parent.
    /// Returns no values for the empty path.
    pub(super) fn find_with_parents<'a, N: Node<'a>>(&self, node: N) -> Vec<(FieldPath, N, N)> {
        let Some((last, outer)) = self.0.split_last() else { return Vec::new() };
        let parents = follow_all(outer, node).into_iter();
        parents
            .flat_map(|(path, parent)| {
                let values = last.follow(parent).into_iter();
                values.map(move |(segment, value)| (path.with(segment), value, parent))
            })
            .collect()
    }
}

/// Returns all values that the steps lead to, with their field paths from `node`.
fn follow_all<'a, N: Node<'a>>(steps: &[Step], node: N) -> Vec<(FieldPath, N)> {
    let mut found = vec![(FieldPath::root(), node)];
    for step in steps {
        found = found
            .into_iter()
            .flat_map(|(path, node)| {
                step.follow(node).into_iter().map(move |(segment, node)| (path.with(segment), node))
            })
            .collect();
    }
    found
}

impl TryFrom<String> for PathExpression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|_| !text.is_empty()) {
            let key = part.trim_end_matches("[]");
            let item_levels = (part.len() - key.len()) / "[]".len();
            match key {
                "" => return Err(format!("`{text}` has an empty key")),
                "*" => steps.push(Step::EachValue),
                key if key.contains(['[', ']']) => {
                    return Err(format!("invalid `{part}` in `{text}`, expected `key[]`"));
                }
                key => steps.push(Step::Key(key.to_owned())),
            }
            steps.extend(std::iter::repeat_n(Step::EachItem, item_levels));
        }
        Ok(Self(steps))
    }
}

impl From<PathExpression> for String {
    fn from(path: PathExpression) -> Self {
        let mut text = Self::new();
        for step in &path.0 {
            let name = match step {
                Step::EachItem => {
                    text.push_str("[]");
                    continue;
                }
                Step::Key(key) => key,
                Step::EachValue => "*",
            };
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_keys_items_and_wildcards() {
        let parse = |text: &str| PathExpression::try_from(text.to_owned());
        for text in ["spec.tasks[].template", "spec.*.a", "a.*.b[]", "", "*[].a", "a[][].b"] {
            assert_eq!(parse(text).map(String::from).as_deref(), Ok(text));
        }
        for invalid in ["a..b", ".a", "a[0]", "a[]b", "a]", "a.[]", "[]"] {
            assert!(parse(invalid).is_err(), "{invalid}");
        }
    }
}
