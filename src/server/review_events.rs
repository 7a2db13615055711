//! Events about reviews that denied an object, or would have denied it in mode `deny`.

use k8s_openapi::api::core::v1::ObjectReference;

use crate::admission::Decision;
use crate::cluster::{Event, EventRecorder};
use crate::finding::{Finding, Severity};

/// The maximum number of findings in an Event.
const MAX_FINDINGS: usize = 5;

/// The maximum length of a finding in an Event, in characters.
const MAX_FINDING_LEN: usize = 300;

/// Records an Event if the request was denied, or if mode `deny` would have denied it. The Event is
/// about the owner of the object, such as the ReplicaSet of a Pod, if [`Decision::owner`] is set.
/// Otherwise, it is about the Namespace. Dry runs, and requests for cluster-scoped objects, have no
/// Events.
pub(super) fn record(events: &EventRecorder, decision: &Decision) {
    let request = &decision.request;
    let is_denied = !decision.response.is_allowed();
    let is_relevant = is_denied || !decision.would_deny.is_empty();
    if request.dry_run || request.namespace.is_empty() || !is_relevant {
        return;
    }
    let (reason, verdict) = match is_denied {
        true => ("Denied", "denied"),
        false => ("WouldBeDenied", "admitted, but would be denied in mode `deny`"),
    };
    let namespace = &request.namespace;
    let id = decision.findings.first().and_then(|finding| finding.object.as_ref());
    // The Pods of one owner have generated names. Without these names, the Events about the Pods
    // are equal, and are counted instead of repeated.
    let (regarding, object) = match &decision.owner {
        Some(owner) => {
            let kind = id.map_or(&request.resource, |id| &id.kind);
            let object = format!("{kind} of {} {}", owner.kind, owner.name);
            (reference(namespace, &owner.api_version, &owner.kind, &owner.name, Some(&owner.uid)), object)
        }
        None => {
            let object =
                id.map_or_else(|| format!("{} {}", request.resource, request.name), ToString::to_string);
            (reference(namespace, "v1", "Namespace", namespace, None), object)
        }
    };
    let note = format!("volcheck: {object} {verdict}: {}", problems(decision));
    events.record(Event { regarding, related: None, is_warning: true, reason, action: "Review", note });
}

fn reference(
    namespace: &str,
    api_version: &str,
    kind: &str,
    name: &str,
    uid: Option<&str>,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: uid.map(str::to_owned),
        ..ObjectReference::default()
    }
}

/// Describes the reasons of the denial on one line.
fn problems(decision: &Decision) -> String {
    let errors = decision.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let (preexisting, new): (Vec<&Finding>, Vec<&Finding>) =
        errors.partition(|finding| decision.preexisting.contains(&finding.rule));
    // `Decision::preexisting` contains only rules, so new and pre-existing errors of such a rule
    // cannot be told apart. If there are no other errors, one of these is the reason.
    let reasons = if new.is_empty() { preexisting } else { new };
    let lines: Vec<String> = reasons
        .into_iter()
        .take(MAX_FINDINGS)
        .map(|finding| {
            let line = format!("[{}] {}: {}", finding.rule, finding.primary.path, finding.message);
            line.chars().take(MAX_FINDING_LEN).collect()
        })
        .collect();
    if lines.is_empty() { "the object could not be checked".to_owned() } else { lines.join("; ") }
}
