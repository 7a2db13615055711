//! `volcheck review`: prints the webhook's response to an AdmissionReview, without a cluster.

use anyhow::{anyhow, bail};

use super::args::ReviewArgs;
use super::{EXIT_FINDINGS, EXIT_OK, print};
use crate::admission::{self, ReviewContext, ReviewError};
use crate::input::{Input, InputSource};

pub(super) fn run(arguments: &ReviewArgs) -> anyhow::Result<u8> {
    let merged = super::policy::load_merged(&arguments.policy)?;
    let (policy_hash, policy) = (merged.hash(), merged.resolve());
    let input = match arguments.file.as_str() {
        "-" => Input { name: "<stdin>".to_owned(), source: InputSource::Stdin },
        path => Input { name: path.to_owned(), source: InputSource::Path(path.into()) },
    };
    let bytes = input.read()?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("{}: not valid UTF-8", input.name) };
    let context = ReviewContext {
        policy: &policy,
        policy_hash: &policy_hash,
        today: crate::policy::today(),
        endpoint: arguments.endpoint.into(),
        message: None,
    };
    let decision = admission::review(&text, &context).map_err(|error| {
        let is_other_input = matches!(error, ReviewError::Syntax { .. } | ReviewError::Kind { .. });
        let hint = if is_other_input { "; to check manifests, run `volcheck lint`" } else { "" };
        anyhow!("{}: {error}{hint}", input.name)
    })?;
    let mut json = serde_json::to_string_pretty(&decision.response)?;
    json.push('\n');
    print(&json)?;
    Ok(if decision.response.is_allowed() { EXIT_OK } else { EXIT_FINDINGS })
}
