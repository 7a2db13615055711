//! Probing Pods, with which `volcheck probe` checks that the API server enforces the verdicts of
//! the webhook.
//!
//! The endpoints that can deny Pods deny a probing Pod in every mode and with every policy. They do
//! so only in dry runs, which never create a Pod. The annotation therefore neither admits an object
//! that would be denied without it, nor prevents the creation of an object.

use serde::Deserialize;

use super::Endpoint;
use super::request::{AnnotatedMetadata, Request};
use super::response::shorten;
use crate::model::{Decode as _, nullable};

/// The annotation of probing Pods. Its value is a nonce, which the denial repeats.
pub const PROBE_ANNOTATION: &str = "volcheck.io/probe";

/// The start of the message that denies a probing Pod. The nonce follows, in backticks.
pub const PROBE_DENIAL: &str = "volcheck: probe";

/// Returns the nonce if the object of the request is a probing Pod. The endpoint `Advise` never
/// denies Pods, so it has no probing Pods.
pub(super) fn nonce(request: &Request<'_>, endpoint: Endpoint) -> Option<String> {
    let is_candidate = request.dry_run
        && endpoint != Endpoint::Advise
        && (&*request.operation, &*request.resource.resource, &*request.sub_resource)
            == ("CREATE", "pods", "");
    let object = request.object().filter(|_| is_candidate)?;
    let annotations = object.decode::<Probe<'_>>().ok()?.metadata.annotations;
    annotations.get(PROBE_ANNOTATION).map(|nonce| shorten(nonce))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Probe<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: AnnotatedMetadata<'a>,
}
