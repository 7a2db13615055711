//! Checks of parts of pod specs that an object contains as strings, such as Argo's `podSpecPatch`.
//! Such a part is checked as a partial pod.

use std::borrow::Cow;

use crate::engine::{CheckResult, judge};
use crate::model::{self, Body, FieldPath, Map, Object, Origin, Part, Pod, PodSpec};
use crate::policy::{Date, Policy};
use crate::rules::Subject;
use crate::source::{self, NodeRef, Tree, decode};

/// Checks the patch `text`, which is at `path` in the object `parent`. Returns the error message if
/// the patch cannot be parsed. If the patch contains expressions, a parse failure is not an error,
/// because only the workflow engine knows the final text.
pub(super) fn check(
    policy: &Policy,
    today: Date,
    parent: &Object<'_>,
    path: &FieldPath,
    text: &str,
) -> Result<CheckResult, String> {
    let text = without_expressions(text);
    let result = match source::parse(&text, 0..text.len()) {
        Ok(Some(tree)) => check_tree(policy, today, parent, path, &tree),
        Ok(None) => Ok(CheckResult::default()),
        Err(error) => Err(error.to_string()),
    };
    let has_expressions = matches!(text, Cow::Owned(_));
    result.or_else(|error| if has_expressions { Ok(CheckResult::default()) } else { Err(error) })
}

fn check_tree(
    policy: &Policy,
    today: Date,
    parent: &Object<'_>,
    path: &FieldPath,
    tree: &Tree<'_>,
) -> Result<CheckResult, String> {
    let spec: PodSpec<'_> = decode(tree, tree.root()).map_err(|error| error.to_string())?;
    let mut pod = Pod::new(FieldPath::root(), spec);
    (pod.is_complete, pod.is_heuristic) = (false, true);
    let body = Body::Pods(vec![pod]);
    let (id, workload) = (parent.id.clone(), parent.workload.clone());
    let object = Object { id, workload, origin: Origin::Manifest, annotations: Map::default(), body };
    Ok(check_at(policy, today, &object, path))
}

/// Returns the volumes and mounts that Istio adds to a pod, with the annotation that contains them.
/// The values are lists or mappings in JSON.
///
/// Source: <https://istio.io/latest/docs/reference/config/annotations/#SidecarUserVolume>
pub(super) fn istio_volumes(pod: &Pod<'_>) -> Option<(FieldPath, String)> {
    const VOLUMES: &str = "sidecar.istio.io/userVolume";
    let volumes = pod.annotations.get(VOLUMES)?;
    let mounts = pod.annotations.get("sidecar.istio.io/userVolumeMount").map_or("[]", |mounts| &**mounts);
    let text = format!("{{\"userVolumes\": {volumes}, \"userVolumeMounts\": {mounts}}}");
    Some((pod.annotations_path.key(VOLUMES), text))
}

/// Checks volumes and mounts in a part of `parent`. `text` is the part as YAML or JSON, and `path`
/// is the field that contains it. Returns `None` if the text is invalid or exceeds a limit.
pub(super) fn check_part(
    policy: &Policy,
    today: Date,
    parent: &Object<'_>,
    path: &FieldPath,
    text: &str,
) -> Option<CheckResult> {
    let tree = source::parse(text, 0..text.len()).ok()??;
    let node = NodeRef { tree: &tree, node: tree.root() };
    let decoded = model::decode_part(node, parent, Part::Fields(None)).ok()?;
    Some(check_at(policy, today, &decoded.object, path))
}

/// Returns the findings about an object that is a string, located at the field that contains it.
fn check_at(policy: &Policy, today: Date, object: &Object<'_>, path: &FieldPath) -> CheckResult {
    let mut result = judge(Subject::Object(object), policy, today);
    for finding in result.findings.iter_mut().chain(result.exempted.iter_mut().map(|(finding, _)| finding)) {
        // The locations of fields within the string are unknown.
        finding.primary.path.clone_from(path);
        finding.related.clear();
        finding.fix = None;
    }
    result
}

/// Returns the text with each expression (`{{…}}`) replaced by `0`. The workflow engine evaluates
/// expressions only when the workflow runs.
fn without_expressions(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, expression)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((_, after)) = expression.split_once("}}") else {
            rest = expression;
            break;
        };
        out.push('0');
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}
