//! Patches of pod specs that stand in an object as text: read and judged like a pod spec, as a part of one.

use std::borrow::Cow;

use crate::engine::{Judged, judge};
use crate::model::{Body, FieldPath, Object, Origin, Pod, PodSpec};
use crate::policy::{Date, Policy};
use crate::source::{self, decode};

/// What is found in the patch `text`, which stands at `path` of the object `whole`; or why it can't be judged.
pub(super) fn judged(
    policy: &Policy,
    today: Date,
    whole: &Object<'_>,
    path: &FieldPath,
    text: &str,
) -> Result<Judged, String> {
    let text = without_values(text);
    let tree = match source::parse(&text, 0..text.len()) {
        Ok(Some(tree)) => tree,
        Ok(None) => return Ok(Judged::default()),
        Err(error) => return Err(error.to_string()),
    };
    let spec: PodSpec<'_> = decode(&tree, tree.root()).map_err(|error| error.to_string())?;
    let mut pod = Pod::new(FieldPath::root(), spec);
    (pod.is_whole, pod.is_heuristic) = (false, true);
    let body = Body::Pods(vec![pod]);
    let (id, workload) = (whole.id.clone(), whole.workload.clone());
    let object = Object { id, workload, origin: Origin::Manifest, body };
    let mut judged = judge(&object, policy, today);
    for finding in judged.findings.iter_mut().chain(judged.exempted.iter_mut().map(|(finding, _)| finding)) {
        // The text has no places of its own.
        finding.primary.path.clone_from(path);
        finding.related.clear();
        finding.fix = None;
    }
    Ok(judged)
}

/// The text with its `{{…}}` as 0: what stands there is known when the workflow runs.
fn without_values(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, value)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((_, after)) = value.split_once("}}") else {
            rest = value;
            break;
        };
        out.push('0');
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}
