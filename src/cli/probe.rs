//! `volcheck probe`: waits until the API server enforces the verdicts of the webhook.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::args::seconds;
use super::{EXIT_OK, eprint, print};
use crate::admission::{PROBE_ANNOTATION, PROBE_DENIAL};
use crate::cluster;
use crate::cluster::probe::{self, ProbeSettings};

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Namespace of the probing Pod, which is created only in a dry run. The webhook must check
    /// Pods in this namespace
    #[arg(long, short = 'n', value_name = "NAMESPACE", default_value = "default")]
    pub(super) namespace: String,
    /// Label of the probing Pod; may be repeated. Required if the webhook checks only Pods with
    /// this label
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// Name of the ValidatingWebhookConfiguration. If it does not exist, the command fails
    /// immediately
    #[arg(long, value_name = "NAME")]
    pub(super) registration: Option<String>,
    /// JSON file with the intended `webhooks` list of the ValidatingWebhookConfiguration. If the
    /// API server refuses the list, the command fails immediately
    #[arg(long, value_name = "FILE", requires = "registration")]
    pub(super) webhooks: Option<PathBuf>,
    /// Maximum time to wait until the API server denies the probing Pod
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub(super) timeout: Duration,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn run(arguments: &ProbeArgs) -> anyhow::Result<u8> {
    let read_entries = |file| cluster::parse_entries(&fs::read_to_string(file)?);
    let entries = arguments.webhooks.as_ref().map(read_entries).transpose().context("--webhooks")?;
    let settings = ProbeSettings {
        namespace: arguments.namespace.clone(),
        labels: arguments.labels.clone(),
        annotation: PROBE_ANNOTATION,
        denial: PROBE_DENIAL,
        registration: arguments.registration.clone(),
        entries,
        timeout: arguments.timeout,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = |answer: &str| eprint(&format!("waiting: {answer}\n"));
    let message = runtime.block_on(probe::run(&settings, report))?;
    print(&format!("The API server denied the probing Pod: {message}\n"))?;
    Ok(EXIT_OK)
}
