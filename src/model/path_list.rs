//! Lists of path patterns, indexed by a tree of their segments. The index avoids comparing each
//! path of a pod with hundreds of patterns.

use std::sync::Arc;

use super::host_path::{HostPath, Relation, Syntax};
use super::path_pattern::{PathPattern, SegmentPattern};

/// An item of a [`PathList`].
pub trait HasPattern {
    /// Returns the pattern of the paths that the item is about.
    fn pattern(&self) -> &PathPattern;
}

/// Items with path patterns, in order. Clones share the items until a clone is extended.
#[derive(Clone, Debug)]
pub struct PathList<T> {
    index: Arc<Index<T>>,
}

#[derive(Clone, Debug)]
struct Index<T> {
    items: Vec<T>,
    posix_root: Directory,
    windows_root: Directory,
}

/// A directory in the tree of the patterns.
#[derive(Clone, Debug, Default)]
struct Directory {
    /// The indices of the items whose patterns match this directory.
    items: Vec<u32>,
    /// The indices of the items whose patterns match a path below this directory.
    items_below: Vec<u32>,
    /// The directories in this directory, sorted by name.
    children: Vec<(Box<str>, Self)>,
    wildcard_children: Vec<(SegmentPattern, Self)>,
}

impl Directory {
    /// Adds an item whose pattern has the remaining segments `rest`.
    fn add(&mut self, rest: &[SegmentPattern], index: u32) {
        let Some((first, rest)) = rest.split_first() else { return self.items.push(index) };
        self.items_below.push(index);
        let child = match first {
            SegmentPattern::Literal(name) => {
                let at = self.position(name).unwrap_or_else(|at| {
                    self.children.insert(at, (name.clone(), Self::default()));
                    at
                });
                &mut self.children[at].1
            }
            SegmentPattern::Wildcard { .. } => {
                let known = self.wildcard_children.iter().position(|(pattern, _)| pattern == first);
                let at = known.unwrap_or_else(|| {
                    self.wildcard_children.push((first.clone(), Self::default()));
                    self.wildcard_children.len() - 1
                });
                &mut self.wildcard_children[at].1
            }
        };
        child.add(rest, index);
    }

    /// Returns the position of the child of this name. If there is none, the error is the position
    /// at which to insert it.
    fn position(&self, name: &str) -> Result<usize, usize> {
        self.children.binary_search_by(|(child, _)| (**child).cmp(name))
    }

    /// Adds the items whose patterns are related to a path, each with the relation of the path to
    /// the pattern. `rest` contains the remaining segments of the path.
    fn find(&self, rest: &[Box<str>], found: &mut Vec<(u32, Relation)>) {
        let Some((name, rest)) = rest.split_first() else {
            found.extend(self.items.iter().map(|index| (*index, Relation::Equal)));
            found.extend(self.items_below.iter().map(|index| (*index, Relation::Ancestor)));
            return;
        };
        found.extend(self.items.iter().map(|index| (*index, Relation::Descendant)));
        let child = self.position(name).ok().map(|at| &self.children[at].1);
        let wildcards = self.wildcard_children.iter().filter(|(pattern, _)| pattern.matches(name));
        for child in child.into_iter().chain(wildcards.map(|(_, child)| child)) {
            child.find(rest, found);
        }
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        let (posix_root, windows_root) = Default::default();
        Self { items: Vec::new(), posix_root, windows_root }
    }
}

impl<T: HasPattern> Index<T> {
    fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        for item in items {
            let PathPattern { syntax, segments } = item.pattern();
            let root = match syntax {
                Syntax::Posix => &mut self.posix_root,
                Syntax::Windows => &mut self.windows_root,
            };
            root.add(segments, self.items.len() as u32);
            self.items.push(item);
        }
    }
}

impl<T> Default for PathList<T> {
    fn default() -> Self {
        Self { index: Arc::default() }
    }
}

impl<T> PathList<T> {
    /// Returns all items, in order.
    pub fn items(&self) -> &[T] {
        &self.index.items
    }
}

impl<T: HasPattern> PathList<T> {
    /// Returns the items whose patterns are related to `path`, in order, each with the relation of
    /// `path` to the pattern.
    pub fn related<'l>(&'l self, path: &HostPath) -> impl Iterator<Item = (&'l T, Relation)> + use<'l, T> {
        let Index { items, posix_root, windows_root } = &*self.index;
        let root = match path.syntax {
            Syntax::Posix => posix_root,
            Syntax::Windows => windows_root,
        };
        let mut found = Vec::new();
        root.find(&path.segments, &mut found);
        found.sort_unstable_by_key(|(index, _)| *index);
        found.into_iter().map(|(index, relation)| (&items[index as usize], relation))
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
        let mut index = Index::default();
        index.extend(items);
        Self { index: Arc::new(index) }
    }
}

impl<T: HasPattern + Clone> Extend<T> for PathList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            Arc::make_mut(&mut self.index).extend(items);
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
