//! `volcheck review`: the webhook's response to one AdmissionReview, without a cluster.

use anyhow::Context as _;

use super::args::ReviewArgs;
use super::{CLEAN, FINDINGS, print};
use crate::admission::{self, ReviewContext};
use crate::input::{self, Input, Origin};

pub(super) fn run(arguments: &ReviewArgs) -> anyhow::Result<u8> {
    let policy = super::policy::load(&arguments.policy)?;
    let input = match arguments.file.as_str() {
        "-" => Input { name: "<stdin>".to_owned(), origin: Origin::Stdin },
        path => Input { name: path.to_owned(), origin: Origin::Path(path.into()) },
    };
    let bytes = input::read(&input).map_err(|error| anyhow::anyhow!("{}: {}", error.name, error.message))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{}: not UTF-8", input.name))?;
    let context = ReviewContext {
        policy: &policy,
        policy_hash: &policy.hash(),
        today: crate::policy::today(),
        endpoint: arguments.endpoint.into(),
    };
    let decision = admission::review(&text, &context).with_context(|| input.name.clone())?;
    let mut json = serde_json::to_string_pretty(&decision.response)?;
    json.push('\n');
    print(&json);
    Ok(if decision.response.is_allowed() { CLEAN } else { FINDINGS })
}
