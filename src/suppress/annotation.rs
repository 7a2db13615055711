//! `ignore.volcheck.io/<rule>: "reason"`, on an object or on its pod template; `"volume=data container=app --
//! reason"` narrows it.

use super::{Ignore, Mistake, Scope, malformed, named, narrowing_keys, without_reason};
use crate::finding::SuppressedBy;
use crate::model::{FieldPath, Object};
use crate::source::{MappingEntry, NodeId, Tree, find_node};

const PREFIX: &str = "ignore.volcheck.io/";

/// The ignores that the annotations of `object` are, which is the node `root` of `tree`; and what is wrong with
/// them.
pub fn annotations(tree: &Tree<'_>, root: NodeId, object: &Object<'_>) -> (Vec<Ignore>, Vec<Mistake>) {
    let (mut ignores, mut mistakes) = (Vec::new(), Vec::new());
    let mut parts = vec![FieldPath::root()];
    // A template: its metadata stand beside its spec.
    parts.extend(object.pods().iter().filter_map(|pod| pod.path.parent()));
    parts.sort();
    parts.dedup();
    for part in parts {
        let metadata = find_node(tree, root, &part).and_then(|node| tree.get(node, "metadata"));
        let Some(annotations) = metadata.and_then(|node| tree.get(node, "annotations")) else { continue };
        for &MappingEntry { key, value } in tree.entries(annotations).iter() {
            let Some(rule) = tree.key(key).strip_prefix(PREFIX).map(str::to_owned) else { continue };
            let Some(text) = tree.as_str(value) else { continue };
            let place = tree.range(key);
            let Some(id) = named(&rule, &place, &mut mistakes) else { continue };
            match narrowed(&text) {
                Ok((volume, container, reason)) => {
                    if reason.is_empty() {
                        mistakes.push(without_reason(SuppressedBy::Annotation.noun(), place.clone()));
                    }
                    let scope = Scope::Part { path: part.clone(), volume, container };
                    let (reason, by) = (reason.to_owned(), SuppressedBy::Annotation);
                    ignores.push(Ignore { rules: vec![(id, place.clone())], scope, reason, by, place });
                }
                Err(message) => mistakes.push(malformed(message, place)),
            }
        }
    }
    (ignores, mistakes)
}

/// The volume and the container that a text names, and its reason.
fn narrowed(text: &str) -> Result<(Option<String>, Option<String>, &str), String> {
    let (words, reason) = match text.split_once("--") {
        Some((words, reason)) => (words, reason.trim()),
        // Without a reason there may be a narrowing still.
        None if text.split_whitespace().all(|word| word.contains('=')) => (text, ""),
        None => ("", text.trim()),
    };
    let (mut volume, mut container) = (None, None);
    for word in words.split_whitespace() {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` is no `volume=NAME` or `container=NAME`"))?;
        let slot = match key {
            "volume" => &mut volume,
            "container" => &mut container,
            _ => return Err(format!("unknown key `{key}`{}", narrowing_keys(key))),
        };
        if value.is_empty() || slot.replace(value.to_owned()).is_some() {
            return Err(format!("`{key}` is empty or stands twice"));
        }
    }
    Ok((volume, container, reason))
}
