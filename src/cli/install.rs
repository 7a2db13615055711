//! `volcheck manifest`: what installs the webhook, for those without Helm.
//!
//! It is what the chart renders to, recorded in `charts/plain.yaml`; `tests/chart.sh` keeps it so.

use std::fs;

use anyhow::{Context as _, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_yaml::Value;

use super::args::{ManifestArgs, PolicyArgs};
use super::{EXIT_OK, print};
use crate::cluster::ENTRIES;
use crate::cluster::issue::Validity;

/// The chart's own rendering, with marks where something is to be put.
const PLAIN: &str = include_str!("../../charts/plain.yaml");
const NAMESPACE: &str = "namespace-of-volcheck";
const IMAGE: &str = "image-of-volcheck";
const POLICY: &str = "    modes:\n      '*': warn\n    version: 1\n";

/// By which the names of registrations in files end (`k8s.io/apiserver/pkg/admission/plugin/manifest/validation.go`).
const STATIC: &str = "volcheck.static.k8s.io";

pub(super) fn run(arguments: &ManifestArgs) -> anyhow::Result<u8> {
    let namespace = &arguments.namespace;
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    // What YAML would read as something else than a text, it would in the manifest, too.
    let is_text = |text: &str| serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.is_string());
    let has_ends = !namespace.starts_with('-') && !namespace.ends_with('-');
    if namespace.len() > 63 || !namespace.chars().all(is_label) || !has_ends || !is_text(namespace) {
        bail!("--namespace: `{namespace}` is no name of a namespace");
    }
    let plain = PLAIN.replace(NAMESPACE, namespace);
    let text = match (&arguments.fixed, &arguments.image) {
        (Some(url), _) => registration(&plain, url, arguments)?,
        (None, Some(image)) => {
            let is_odd = |c: char| !c.is_ascii_graphic() || "\"'#{}[],&*".contains(c);
            if image.contains(is_odd) || !is_text(image) {
                bail!("--image: `{image}` is no name of an image");
            }
            plain.replace(IMAGE, image).replace(POLICY, &policy(arguments)?)
        }
        (None, None) => bail!("--image or --static"),
    };
    print(&text);
    Ok(EXIT_OK)
}

/// The policy in one document, as the block of a ConfigMap.
fn policy(arguments: &ManifestArgs) -> anyhow::Result<String> {
    let mut document = Value::Mapping(serde_yaml::from_str("version: 1")?);
    if let Some(file) = &arguments.policy {
        let named = PolicyArgs { policy: Some(file.clone()), ..PolicyArgs::default() };
        document = serde_yaml::from_str(&super::policy::load_merged(&named)?.text(false))?;
    }
    let document = document.as_mapping_mut().context("a policy")?;
    let modes = document.entry("modes".into()).or_insert_with(|| Value::Mapping(serde_yaml::Mapping::new()));
    modes
        .as_mapping_mut()
        .context("modes")?
        .entry("*".into())
        .or_insert_with(|| arguments.mode.as_str().into());
    let text = serde_yaml::to_string(document)?;
    Ok(text.lines().map(|line| format!("    {line}\n")).collect())
}

/// The registration for a file of the API server's own.
fn registration(plain: &str, url: &str, arguments: &ManifestArgs) -> anyhow::Result<String> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("https://") {
        bail!("--static: `{url}` doesn't begin with https://");
    }
    let file = arguments.ca_bundle.as_ref().context("--ca-bundle")?;
    let bundle = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    if let Err(error) = Validity::of(&bundle) {
        bail!("--ca-bundle: {}: no certificate in PEM: {error}", file.display());
    }
    let key = format!("    {ENTRIES}: |\n");
    let (_, json) = plain.split_once(&key).context("the registration")?;
    let json: String = json.lines().take_while(|line| line.starts_with("      ")).collect();
    let mut entries: Vec<ValidatingWebhook> = serde_json::from_str(&json)?;
    for entry in &mut entries {
        let service = entry.client_config.service.take().context("a Service")?;
        entry.client_config.url = Some(format!("{url}{}", service.path.unwrap_or_default()));
        entry.client_config.ca_bundle = Some(ByteString(bundle.clone().into()));
    }
    let metadata = ObjectMeta { name: Some(STATIC.to_owned()), ..ObjectMeta::default() };
    Ok(serde_yaml::to_string(&ValidatingWebhookConfiguration { metadata, webhooks: Some(entries) })?)
}
