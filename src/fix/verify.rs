//! The check that edits change exactly the edited fields.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::finding::{Edit, EditValue};
use crate::lint::LocatedFinding;
use crate::model::{FieldPath, Segment};
use crate::source::{NodeId, Tree, View, decode, parse, parse_json, split_documents};

/// Checks whether `after` is valid and differs from `before` in exactly the fields that the fixes
/// of these findings edit.
pub(super) fn is_expected(before: &str, after: &str, fixed: &[&LocatedFinding]) -> bool {
    let (old, new) = (split_documents(before), split_documents(after));
    old.len() == new.len()
        && old.iter().zip(&new).all(|(old, new)| {
            let (old, new) = (old.range.clone(), new.range.clone());
            let is_here = |located: &&&LocatedFinding| {
                located.object.as_ref().is_some_and(|object| old.contains(&object.start))
            };
            let fixed: Vec<_> = fixed.iter().filter(is_here).collect();
            if fixed.is_empty() {
                return before[old] == after[new];
            }
            let edits = fixed.iter().filter_map(|located| {
                let fix = located.finding.fix.as_ref()?;
                Some((located.object.as_ref()?.start, fix.edits.as_slice()))
            });
            expected(before, old, &edits.collect::<Vec<_>>())
                .is_some_and(|expected| values(after, new).is_some_and(|actual| actual == expected))
        })
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

/// Returns the documents in a chunk, or `None` if one of them cannot be read.
fn values(text: &str, chunk: Range<usize>) -> Option<Vec<Value>> {
    trees(text, chunk)?.iter().map(|tree| decode(tree, tree.root()).ok()).collect()
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
