//! Lists of path patterns, indexed by their first segment. The index avoids comparing each path of
//! a pod with hundreds of patterns.

use std::collections::HashMap;

use super::host_path::{HostPath, Relation};
use super::path_pattern::PathPattern;

/// An item of a [`PathList`].
pub trait HasPattern {
    /// Returns the pattern of the paths that the item is about.
    fn pattern(&self) -> &PathPattern;
}

/// Items with path patterns, in order.
#[derive(Clone, Debug)]
pub struct PathList<T> {
    items: Vec<T>,
    /// The indices of the items that may be related to a path with this first segment.
    by_first_segment: HashMap<Box<str>, Vec<usize>>,
    /// The indices of the items that may be related to any path, because their first segment has a
    /// wildcard or they are the root.
    any: Vec<usize>,
}

impl<T> Default for PathList<T> {
    fn default() -> Self {
        Self { items: Vec::new(), by_first_segment: HashMap::new(), any: Vec::new() }
    }
}

impl<T> PathList<T> {
    /// Returns all items, in order.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl<T: HasPattern> PathList<T> {
    /// Returns the items that `path` is related to, in order, with its relation to each.
    pub fn related<'l, 'p>(
        &'l self,
        path: &'p HostPath,
    ) -> impl Iterator<Item = (&'l T, Relation)> + use<'l, 'p, T> {
        let (all, some) = match path.first_segment() {
            None => (self.items.as_slice(), &[][..]),
            Some(name) => (&[][..], self.by_first_segment.get(name).unwrap_or(&self.any).as_slice()),
        };
        let candidates = all.iter().chain(some.iter().map(|at| &self.items[*at]));
        let related = candidates.map(|item| (item, path.relation(item.pattern())));
        related.filter(|(_, relation)| *relation != Relation::Unrelated)
    }

    /// Returns the first item whose pattern matches `path` or one of its ancestors.
    pub fn find_containing(&self, path: &HostPath) -> Option<&T> {
        let is_inside = |relation| matches!(relation, Relation::Equal | Relation::Descendant);
        self.related(path).find(|(_, relation)| is_inside(*relation)).map(|(item, _)| item)
    }

    /// Returns the first item whose pattern matches `path` itself.
    pub fn find_equal(&self, path: &HostPath) -> Option<&T> {
        self.related(path).find(|(_, relation)| *relation == Relation::Equal).map(|(item, _)| item)
    }
}

impl<T: HasPattern> FromIterator<T> for PathList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::default();
        list.extend(items);
        list
    }
}

impl<T: HasPattern> Extend<T> for PathList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            let at = self.items.len();
            match item.pattern().first_segment() {
                Some(name) => {
                    let entry = self.by_first_segment.entry(name.into());
                    entry.or_insert_with(|| self.any.clone()).push(at);
                }
                None => {
                    self.any.push(at);
                    self.by_first_segment.values_mut().for_each(|indices| indices.push(at));
                }
            }
            self.items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasPattern for PathPattern {
        fn pattern(&self) -> &PathPattern {
            self
        }
    }

    #[test]
    fn finds_the_same_items_as_a_linear_search() {
        let texts = ["/a", "/a/b", "/*", "/", "/b*/x", "/a/*/c", "/b/x", "C:\\a", "/z", "/*z/a", "/a"];
        let patterns: Vec<_> = texts.iter().filter_map(|text| PathPattern::new(text)).collect();
        assert_eq!(patterns.len(), texts.len());
        for split in 0..patterns.len() {
            let mut list: PathList<_> = patterns[..split].iter().cloned().collect();
            list.extend(patterns[split..].iter().cloned());
            for text in
                ["/", "", "/a", "/a/b/c", "/b", "/bz/a", "/c", "/a/x", "C:\\", "C:\\a\\b", "C:", "/z/a/b"]
            {
                let path = HostPath::new(text);
                let each = patterns.iter().map(|pattern| (pattern, path.relation(pattern)));
                let expected: Vec<_> =
                    each.filter(|(_, relation)| *relation != Relation::Unrelated).collect();
                assert_eq!(list.related(&path).collect::<Vec<_>>(), expected, "{text}");
            }
        }
    }
}
