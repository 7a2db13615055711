//! Lists of paths, found by their first name: each path of a Pod is held against hundreds.

use std::collections::HashMap;

use super::host_path::{HostPath, PathPattern, Relation};

/// What stands for a pattern.
pub trait Patterned {
    /// The paths that it means.
    fn pattern(&self) -> &PathPattern;
}

/// Patterns and what goes with each, in order.
#[derive(Clone, Debug)]
pub struct PathList<T> {
    items: Vec<T>,
    /// The items that a path with this first name may be related to.
    by_name: HashMap<Box<str>, Vec<usize>>,
    /// Those that any path may be: their first name is none, or has a `*`.
    rest: Vec<usize>,
}

impl<T> Default for PathList<T> {
    fn default() -> Self {
        Self { items: Vec::new(), by_name: HashMap::new(), rest: Vec::new() }
    }
}

impl<T> PathList<T> {
    /// All of them.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl<T: Patterned> PathList<T> {
    /// The items that `path` is, is above of or is inside of, in order, and which of that it is.
    pub fn related<'l, 'p>(
        &'l self,
        path: &'p HostPath,
    ) -> impl Iterator<Item = (&'l T, Relation)> + use<'l, 'p, T> {
        let (all, some) = match path.first_name() {
            None => (self.items.as_slice(), &[][..]),
            Some(name) => (&[][..], self.by_name.get(name).unwrap_or(&self.rest).as_slice()),
        };
        let near = all.iter().chain(some.iter().map(|at| &self.items[*at]));
        let related = near.map(|item| (item, path.relation(item.pattern())));
        related.filter(|(_, relation)| *relation != Relation::Apart)
    }

    /// The first item that `path` is, or is inside of.
    pub fn around(&self, path: &HostPath) -> Option<&T> {
        let inside = |relation| matches!(relation, Relation::Equal | Relation::Descendant);
        self.related(path).find(|(_, relation)| inside(*relation)).map(|(item, _)| item)
    }
}

impl<T: Patterned> FromIterator<T> for PathList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::default();
        list.extend(items);
        list
    }
}

impl<T: Patterned> Extend<T> for PathList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            let at = self.items.len();
            match item.pattern().first_name() {
                Some(name) => {
                    let same = self.by_name.entry(name.into());
                    same.or_insert_with(|| self.rest.clone()).push(at);
                }
                None => {
                    self.rest.push(at);
                    self.by_name.values_mut().for_each(|same| same.push(at));
                }
            }
            self.items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Patterned for PathPattern {
        fn pattern(&self) -> &PathPattern {
            self
        }
    }

    /// What the list finds is what looking at each would.
    #[test]
    fn nothing_is_missed() {
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
                let expected: Vec<_> = each.filter(|(_, relation)| *relation != Relation::Apart).collect();
                assert_eq!(list.related(&path).collect::<Vec<_>>(), expected, "{text}");
            }
        }
    }
}
