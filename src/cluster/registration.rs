//! What the API server is told to ask about: the chart says it, and volcheck, once it can answer, registers it with the
//! authority that is to be trusted.

use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The entries in a file, as a JSON list of `ValidatingWebhook`.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<ValidatingWebhook>> {
    let name = || file.display().to_string();
    let text = std::fs::read(file).with_context(name)?;
    serde_json::from_slice(&text).with_context(name)
}

/// The registration under `name`, with what is to be trusted in PEM.
pub(super) fn of(
    name: &str,
    mut entries: Vec<ValidatingWebhook>,
    bundle: &str,
) -> ValidatingWebhookConfiguration {
    for entry in &mut entries {
        entry.client_config.ca_bundle = Some(ByteString(bundle.into()));
    }
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        webhooks: Some(entries),
    }
}

/// Whether all entries are registered with this bundle.
pub(super) fn trusts(registered: &ValidatingWebhookConfiguration, bundle: &str) -> bool {
    let entries = registered.webhooks.as_deref().unwrap_or_default();
    let is_it = |bytes: &ByteString| bytes.0 == bundle.as_bytes();
    !entries.is_empty()
        && entries.iter().all(|entry| entry.client_config.ca_bundle.as_ref().is_some_and(is_it))
}
