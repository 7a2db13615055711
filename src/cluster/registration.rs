//! The webhook entries to register. The chart writes them to an annotation of the
//! ValidatingWebhookConfiguration. volcheck adds its trust bundle to the entries and registers them
//! when the Service is reachable.

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};

/// The annotation with the entries, a JSON list of `ValidatingWebhook`. It is on the
/// ValidatingWebhookConfiguration itself, so that all replicas read the same entries.
pub const ENTRIES_ANNOTATION: &str = "volcheck.io/entries";

/// Returns the entries to register. Each of them contains the trust bundle `bundle`, in PEM.
/// Returns an error if the annotation is missing or invalid.
pub(super) fn desired_entries(
    registration: &ValidatingWebhookConfiguration,
    bundle: &str,
) -> anyhow::Result<Vec<ValidatingWebhook>> {
    let annotations = registration.metadata.annotations.as_ref();
    let text =
        annotations.and_then(|annotations| annotations.get(ENTRIES_ANNOTATION)).with_context(|| {
            format!("no annotation `{ENTRIES_ANNOTATION}`, so volcheck does not manage this registration")
        })?;
    let mut entries: Vec<ValidatingWebhook> = serde_json::from_str(text).context(ENTRIES_ANNOTATION)?;
    for entry in &mut entries {
        entry.client_config.ca_bundle = Some(ByteString(bundle.into()));
    }
    Ok(entries)
}

/// Checks whether the registration has entries and all of them contain the trust bundle `bundle`.
pub(super) fn has_bundle(registration: &ValidatingWebhookConfiguration, bundle: &str) -> bool {
    let entries = registration.webhooks.as_deref().unwrap_or_default();
    let is_equal = |bytes: &ByteString| bytes.0 == bundle.as_bytes();
    !entries.is_empty()
        && entries.iter().all(|entry| entry.client_config.ca_bundle.as_ref().is_some_and(is_equal))
}
