//! Events about reviews that denied an object, or would have denied it in mode `deny`.

use k8s_openapi::api::core::v1::ObjectReference;

use crate::admission::{Decision, Outcome};
use crate::cluster::{Event, EventRecorder};
use crate::finding::Severity;

/// The maximum number of findings in an Event.
const MAX_FINDINGS: usize = 5;

/// Records an Event if the request was denied, or if mode `deny` would have denied it. The Event is
/// about the controller that created the Pod, or about the Namespace if another user did. Dry runs,
/// and requests for cluster-scoped objects, have no Events.
pub(super) fn record(events: &EventRecorder, decision: &Decision) {
    let request = &decision.request;
    let is_denied = !decision.response.is_allowed();
    if request.dry_run || request.namespace.is_empty() || !(is_denied || !decision.would_deny.is_empty()) {
        return;
    }
    let (reason, verdict) = match is_denied {
        true => ("Denied", "denied"),
        false => ("WouldBeDenied", "admitted, but mode `deny` would deny it"),
    };
    let owner = decision.owner.as_ref();
    let mut regarding = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Namespace".to_owned()),
        namespace: Some(request.namespace.clone()),
        name: Some(request.namespace.clone()),
        ..ObjectReference::default()
    };
    if let Some(owner) = owner {
        regarding.api_version = Some(owner.api_version.clone());
        regarding.kind = Some(owner.kind.clone());
        regarding.name = Some(owner.name.clone());
        regarding.uid = Some(owner.uid.clone());
    }
    // The Pods of a controller have generated names. Without the name, Events about them are equal,
    // and are counted instead of repeated.
    let object = match owner {
        Some(_) => format!("{} of {} {}", request.kind, owner.kind, owner.name),
        None => format!("{} {}/{}", request.kind, request.namespace, request.name),
    };
    let note = format!("{object}: {verdict}: {}", problems(decision));
    events.record(Event { regarding, related: None, is_warning: true, reason, action: "Review", note });
}
