//! `volcheck probe`: waits until the API server denies what the webhook denies.

use std::fs;

use anyhow::Context as _;

use super::server_args::ProbeArgs;
use super::{EXIT_OK, eprint, print};
use crate::admission::{PROBE_ANNOTATION, PROBE_DENIAL};
use crate::cluster;
use crate::cluster::probe::{self, ProbeSettings};

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
    print(&format!("The API server denied the probing Pod: {message}\n"));
    Ok(EXIT_OK)
}
