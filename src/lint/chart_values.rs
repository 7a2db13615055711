//! Finds the value in the values files of a chart that a finding in rendered text is about.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::input::read_chart_file;
use crate::model::FieldPath;
use crate::source::{self, File, NodeId, Tree, View};

/// The location of a value in a values file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueLocation {
    pub path: Arc<str>,
    pub line: usize,
    /// The path of the value in the file.
    pub field: FieldPath,
}

/// The scalars in the values files of a chart, by text. A value that several files set has only the
/// location in the file that takes precedence.
#[derive(Debug, Default)]
pub(super) struct ChartValues {
    scalars: HashMap<String, Vec<ValueLocation>>,
}

impl ChartValues {
    /// Reads the values files of the chart in a directory: `values.yaml`, and then `files`. Later
    /// files take precedence. Ignores files that cannot be read, such as URLs.
    pub(super) fn read(chart: &Path, files: &[PathBuf]) -> Self {
        let mut by_field = ByField::new();
        for path in std::iter::once(&chart.join("values.yaml")).chain(files) {
            let path: Arc<str> = path.to_string_lossy().into();
            let Some(file) = read_chart_file(&path) else { continue };
            let Ok(Some(tree)) = source::parse(file.text(), 0..file.text().len()) else { continue };
            let walk = Walk { tree: &tree, file: &file, path };
            walk.add(tree.root(), &FieldPath::root(), &mut by_field);
        }
        let mut values = Self::default();
        for (text, location) in by_field.into_values() {
            values.scalars.entry(text).or_default().push(location);
        }
        values
    }

    /// Returns the location of the value with this text, which is at `field` in the rendered text.
    /// If there are several such values, returns the one whose path has the most keys at the end in
    /// common with `field`. Returns `None` if there is no such value, or if it is ambiguous.
    pub(super) fn locate(&self, text: &str, field: &FieldPath) -> Option<&ValueLocation> {
        let candidates = self.scalars.get(text.trim_matches(['"', '\'']))?;
        let field = field.to_string();
        let common_keys = |value: &&ValueLocation| {
            let own = value.field.to_string();
            own.rsplit('.').zip(field.rsplit('.')).take_while(|(a, b)| a == b).count()
        };
        let most = candidates.iter().map(|value| common_keys(&value)).max()?;
        let mut best = candidates.iter().filter(|value| common_keys(value) == most);
        best.next().filter(|_| best.next().is_none())
    }
}

/// The text and the location of each scalar, by the path of its field.
type ByField = BTreeMap<String, (String, ValueLocation)>;

/// Removes the scalars in the mapping or list at `field`.
fn remove_below(field: &FieldPath, by_field: &mut ByField) {
    for separator in ['.', '['] {
        let prefix = format!("{field}{separator}");
        let range = by_field.range(prefix.clone()..);
        let below = range.map(|(field, _)| field).take_while(|field| field.starts_with(&prefix));
        for field in below.cloned().collect::<Vec<_>>() {
            by_field.remove(&field);
        }
    }
}

/// The walk through the nodes of a values file.
struct Walk<'t> {
    tree: &'t Tree<'t>,
    file: &'t File,
    path: Arc<str>,
}

impl Walk<'_> {
    /// Adds the scalars in a node to `by_field`. Does not follow aliases, because they can multiply
    /// the number of scalars.
    fn add(&self, node: NodeId, field: &FieldPath, by_field: &mut ByField) {
        if self.tree.target(node) != node {
            return;
        }
        if !matches!(self.tree.view(node), View::Mapping) {
            // helm merges only mappings.
            remove_below(field, by_field);
        }
        match self.tree.view(node) {
            View::Scalar(text) => {
                let line = self.file.span(self.tree.range(node)).start.line;
                let location = ValueLocation { path: Arc::clone(&self.path), line, field: field.clone() };
                by_field.insert(field.to_string(), (text.to_owned(), location));
            }
            View::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(*item, &field.index(index), by_field);
                }
            }
            View::Mapping => {
                for entry in self.tree.written_entries(node) {
                    let key = self.tree.key(entry.key).into_owned();
                    self.add(entry.value, &field.key(key), by_field);
                }
            }
        }
    }
}
