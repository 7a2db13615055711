//! Checks of strings that contain parts of pod specs, such as `podSpecPatch` of Argo Workflows.
//! Each part is checked as an incomplete pod.

use crate::engine::{CheckResult, judge};
use crate::model::{self, FieldErrorKind, FieldPath, Object, Part, Pod};
use crate::policy::{Date, Policy};
use crate::rules::Subject;
use crate::source::{self, NodeId, NodeRef, ParseError};

/// The maximum number of times that a patch is decoded. After each failure, one field whose value
/// is an expression is treated as absent.
const MAX_EXPRESSIONS: usize = 16;

/// The result of checking a string.
#[derive(Default)]
pub(super) struct CheckedPart {
    pub(super) result: CheckResult,
    /// Whether fields in the string may contain host paths, but were not checked.
    pub(super) has_unknown_host_paths: bool,
}

/// The reason why a patch could not be checked.
pub(super) enum PatchError {
    /// The text contains expressions that only the workflow engine can evaluate.
    Template,
    /// The patch exceeds a limit.
    TooLarge(FieldErrorKind),
    /// The patch is not valid.
    Invalid(String),
}

/// Checks the patch `text`, which is at `path` in the object `parent`. If the value of a field is
/// an expression (`{{…}}`) and the field must not be a string, the field counts as absent.
pub(super) fn check(
    policy: &Policy,
    today: Date,
    parent: &Object<'_>,
    path: &FieldPath,
    text: &str,
) -> Result<CheckedPart, PatchError> {
    let replaced = without_expressions(text);
    // Parse the original text first, because expressions in quotes are valid YAML.
    let parsed = source::parse(text, 0..text.len()).or_else(|error| match &replaced {
        Some(text) => source::parse(text, 0..text.len()).map_err(|_| PatchError::Template),
        None => Err(PatchError::Invalid(error.to_string())),
    });
    let Some(tree) = parsed? else { return Ok(CheckedPart::default()) };
    for _ in 0..=MAX_EXPRESSIONS {
        let node = NodeRef { tree: &tree, node: tree.root() };
        let error = match model::decode_part(node, parent, Part::PodSpec) {
            Ok(decoded) => {
                let has_unknown_host_paths = !decoded.unknown_host_paths.is_empty();
                let result = check_at(policy, today, &decoded.object, path);
                return Ok(CheckedPart { result, has_unknown_host_paths });
            }
            Err(error) => error,
        };
        if matches!(error.kind, FieldErrorKind::TooLarge(_)) {
            return Err(PatchError::TooLarge(error.kind));
        }
        let field = source::find_node(&tree, tree.root(), &error.path);
        let is_expression =
            |field: &NodeId| tree.as_str(*field).is_some_and(|text| model::placeholder(&text).is_some());
        match field.filter(is_expression) {
            Some(field) if field != tree.root() => tree.set_null(field),
            Some(_) => return Err(PatchError::Template),
            None => return Err(PatchError::Invalid(error.to_string())),
        }
    }
    Err(PatchError::Template)
}

/// The annotations of a pod that contain volumes and mounts, which Istio adds to the pod. The
/// values are lists or mappings in JSON.
///
/// Source: <https://istio.io/latest/docs/reference/config/annotations/#SidecarUserVolume>
pub(super) struct IstioAnnotations<'p> {
    path: &'p FieldPath,
    volumes: &'p str,
    mounts: &'p str,
}

impl<'p> IstioAnnotations<'p> {
    const VOLUMES: &'static str = "sidecar.istio.io/userVolume";
    const MOUNTS: &'static str = "sidecar.istio.io/userVolumeMount";

    /// Returns the annotations of `pod`, or `None` if Istio adds no volumes.
    pub(super) fn new(pod: &'p Pod<'_>) -> Option<Self> {
        let volumes = pod.annotations.get(Self::VOLUMES)?;
        let mounts = pod.annotations.get(Self::MOUNTS).map_or("[]", |mounts| &**mounts);
        Some(Self { path: &pod.annotations_path, volumes, mounts })
    }

    /// Returns the annotations that are not valid YAML, each with its path, its value and the
    /// error.
    pub(super) fn invalid(&self) -> Vec<(FieldPath, &'p str, ParseError)> {
        let annotations = [(Self::VOLUMES, self.volumes), (Self::MOUNTS, self.mounts)].into_iter();
        let invalid = annotations.filter_map(|(key, text)| Some((key, text, parse_error(text)?)));
        invalid.map(|(key, text, error)| (self.path.key(key), text, error)).collect()
    }

    /// Returns the path of the annotation with the volumes, and a YAML mapping with the values of
    /// both annotations. Replaces invalid mounts with an empty list. Returns `None` if the volumes
    /// are invalid.
    pub(super) fn valid(&self) -> Option<(FieldPath, String)> {
        if parse_error(self.volumes).is_some() {
            return None;
        }
        let mounts = if parse_error(self.mounts).is_some() { "[]" } else { self.mounts };
        let text = format!("{{\"userVolumes\": {}, \"userVolumeMounts\": {mounts}}}", self.volumes);
        Some((self.path.key(Self::VOLUMES), text))
    }
}

fn parse_error(text: &str) -> Option<ParseError> {
    source::parse(text, 0..text.len()).err()
}

/// Checks volumes and mounts in a part of `parent`. `text` is the part as YAML or JSON, and `path`
/// is the field that contains it. Returns `None` if the text is invalid or exceeds a limit.
pub(super) fn check_part(
    policy: &Policy,
    today: Date,
    parent: &Object<'_>,
    path: &FieldPath,
    text: &str,
) -> Option<CheckedPart> {
    let tree = source::parse(text, 0..text.len()).ok()??;
    let node = NodeRef { tree: &tree, node: tree.root() };
    let decoded = model::decode_part(node, parent, Part::Fields(None)).ok()?;
    let has_unknown_host_paths = !decoded.unknown_host_paths.is_empty();
    Some(CheckedPart { result: check_at(policy, today, &decoded.object, path), has_unknown_host_paths })
}

/// Checks an object that was decoded from a string. Locates all findings at `path`, the field that
/// contains the string.
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

/// Returns the text with each expression (`{{…}}`) replaced by a placeholder that is valid YAML, or
/// `None` if there is no expression. The workflow engine evaluates expressions only when the
/// workflow runs.
fn without_expressions(text: &str) -> Option<String> {
    if !text.contains("{{") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, expression)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((_, after)) = expression.split_once("}}") else {
            rest = expression;
            break;
        };
        out.push_str("$(expression)");
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
