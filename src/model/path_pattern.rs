//! Patterns of paths on a node.

use super::host_path::{HostPath, Relation, Syntax, relation};
use super::windows_path::WindowsPath;

/// A pattern of paths. Each segment can contain one `*`, which matches any text within the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pub(super) syntax: Syntax,
    pub(super) segments: Vec<SegmentPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SegmentPattern {
    Literal(Box<str>),
    /// A segment with a `*`.
    Wildcard {
        prefix: Box<str>,
        suffix: Box<str>,
    },
}

impl SegmentPattern {
    fn new(segment: Box<str>) -> Self {
        match segment.split_once('*') {
            Some((prefix, suffix)) => Self::Wildcard { prefix: prefix.into(), suffix: suffix.into() },
            None => Self::Literal(segment),
        }
    }

    /// Checks whether the pattern matches the name of a file.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *name,
            Self::Wildcard { prefix, suffix } => {
                name.strip_prefix(&**prefix).is_some_and(|rest| rest.ends_with(&**suffix))
            }
        }
    }

    /// Checks whether the pattern matches every name that `other` matches.
    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Literal(name)) => self.matches(name),
            (Self::Literal(_), Self::Wildcard { .. }) => false,
            (
                Self::Wildcard { prefix, suffix },
                Self::Wildcard { prefix: other_prefix, suffix: other_suffix },
            ) => other_prefix.starts_with(&**prefix) && other_suffix.ends_with(&**suffix),
        }
    }

    /// Checks whether some name matches both patterns.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Literal(name)) => self.matches(name),
            (Self::Literal(name), _) => other.matches(name),
            (Self::Wildcard { prefix, suffix }, Self::Wildcard { prefix: start, suffix: end }) => {
                (prefix.starts_with(&**start) || start.starts_with(&**prefix))
                    && (suffix.ends_with(&**end) || end.ends_with(&**suffix))
            }
        }
    }

    /// Returns the number of bytes around the `*`. Returns `usize::MAX` for a literal, which is
    /// more specific than any wildcard.
    fn fixed_length(&self) -> usize {
        match self {
            Self::Literal(_) => usize::MAX,
            Self::Wildcard { prefix, suffix } => prefix.len() + suffix.len(),
        }
    }
}

impl PathPattern {
    /// Parses a pattern of node paths.
    ///
    /// Returns `None` if a segment contains more than one `*`. Also returns `None` if the pattern
    /// can never match, because it is relative, not clean, or contains an alias.
    pub fn new(text: &str) -> Option<Self> {
        Self::from_path(HostPath::new(text), text)
    }

    /// Parses a pattern of paths inside a container. Returns `None` if it can never match, or if a
    /// segment contains more than one `*`.
    pub fn in_container(text: &str) -> Option<Self> {
        Self::from_path(HostPath::in_container(text), text)
    }

    /// Converts `path`, which was parsed from `text`, to a pattern. Returns `None` if `path`
    /// differs from `text`, is relative or uncertain, or has a segment with more than one `*`.
    fn from_path(path: HostPath, text: &str) -> Option<Self> {
        let is_unchanged = match path.syntax {
            Syntax::Posix => path.to_string() == text,
            Syntax::Windows => {
                let body = WindowsPath::parse(text)?.body;
                let segments = body.split('/').filter(|name| !name.is_empty());
                segments.eq(path.segments.iter().map(|name| &**name))
            }
        };
        let has_one_wildcard_per_segment =
            path.segments.iter().all(|segment| segment.matches('*').count() <= 1);
        if path.is_relative() || path.is_uncertain() || !is_unchanged || !has_one_wildcard_per_segment {
            return None;
        }
        let segments = path.segments.into_iter().map(SegmentPattern::new).collect();
        Some(Self { syntax: path.syntax, segments })
    }

    /// Checks whether the pattern contains a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.segments.iter().any(|part| matches!(part, SegmentPattern::Wildcard { .. }))
    }

    /// Returns the number of segments. If a path is at or below paths of two patterns, the deeper
    /// pattern is more specific.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Returns a sort key. If a path is at or below paths of two patterns, the more specific
    /// pattern has the greater key. A deeper pattern is more specific. At equal depth, the first
    /// segments that differ decide: a name is more specific than a wildcard, and a wildcard with
    /// more text is more specific than one with less.
    pub fn specificity(&self) -> impl Ord + use<> {
        let lengths: Vec<_> = self.segments.iter().map(SegmentPattern::fixed_length).collect();
        (self.depth(), lengths)
    }

    /// Checks whether every path at or below a path of `other` is also at or below a path of this
    /// pattern.
    pub fn contains(&self, other: &Self) -> bool {
        self.depth() <= other.depth() && self.agrees_with(other, SegmentPattern::contains)
    }

    /// Checks whether some path is at or below paths of both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.agrees_with(other, SegmentPattern::overlaps)
    }

    fn agrees_with(&self, other: &Self, agree: fn(&SegmentPattern, &SegmentPattern) -> bool) -> bool {
        self.syntax == other.syntax && self.segments.iter().zip(&other.segments).all(|(a, b)| agree(a, b))
    }
}

impl HostPath {
    /// Returns the relation of this path to the paths that match `pattern`.
    pub fn relation(&self, pattern: &PathPattern) -> Relation {
        if self.syntax != pattern.syntax {
            return Relation::Unrelated;
        }
        let matches = self.segments.iter().zip(&pattern.segments).all(|(name, part)| part.matches(name));
        relation(matches, self.segments.len(), pattern.segments.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns<const N: usize>(texts: [&str; N]) -> [PathPattern; N] {
        texts.map(|text| PathPattern::new(text).expect("a valid pattern"))
    }

    #[test]
    fn specificity_increases_with_depth_and_fixed_text() {
        let sorted = ["/", "/*", "/a*", "/a*c", "/abc", "/*/b", "/a*/*", "/a/*", "/a/b", "/a/b/*"];
        let sorted = patterns(sorted);
        for pair in sorted.windows(2) {
            assert!(pair[0].specificity() < pair[1].specificity(), "{pair:?}");
        }
    }

    #[test]
    fn patterns_contain_and_overlap_others() {
        for (outer, inner) in
            [("/", "/a"), ("/a", "/a"), ("/a", "/a/b*"), ("/*", "/a/b"), ("/a*", "/ab*/c"), ("/*c", "/a*bc")]
        {
            let [outer, inner] = patterns([outer, inner]);
            assert!(outer.contains(&inner) && outer.overlaps(&inner), "{outer:?} {inner:?}");
        }
        for (a, b) in [("/a/b", "/a"), ("/a", "/*"), ("/a*", "/*a"), ("/a*", "/*")] {
            let [a, b] = patterns([a, b]);
            assert!(!a.contains(&b) && a.overlaps(&b) && b.overlaps(&a), "{a:?} {b:?}");
        }
        for (a, b) in [("/a", "/b"), ("/a*", "/b*"), ("/*a", "/*b"), ("/a/b", "/a/c"), ("/c:", "C:\\")] {
            let [a, b] = patterns([a, b]);
            assert!(!a.contains(&b) && !a.overlaps(&b) && !b.overlaps(&a), "{a:?} {b:?}");
        }
    }
}
