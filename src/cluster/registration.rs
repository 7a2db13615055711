//! The webhook entries to register. The chart writes them to a ConfigMap. volcheck adds its trust
//! bundle to the entries and registers them when the Service is reachable.
//!
//! Entries are kept as JSON. Two versions of volcheck that run at the same time, as during an
//! upgrade, therefore register identical entries, even if one of them does not know all fields.

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// The key of the ConfigMap with the entries, a JSON list of `ValidatingWebhook`. Users who can
/// change the registration, but no objects in volcheck's namespace, cannot change this list.
const ENTRIES_KEY: &str = "webhooks.json";

/// The entries of a registration.
pub type Entries = Vec<Value>;

/// Parses the entries to register.
///
/// # Errors
///
/// Returns an error if the text is not a JSON list, if the list is empty, or if an entry is not an
/// object with a `clientConfig`.
pub fn parse_entries(text: &str) -> anyhow::Result<Entries> {
    let entries: Entries = serde_json::from_str(text).context(ENTRIES_KEY)?;
    let is_complete = |entry: &Value| entry["clientConfig"].is_object();
    anyhow::ensure!(
        !entries.is_empty() && entries.iter().all(is_complete),
        "{ENTRIES_KEY}: expected webhooks with a `clientConfig`"
    );
    Ok(entries)
}

/// Returns the text of the entries in the ConfigMap. Returns an error if the ConfigMap has none.
pub(super) fn entries_text(config: &ConfigMap) -> anyhow::Result<&str> {
    let text = config.data.as_ref().and_then(|data| data.get(ENTRIES_KEY));
    let text = text.map(String::as_str);
    text.with_context(|| format!("no key `{ENTRIES_KEY}`, so volcheck does not manage the registration"))
}

/// Returns the entries of a ValidatingWebhookConfiguration.
pub(super) fn registered_entries(registration: &DynamicObject) -> &[Value] {
    registration.data["webhooks"].as_array().map_or(&[], Vec::as_slice)
}

/// Returns the entries with the trust bundle `bundle`, in PEM.
pub(super) fn with_bundle(entries: &[Value], bundle: &str) -> Entries {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        entry["clientConfig"]["caBundle"] = json!(ByteString(bundle.into()));
    }
    entries
}

/// Returns the field manager that changed the object last, according to `metadata.managedFields`.
pub(super) fn last_manager(registration: &DynamicObject) -> Option<&str> {
    let managers = registration.metadata.managed_fields.iter().flatten();
    managers.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?.manager.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_is_added_and_unknown_fields_are_kept() {
        let text = r#"[{"name": "a", "future": 1, "clientConfig": {"service": {"name": "volcheck"}}}]"#;
        let entries = with_bundle(&parse_entries(text).expect("entries"), "PEM");
        let client_config = json!({"service": {"name": "volcheck"}, "caBundle": "UEVN"});
        assert_eq!(entries, [json!({"name": "a", "future": 1, "clientConfig": client_config})]);
    }

    #[test]
    fn rejects_incomplete_entries() {
        for text in ["", "{}", "[]", "[1]", r#"[{"name": "a"}]"#, r#"[{"clientConfig": {}}, null]"#] {
            assert!(parse_entries(text).is_err(), "{text}");
        }
    }

    #[test]
    fn last_manager_is_the_most_recent_one() {
        let entry = |manager: &str, second: u32| json!({"manager": manager, "time": format!("2026-01-01T00:00:0{second}Z")});
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"managedFields": [entry("helm", 1), entry("kubectl-edit", 3), entry("volcheck", 2)]},
        });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        assert_eq!(last_manager(&object), Some("kubectl-edit"));
    }
}
