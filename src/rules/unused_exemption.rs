//! An exemption of the policy matches nothing.
//!
//! ## What it does
//!
//! Reports, in the policy's file, each exemption that excused nothing. Only where the run covers the policy's whole
//! folder, with all of its rules: the same policy serves clusters that this run doesn't see, so it is an info.
//! Exemptions of a pack are never reported.
//!
//! ## Why is this bad?
//!
//! What it was for is gone, or one of its keys never fitted. It would excuse whatever comes later under that name.
//!
//! ## Example
//!
//! Beside the DaemonSet `log-agent` in the namespace `logging`:
//!
//! ```yaml,bad
//! version: 1
//! exemptions:
//! - rules: [writable-host-path] # finding
//!   match: { namespace: logging, kind: Deployment, name: log-agent }
//!   reason: the agent writes its positions there
//! ```
//!
//! ```yaml,good
//! version: 1
//! exemptions:
//! - rules: [writable-host-path]
//!   match: { namespace: logging, kind: DaemonSet, name: log-agent }
//!   reason: the agent writes its positions there
//! ```
//!
//! ## When to allow it
//!
//! Where it is for objects that no manifest here makes.

use super::{FixClass, Meta, Rule};
use crate::finding::Severity;

const META: Meta = Meta {
    id: "unused-exemption",
    summary: "an exemption of the policy matches nothing",
    severity: Severity::Info,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("it is about the policy, no object: `volcheck lint` with the same policy says it"),
    source: include_str!("unused_exemption.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }
}
