//! Comments and annotations in manifests.

use std::collections::BTreeMap;

use crate::finding::{Fingerprint, RuleId};
use crate::lint::LocatedFinding;
use crate::source::edit::{Addition, TextEdit, line_start, quoted};
use crate::source::{File, NodeId, Tree, View, parse, parse_json, split_documents};

/// A finding, and the reason why it cannot be suppressed in its manifest.
type Refusal<'f> = (&'f LocatedFinding, String);

/// Returns the edits that add comments for the findings, which are in this file.
pub(super) fn comments<'f>(
    file: &File,
    findings: &[&'f LocatedFinding],
    reason: &str,
    refused: &mut Vec<Refusal<'f>>,
) -> Vec<TextEdit> {
    let text = file.text();
    let mut rules_by_line: BTreeMap<usize, Vec<RuleId>> = BTreeMap::new();
    for &located in findings {
        match line_for_comment(file, located) {
            Ok(at) => rules_by_line.entry(at).or_default().push(located.finding.rule),
            Err(problem) => refused.push((located, problem)),
        }
    }
    let lines = rules_by_line.into_iter().map(|(at, mut rules)| {
        rules.sort_unstable();
        rules.dedup();
        let rules: Vec<_> = rules.iter().map(|rule| rule.as_str()).collect();
        let line = &text[at..];
        let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
        let comment = format!("{indent}# volcheck: ignore[{}] -- {reason}", rules.join(", "));
        TextEdit::insert_lines(text, at, &[comment])
    });
    lines.collect()
}

/// Returns the start of the line above which a comment suppresses the finding.
fn line_for_comment(file: &File, located: &LocatedFinding) -> Result<usize, String> {
    let text = file.text();
    let Some(primary) = located.location.primary else {
        return Err("the finding is about the whole file".to_owned());
    };
    let at = line_start(text, primary.start.offset);
    with_tree(file, primary.start.offset, |tree, is_json| {
        if is_json {
            return Err("JSON has no comments".to_owned());
        }
        // A scalar that starts on the line may have a comment above it.
        let is_inside = at > 0 && tree.is_in_scalar(at) && tree.is_in_scalar(at - 1);
        if is_inside { Err("the location is inside a string".to_owned()) } else { Ok(at) }
    })
}

/// Calls `f` with the document that contains `offset`, and with true if it is JSON.
fn with_tree<T>(
    file: &File,
    offset: usize,
    f: impl FnOnce(&Tree<'_>, bool) -> Result<T, String>,
) -> Result<T, String> {
    let text = file.text();
    let chunks = split_documents(text);
    let index = chunks.partition_point(|chunk| chunk.range.start <= offset).saturating_sub(1);
    let chunk = chunks.get(index).map_or(0..text.len(), |chunk| chunk.range.clone());
    if text[chunk.clone()].trim_start().starts_with('{')
        && let Ok(trees) = parse_json(text, chunk.clone())
    {
        let tree = trees.iter().find(|tree| tree.range(tree.root()).contains(&offset));
        return tree.map_or_else(|| Err("the object was not found".to_owned()), |tree| f(tree, true));
    }
    match parse(text, chunk) {
        Ok(Some(tree)) => f(&tree, false),
        _ => Err("the document cannot be parsed".to_owned()),
    }
}

/// Returns the edits that add annotations for the findings, which are in this file.
pub(super) fn annotations<'f>(
    file: &File,
    findings: &[&'f LocatedFinding],
    reason: &str,
    refused: &mut Vec<Refusal<'f>>,
) -> Vec<TextEdit> {
    let mut by_object: BTreeMap<usize, BTreeMap<RuleId, Vec<&'f LocatedFinding>>> = BTreeMap::new();
    for &located in findings {
        match &located.object {
            Some(object) => {
                let rules = by_object.entry(object.start).or_default();
                rules.entry(located.finding.rule).or_default().push(located);
            }
            None => refused.push((located, "annotations apply only to findings about objects".to_owned())),
        }
    }
    let mut edits = Vec::new();
    for (start, rules) in by_object {
        let added = with_tree(file, start, |tree, _| {
            let object = find(tree, tree.root(), start).ok_or("the object is in a string")?;
            let metadata = tree.get(object, "metadata").ok_or("the object has no metadata")?;
            let existing = tree.get(metadata, "annotations");
            let is_annotated =
                |rule: RuleId| existing.is_some_and(|node| tree.get(node, &key(rule)).is_some());
            let (clashing, free) = rules.iter().partition::<Vec<_>, _>(|(rule, _)| is_annotated(**rule));
            let items: Vec<_> =
                free.into_iter().map(|(rule, found)| (key(*rule), value(found, reason))).collect();
            let addition = Addition {
                key: "annotations",
                is_mapping: true,
                lines: items.iter().map(|(key, value)| format!("{key}: {}", quoted(value))).collect(),
                flow: items
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)))
                    .collect(),
            };
            let edits = match items.is_empty() {
                true => Vec::new(),
                false => addition.edits(file.text(), tree, metadata, None)?,
            };
            for (rule, found) in clashing {
                let problem = format!("the object already has the annotation `{}`", key(*rule));
                refused.extend(found.iter().map(|located| (*located, problem.clone())));
            }
            Ok(edits)
        });
        match added {
            Ok(added) => edits.extend(added),
            Err(problem) => {
                let found = rules.into_values().flatten();
                refused.extend(found.map(|located| (located, problem.clone())));
            }
        }
    }
    edits
}

fn key(rule: RuleId) -> String {
    format!("ignore.volcheck.io/{rule}")
}

/// Returns the value of an annotation for findings of the same rule and object. It is limited to
/// the volume and the container that all of them have in common.
fn value(findings: &[&LocatedFinding], reason: &str) -> String {
    let shared = |field: fn(&Fingerprint) -> &String| {
        let mut values = findings.iter().map(|located| field(&located.finding.fingerprint));
        let first = values.next().filter(|first| !first.is_empty())?;
        let is_word = !first.contains(char::is_whitespace);
        (is_word && values.all(|value| value == first)).then_some(first)
    };
    let volume = shared(|fingerprint| &fingerprint.volume).map(|name| format!("volume={name}"));
    let container = shared(|fingerprint| &fingerprint.container).map(|name| format!("container={name}"));
    let words: Vec<_> = volume.into_iter().chain(container).collect();
    match words.is_empty() {
        false => format!("{} -- {reason}", words.join(" ")),
        true if reason.contains("--")
            || reason.split_whitespace().next().is_some_and(|word| word.contains('=')) =>
        {
            format!("-- {reason}")
        }
        true => reason.to_owned(),
    }
}

/// Returns the outermost mapping that starts at the offset `start`.
fn find(tree: &Tree<'_>, node: NodeId, start: usize) -> Option<NodeId> {
    if !tree.range(node).contains(&start) || tree.target(node) != node {
        return None;
    }
    match tree.view(node) {
        View::Mapping if tree.range(node).start == start => Some(node),
        View::Mapping => tree.written_entries(node).iter().find_map(|entry| find(tree, entry.value, start)),
        View::Sequence(items) => items.iter().find_map(|item| find(tree, *item, start)),
        View::Scalar(_) => None,
    }
}
