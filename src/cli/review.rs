//! `volcheck review`: the webhook's answer to one review, without a cluster.

use anyhow::Context as _;

use super::args::ReviewArgs;
use super::{EXIT_FINDINGS, EXIT_OK, print};
use crate::admission::{self, Terms};
use crate::input::{Input, InputSource};

pub(super) fn run(arguments: &ReviewArgs) -> anyhow::Result<u8> {
    let merged = super::policy::load_merged(&arguments.policy)?;
    let policy_hash = &merged.hash();
    let policy = &merged.resolve();
    let input = match arguments.file.as_str() {
        "-" => Input { name: "<stdin>".to_owned(), source: InputSource::Stdin },
        path => Input { name: path.to_owned(), source: InputSource::Path(path.into()) },
    };
    let bytes = input.read().map_err(|error| anyhow::anyhow!("{}: {}", error.name, error.kind))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{}: not UTF-8", input.name))?;
    let terms =
        Terms { policy, policy_hash, today: crate::policy::today(), endpoint: arguments.endpoint.into() };
    let answer = admission::review(&text, &terms).with_context(|| input.name.clone())?.answer;
    let mut json = serde_json::to_string_pretty(&answer)?;
    json.push('\n');
    print(&json);
    Ok(if answer.is_allowed() { EXIT_OK } else { EXIT_FINDINGS })
}
