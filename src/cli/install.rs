//! `volcheck manifest`: prints manifests that install the webhook without Helm.

use anyhow::{anyhow, bail};

use super::args::{ManifestArgs, PolicyArgs};
use super::policy::{ConfigError, load_merged};
use super::{EXIT_OK, print};
use crate::install::{self, Values};
use crate::lint::ConfigFile;
use crate::policy;

pub(super) fn run(arguments: &ManifestArgs) -> anyhow::Result<u8> {
    let namespace = &arguments.namespace;
    if !is_namespace_name(namespace) {
        bail!("--namespace: invalid namespace name `{namespace}`");
    }
    let mut set_file = arguments.set_file.clone();
    set_file.extend(arguments.ca_bundle.iter().map(|file| format!("certs.caBundle={}", file.display())));
    let mut values =
        Values::new(&arguments.values, &arguments.set, &set_file).map_err(|error| anyhow!(error))?;
    if arguments.ca_bundle.is_some() {
        values.set("certs.mode", "secret".into());
    }
    if let Some(mode) = &arguments.mode {
        values.set("mode", mode.as_str().into());
    }
    if let Some(file) = &arguments.policy {
        let named = PolicyArgs { policy: Some(file.clone()), ..PolicyArgs::default() };
        values.set("policy", serde_yaml::from_str(&load_merged(&named)?.text(false))?);
    }
    let text = match &arguments.static_url {
        Some(url) => install::static_registration(&values, namespace, url),
        None => install::manifest(&values, namespace, arguments.image.as_deref()),
    };
    let text = text.map_err(|error| anyhow!(error))?;
    let problems = policy::problems("policy", &values.policy().map_err(|error| anyhow!(error))?);
    if !problems.is_empty() {
        return Err(ConfigError::new(ConfigFile::Policy, problems).into());
    }
    print(&text)?;
    Ok(EXIT_OK)
}

/// Checks whether a name is a DNS label.
fn is_namespace_name(name: &str) -> bool {
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let has_valid_ends = !name.is_empty() && !name.starts_with('-') && !name.ends_with('-');
    name.len() <= 63 && name.chars().all(is_valid) && has_valid_ends
}
