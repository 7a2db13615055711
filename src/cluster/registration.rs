//! What the API server is told to ask about: the chart says it, in an annotation of the registration, and volcheck, once it
//! can answer, registers it with the authority that is to be trusted.

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};

/// The annotation: a JSON list of `ValidatingWebhook`. In the object itself, so that all replicas see the same.
pub const ENTRIES: &str = "volcheck.io/entries";

/// The entries that are to be registered, with what is to be trusted in PEM.
pub(super) fn wanted(
    registered: &ValidatingWebhookConfiguration,
    bundle: &str,
) -> anyhow::Result<Vec<ValidatingWebhook>> {
    let annotations = registered.metadata.annotations.as_ref();
    let text = annotations.and_then(|annotations| annotations.get(ENTRIES)).with_context(|| {
        format!("no annotation {ENTRIES}: what is registered is somebody else's, and is left alone")
    })?;
    let mut entries: Vec<ValidatingWebhook> = serde_json::from_str(text).context(ENTRIES)?;
    for entry in &mut entries {
        entry.client_config.ca_bundle = Some(ByteString(bundle.into()));
    }
    Ok(entries)
}

/// Whether all entries are registered with this bundle.
pub(super) fn trusts(registered: &ValidatingWebhookConfiguration, bundle: &str) -> bool {
    let entries = registered.webhooks.as_deref().unwrap_or_default();
    let is_it = |bytes: &ByteString| bytes.0 == bundle.as_bytes();
    !entries.is_empty()
        && entries.iter().all(|entry| entry.client_config.ca_bundle.as_ref().is_some_and(is_it))
}
