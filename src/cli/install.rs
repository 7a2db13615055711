//! `volcheck manifest`: prints manifests that install the webhook without Helm.
//!
//! The manifests are the rendered chart, which `tests/chart.sh` writes to `charts/plain.yaml`.

use std::fs;

use anyhow::{Context as _, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_yaml::Value;

use super::args::{ManifestArgs, PolicyArgs};
use super::{EXIT_OK, print};
use crate::cluster::ENTRIES_KEY;
use crate::cluster::x509::Validity;

/// The rendered chart, with the placeholders below.
const RENDERED_CHART: &str = include_str!("../../charts/plain.yaml");
const NAMESPACE_PLACEHOLDER: &str = "namespace-of-volcheck";
const IMAGE_PLACEHOLDER: &str = "image-of-volcheck";
const POLICY_PLACEHOLDER: &str = "    modes:\n      '*': warn\n    version: 1\n";

/// The name of the static registration. Names of static registrations must end in `.static.k8s.io`
/// (`k8s.io/apiserver/pkg/admission/plugin/manifest/validation.go`).
const STATIC_REGISTRATION: &str = "volcheck.static.k8s.io";

pub(super) fn run(arguments: &ManifestArgs) -> anyhow::Result<u8> {
    let namespace = &arguments.namespace;
    if !is_namespace_name(namespace) {
        bail!("--namespace: invalid namespace name `{namespace}`");
    }
    let chart = RENDERED_CHART.replace(NAMESPACE_PLACEHOLDER, namespace);
    let text = match (&arguments.static_url, &arguments.image) {
        (Some(url), _) => static_registration(&chart, url, arguments)?,
        (None, Some(image)) => {
            let is_invalid = |c: char| !c.is_ascii_graphic() || "\"'#{}[],&*".contains(c);
            if image.contains(is_invalid) || !is_plain_string(image) {
                bail!("--image: invalid image name `{image}`");
            }
            chart.replace(IMAGE_PLACEHOLDER, image).replace(POLICY_PLACEHOLDER, &policy_block(arguments)?)
        }
        (None, None) => bail!("missing --image or --static"),
    };
    print(&text);
    Ok(EXIT_OK)
}

fn is_namespace_name(name: &str) -> bool {
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let has_valid_ends = !name.starts_with('-') && !name.ends_with('-');
    name.len() <= 63 && name.chars().all(is_valid) && has_valid_ends && is_plain_string(name)
}

/// Checks whether YAML parses the unquoted text as a string. The manifest contains it unquoted.
fn is_plain_string(text: &str) -> bool {
    serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.is_string())
}

/// Returns the policy as one document, indented for the block scalar of the ConfigMap. If the
/// policy sets no mode for the pattern `*`, adds `--mode` as this mode.
fn policy_block(arguments: &ManifestArgs) -> anyhow::Result<String> {
    let mut document = Value::Mapping(serde_yaml::from_str("version: 1")?);
    if let Some(file) = &arguments.policy {
        let named = PolicyArgs { policy: Some(file.clone()), ..PolicyArgs::default() };
        document = serde_yaml::from_str(&super::policy::load_merged(&named)?.text(false))?;
    }
    let document = document.as_mapping_mut().context("the policy is not a mapping")?;
    let modes = document.entry("modes".into()).or_insert_with(|| Value::Mapping(serde_yaml::Mapping::new()));
    modes
        .as_mapping_mut()
        .context("`modes` of the policy is not a mapping")?
        .entry("*".into())
        .or_insert_with(|| arguments.mode.as_str().into());
    let text = serde_yaml::to_string(document)?;
    Ok(text.lines().map(|line| format!("    {line}\n")).collect())
}

/// Returns the registration for the API server's `staticManifestsDir`, with the entries of the
/// chart.
fn static_registration(chart: &str, url: &str, arguments: &ManifestArgs) -> anyhow::Result<String> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("https://") {
        bail!("--static: `{url}` does not start with `https://`");
    }
    let file = arguments.ca_bundle.as_ref().context("--ca-bundle")?;
    let bundle = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    if let Err(error) = Validity::from_pem(&bundle) {
        bail!("--ca-bundle: no PEM certificate in `{}`: {error}", file.display());
    }
    let key = format!("  {ENTRIES_KEY}: |\n");
    let (_, json) = chart.split_once(&key).context("the chart has no registration")?;
    let json: String = json.lines().take_while(|line| line.starts_with("    ")).collect();
    let mut entries: Vec<ValidatingWebhook> = serde_json::from_str(&json)?;
    for entry in &mut entries {
        let service = entry.client_config.service.take().context("an entry has no Service")?;
        entry.client_config.url = Some(format!("{url}{}", service.path.unwrap_or_default()));
        entry.client_config.ca_bundle = Some(ByteString(bundle.clone().into()));
    }
    let metadata = ObjectMeta { name: Some(STATIC_REGISTRATION.to_owned()), ..ObjectMeta::default() };
    Ok(serde_yaml::to_string(&ValidatingWebhookConfiguration { metadata, webhooks: Some(entries) })?)
}
