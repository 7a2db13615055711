//! The check that edits change exactly the edited fields.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::finding::{Edit, EditValue};
use crate::lint::LocatedFinding;
use crate::model::{FieldPath, Segment};
use crate::source::edit::{TextEdit, apply};
use crate::source::{NodeId, Tree, View, decode, parse, parse_json, split_documents};

/// Splits findings into those whose fixes have the expected result together, and those whose fixes
/// have an unexpected result. Omits the others. The fixes must not overlap.
pub(super) fn with_expected_result<'f>(
    text: &str,
    batch: Vec<&'f LocatedFinding>,
) -> (Vec<&'f LocatedFinding>, Vec<&'f LocatedFinding>) {
    let chunks = split_documents(text);
    let mut by_chunk: BTreeMap<usize, Vec<&LocatedFinding>> = BTreeMap::new();
    let (mut expected, mut unexpected) = (Vec::new(), Vec::new());
    for located in batch {
        let start = located.object.as_ref().map_or(0, |object| object.start);
        let chunk = chunks.partition_point(|chunk| chunk.range.start <= start).saturating_sub(1);
        by_chunk.entry(chunk).or_default().push(located);
    }
    for (index, found) in by_chunk {
        let Some(chunk) = chunks.get(index) else { continue };
        let (own_expected, own_unexpected) = Document { text, chunk: chunk.range.clone() }.split(found);
        expected.extend(own_expected);
        unexpected.extend(own_unexpected);
    }
    (expected, unexpected)
}

/// A document to fix.
struct Document<'t> {
    text: &'t str,
    chunk: Range<usize>,
}

impl Document<'_> {
    /// Splits findings in the document as [`with_expected_result`] does.
    fn split<'f>(
        &self,
        mut batch: Vec<&'f LocatedFinding>,
    ) -> (Vec<&'f LocatedFinding>, Vec<&'f LocatedFinding>) {
        if self.is_expected(&batch) {
            return (batch, Vec::new());
        }
        if batch.len() == 1 {
            return (Vec::new(), batch);
        }
        let second = batch.split_off(batch.len() / 2);
        let ((mut expected, mut unexpected), (more, more_unexpected)) =
            (self.split(batch), self.split(second));
        unexpected.extend(more_unexpected);
        let first = expected.len();
        expected.extend(more);
        if first > 0 && first < expected.len() && !self.is_expected(&expected) {
            expected.truncate(first);
        }
        (expected, unexpected)
    }

    /// Checks whether the document is valid with the fixes of these findings, and differs from the
    /// original in exactly the fields that the fixes edit.
    fn is_expected(&self, fixed: &[&LocatedFinding]) -> bool {
        let fixes = || fixed.iter().filter_map(|located| Some((located, located.applicable_fix()?)));
        let own = |edit: &TextEdit| {
            let range = &edit.range;
            let is_inside = self.chunk.start <= range.start && range.end <= self.chunk.end;
            let range = range.start.wrapping_sub(self.chunk.start)..range.end.wrapping_sub(self.chunk.start);
            is_inside.then(|| TextEdit::replace(range, edit.text.clone()))
        };
        let text_edits = fixes().flat_map(|(_, (_, edits))| edits).map(own).collect::<Option<Vec<_>>>();
        let Some(text_edits) = text_edits else { return false };
        let after = apply(&self.text[self.chunk.clone()], &text_edits);
        let edits = fixes()
            .filter_map(|(located, (fix, _))| Some((located.object.as_ref()?.start, fix.edits.as_slice())));
        expected(self.text, self.chunk.clone(), &edits.collect::<Vec<_>>())
            .is_some_and(|expected| values(&after).is_some_and(|actual| actual == expected))
    }
}

