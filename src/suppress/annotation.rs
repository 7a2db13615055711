//! Annotations that suppress findings: `ignore.volcheck.io/<rule>: "reason"` on an object or on
//! its pod template. A value such as `"volume=data container=app -- reason"` limits the ignore to a
//! volume and a container.

use super::{Ignore, IgnoreSet, Scope};
use crate::finding::SuppressedBy;
use crate::model::{FieldPath, Object, did_you_mean};
use crate::rules::{IgnoreProblemKind, MalformedIgnore, Registry};
use crate::source::{MappingEntry, NodeId, Tree, find_node};

const PREFIX: &str = "ignore.volcheck.io/";

/// Adds the ignores in the annotations of `object`, and the problems in them, to `set`. The object
/// is at the node `root` of `tree`.
pub fn annotations(
    tree: &Tree<'_>,
    root: NodeId,
    object: &Object<'_>,
    registry: Registry,
    set: &mut IgnoreSet,
) {
    let mut parts = vec![FieldPath::root()];
    // The metadata of a pod template is next to its spec.
    parts.extend(object.pods().iter().filter_map(|pod| pod.path.parent()));
    parts.sort();
    parts.dedup();
    for part in parts {
        let metadata = find_node(tree, root, &part).and_then(|node| tree.get(node, "metadata"));
        let Some(annotations) = metadata.and_then(|node| tree.get(node, "annotations")) else { continue };
        for &MappingEntry { key, value } in tree.entries(annotations).iter() {
            let Some(name) = tree.key(key).strip_prefix(PREFIX).map(str::to_owned) else { continue };
            let Some(text) = tree.as_str(value) else { continue };
            let range = tree.range(key);
            let Some(rule) = set.rule(&name, range.clone(), registry) else { continue };
            match parse(&text) {
                Ok(Value { volume, container, reason }) => {
                    let by = SuppressedBy::Annotation;
                    if reason.is_empty() {
                        set.report(IgnoreProblemKind::NoReason(by), range.clone());
                    }
                    let scope =
                        Scope::Object { object: tree.range(root), path: part.clone(), volume, container };
                    let rules = vec![(rule, range.into())];
                    set.add(Ignore { rules, scope, reason: reason.to_owned(), by });
                }
                Err(malformed) => set.report_malformed(malformed, range),
            }
        }
    }
}

/// The parsed value of an annotation.
struct Value<'t> {
    volume: Option<String>,
    container: Option<String>,
    reason: &'t str,
}

/// Parses the value of an annotation: an optional volume, an optional container, and the reason,
/// which may be empty. Returns an error if a word before the reason is not of the form `KEY=VALUE`,
/// if its key is unknown or repeated, or if its value is empty.
fn parse(text: &str) -> Result<Value<'_>, MalformedIgnore> {
    let mut dashes = text.match_indices("--").map(|(at, _)| at);
    let separator = dashes.find(|at| text[..*at].chars().next_back().is_none_or(char::is_whitespace));
    let (words, reason) = match separator {
        Some(at) => (&text[..at], text[at + 2..].trim()),
        // A value such as `volume=data` has no reason. In `volume=data is needed`, the words before
        // the reason are unclear, so parsing fails at the first word without `=`.
        None if text.split_whitespace().next().is_none_or(|word| word.contains('=')) => (text, ""),
        None => ("", text.trim()),
    };
    let (mut volume, mut container) = (None, None);
    for word in words.split_whitespace() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| MalformedIgnore::UnknownWord(word.to_owned()))?;
        let slot = match key {
            "volume" => &mut volume,
            "container" => &mut container,
            _ => {
                let suggestion = did_you_mean(key, ["volume", "container"].into_iter());
                return Err(MalformedIgnore::UnknownKey { key: key.to_owned(), suggestion });
            }
        };
        if value.is_empty() || slot.replace(value.to_owned()).is_some() {
            return Err(MalformedIgnore::RepeatedOrEmptyKey(key.to_owned()));
        }
    }
    Ok(Value { volume, container, reason })
}
