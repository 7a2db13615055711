//! The verdict of the webhook on the objects of a manifest.

use serde_json::{Value, json};

use super::{ExpectedVerdict, Verdict};
use crate::admission::{self, Decision, Endpoint, Outcome, ReviewContext, join_severities};
use crate::model::printable;
use crate::policy::{Date, Policy};
use crate::source::{decode, parse, parse_json, split_documents};

/// Returns the context of reviews. [`verdict`] sets the endpoint.
pub(super) fn context<'p>(policy: &'p Policy, policy_hash: &'p str, today: Date) -> ReviewContext<'p> {
    ReviewContext { policy, policy_hash, today, endpoint: Endpoint::Validate, message: None }
}

/// Returns the strictest verdict on the creation of the objects in `text`, and the object and the
/// rules that cause it. Returns an error if an object cannot be sent to the API server.
pub(super) fn verdict(
    text: &str,
    expected: &ExpectedVerdict,
    context: &ReviewContext<'_>,
) -> Result<(Verdict, String), String> {
    let mut strictest = (Verdict::Allow, String::new());
    for object in objects(text)? {
        let request = Request::new(&object, &context.policy.namespace)?;
        let context = ReviewContext { endpoint: request.endpoint(expected.is_strict), ..*context };
        let decision = admission::review(&request.review(expected), &context)
            .map_err(|error| format!("{} {}: {error}", request.kind, request.name))?;
        let verdict = verdict_of(&decision);
        if verdict > strictest.0 {
            let causes = match decision.outcome {
                Outcome::Error => "could not be checked".to_owned(),
                _ => join_severities(&decision.findings),
            };
            let cause = format!(" ({} {}: {causes})", request.kind, request.name);
            strictest = (verdict, printable(&cause).into_owned());
        }
    }
    Ok(strictest)
}

fn verdict_of(decision: &Decision) -> Verdict {
    match decision.response.is_allowed() {
        false => Verdict::Deny,
        true if decision.response.warnings().is_empty() => Verdict::Allow,
        true => Verdict::Warn,
    }
}

/// Returns the objects in a manifest, including the items of lists.
fn objects(text: &str) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for chunk in split_documents(text) {
        let trees = match text[chunk.range.clone()].trim_start().starts_with('{') {
            true => parse_json(text, chunk.range.clone()).ok(),
            false => None,
        };
        let trees = match trees {
            Some(trees) => trees,
            None => parse(text, chunk.range).map_err(|error| error.to_string())?.into_iter().collect(),
        };
        for tree in trees.iter().filter(|tree| !tree.is_null(tree.root())) {
            let object = decode(tree, tree.root()).map_err(|error| error.to_string())?;
            add_objects(object, &mut objects);
        }
    }
    Ok(objects)
}

fn add_objects(object: Value, objects: &mut Vec<Value>) {
    let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match object["items"].as_array() {
        Some(items) if is_list => items.iter().for_each(|item| add_objects(item.clone(), objects)),
        _ => objects.push(object),
    }
}

/// The request to create an object.
struct Request<'o> {
    object: &'o Value,
    group: &'o str,
    version: &'o str,
    kind: &'o str,
    namespace: &'o str,
    name: &'o str,
}

impl<'o> Request<'o> {
    fn new(object: &'o Value, default_namespace: &'o str) -> Result<Self, String> {
        let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str()) else {
            return Err("a document is not a Kubernetes object".to_owned());
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let metadata = |key: &str| object["metadata"][key].as_str().filter(|text| !text.is_empty());
        let namespace = match (group, kind) {
            ("", "PersistentVolume") | ("storage.k8s.io", "StorageClass") => "",
            _ => metadata("namespace").unwrap_or(default_namespace),
        };
        Ok(Self { object, group, version, kind, namespace, name: metadata("name").unwrap_or_default() })
    }

    /// Returns the endpoint to which the chart sends the object. `is_strict` means that its
    /// namespace has the label for mode `deny`.
    fn endpoint(&self, is_strict: bool) -> Endpoint {
        match (self.group, self.kind) {
            ("", "Pod") if is_strict => Endpoint::Strict,
            ("", "Pod" | "PersistentVolume") => Endpoint::Validate,
            _ => Endpoint::Advise,
        }
    }

    /// Returns the AdmissionReview of the request.
    fn review(&self, expected: &ExpectedVerdict) -> String {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "policy-test",
                "kind": { "group": self.group, "version": self.version, "kind": self.kind },
                "resource": {
                    "group": self.group,
                    "version": self.version,
                    "resource": self.kind.to_lowercase() + "s",
                },
                "namespace": self.namespace,
                "name": self.name,
                "operation": "CREATE",
                "userInfo": { "username": expected.user, "groups": expected.groups },
                "object": self.object,
            },
        });
        review.to_string()
    }
}
