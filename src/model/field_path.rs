//! Paths of fields within an object, in Kubernetes notation.

use std::borrow::{Borrow, Cow};
use std::fmt;

/// One segment of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a mapping.
    Key(Cow<'static, str>),
    /// A zero-based index into a list.
    Index(usize),
}

/// The path of a value within an object, such as `spec.template.spec.volumes[2].hostPath.path`.
///
/// Displayed in the notation of API server errors. The empty path refers to the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// Returns the path of the object itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Checks whether this is the path of the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Creates a path from keys, outermost first.
    pub fn from_keys(keys: &[&'static str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key(Cow::Borrowed(key))).collect())
    }

    /// Returns the path of the value of `key` in the mapping at this path.
    #[must_use]
    pub fn key(&self, key: impl Into<Cow<'static, str>>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// Returns the path of item `index` of the list at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// Returns this path with `segment` appended.
    #[must_use]
    pub fn with(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 2);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }

    /// Checks whether this path is `outer` or inside it.
    pub fn starts_with(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// Returns this path with all segments of `rest` appended.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self([self.0.as_slice(), rest.0.as_slice()].concat())
    }

    /// Returns the segments, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns the path without its last segment, or `None` if it is the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, head) = self.0.split_last()?;
        Some(Self(head.to_vec()))
    }
}

impl Borrow<[Segment]> for FieldPath {
    fn borrow(&self) -> &[Segment] {
        &self.0
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                // The API server (`field.Path`) writes map keys, such as labels, in brackets.
                Segment::Key(key) if !is_field_name(key) => write!(f, "[{key}]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_field_name(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_paths_like_the_api_server() {
        let path = FieldPath::from_keys(&["spec", "volumes"]).index(2).key("hostPath").key("path");
        assert_eq!(path.to_string(), "spec.volumes[2].hostPath.path");
        let key = FieldPath::from_keys(&["metadata", "annotations"]).key("example.io/a");
        assert_eq!(key.to_string(), "metadata.annotations[example.io/a]");
        assert_eq!(FieldPath::root().to_string(), "");
        assert_eq!(FieldPath::from_keys(&["a_b", "c-d", "e f"]).to_string(), "a_b.c-d[e f]");
        assert_eq!(path.parent().map(|p| p.to_string()).as_deref(), Some("spec.volumes[2].hostPath"));
    }
}