/// Returns the documents in a chunk, with the edits. The edits are about the objects that start at
/// these offsets. Returns `None` if a document or an object cannot be read.
fn expected(text: &str, chunk: Range<usize>, edits: &[(usize, &[Edit])]) -> Option<Vec<Value>> {
    let trees = trees(text, chunk)?;
    let mut applied = 0;
    let mut documents = Vec::with_capacity(trees.len());
    for tree in &trees {
        let mut value: Value = decode(tree, tree.root()).ok()?;
        let mut removed: Vec<FieldPath> = Vec::new();
        for (start, edits) in edits {
            let Some(object) = path_to(tree, tree.root(), *start) else { continue };
            applied += 1;
            for edit in *edits {
                match edit {
                    Edit::Set(path, new) => *field(&mut value, &object.join(path))? = json(new),
                    Edit::Rename(path, key) => rename(&mut value, &object.join(path), key)?,
                    Edit::Remove(path) => removed.push(object.join(path)),
                }
            }
        }
        // Remove the last items first, so that the indices of the other ones do not change.
        removed.sort_by(|a, b| b.cmp(a));
        removed.dedup();
        for path in removed {
            remove(&mut value, &path)?;
        }
        documents.push(value);
    }
    (applied == edits.len()).then_some(documents)
}

/// Returns the documents in the text of a chunk, or `None` if one of them cannot be read.
fn values(text: &str) -> Option<Vec<Value>> {
    trees(text, 0..text.len())?.iter().map(|tree| decode(tree, tree.root()).ok()).collect()
}

fn trees(text: &str, chunk: Range<usize>) -> Option<Vec<Tree<'_>>> {
    if text[chunk.clone()].trim_start().starts_with('{')
        && let Ok(trees) = parse_json(text, chunk.clone())
    {
        return Some(trees);
    }
    parse(text, chunk).ok().map(|tree| tree.into_iter().collect())
}

/// Returns the path from `node` to the outermost mapping that starts at the offset `start`.
fn path_to(tree: &Tree<'_>, node: NodeId, start: usize) -> Option<FieldPath> {
    let range = tree.range(node);
    if !range.contains(&start) || tree.target(node) != node {
        return None;
    }
    let inner = |segment: Segment, child: NodeId| {
        let rest = path_to(tree, child, start)?;
        Some(FieldPath::root().with(segment).join(&rest))
    };
    match tree.view(node) {
        View::Mapping if range.start == start => Some(FieldPath::root()),
        View::Mapping => tree.written_entries(node).iter().find_map(|entry| {
            let key = tree.key(entry.key).into_owned();
            inner(Segment::Key(key.into()), entry.value)
        }),
        View::Sequence(items) => {
            items.iter().enumerate().find_map(|(index, item)| inner(Segment::Index(index), *item))
        }
        View::Scalar(_) => None,
    }
}

fn json(value: &EditValue) -> Value {
    match value {
        EditValue::Str(text) => Value::String(text.clone()),
        EditValue::Bool(value) => Value::Bool(*value),
        EditValue::EmptyMapping => Value::Object(Map::new()),
    }
}

/// Returns the value at a path. Creates missing mappings, and the value itself as null. Returns
/// `None` if there is another value on the way.
fn field<'v>(value: &'v mut Value, path: &FieldPath) -> Option<&'v mut Value> {
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            Some(value.as_object_mut()?.entry(&**key).or_insert(Value::Null))
        }
        Segment::Index(index) => value.get_mut(index),
    })
}

fn rename(value: &mut Value, path: &FieldPath, new: &str) -> Option<()> {
    let Some(Segment::Key(old)) = path.segments().last() else { return None };
    let mapping = field(value, &path.parent()?)?.as_object_mut()?;
    let renamed = mapping.remove(&**old)?;
    mapping.insert(new.to_owned(), renamed);
    Some(())
}

/// Removes an entry of a mapping or an item of a list. Removes a list with its last item.
fn remove(value: &mut Value, path: &FieldPath) -> Option<()> {
    let parent_path = path.parent()?;
    let parent = field(value, &parent_path)?;
    match path.segments().last()? {
        Segment::Key(key) => parent.as_object_mut()?.remove(&**key).map(|_| ()),
        Segment::Index(index) => {
            let items = parent.as_array_mut()?;
            (*index < items.len()).then(|| items.remove(*index))?;
            if items.is_empty() { remove(value, &parent_path) } else { Some(()) }
        }
    }
}
