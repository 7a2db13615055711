//! Admission: from the text of an AdmissionReview to a verdict and a response.
//!
//! [`review`] is a pure function that uses neither HTTP nor a clock. Objects are decoded into the
//! same model as manifests and checked by the same engine. Only the webhook's policy exempts
//! findings: labels, annotations and comments in an object suppress no findings here.

pub(crate) mod json;
mod mode;
mod probe;
mod ratchet;
mod request;
mod response;
mod verdict;

use std::collections::BTreeMap;

use crate::finding::{Finding, RuleId, Severity};
use crate::policy::{Date, ExemptionId, Mode, Policy};
use request::{Request, Reviewable};
use verdict::Evaluation;

pub use mode::{Effect, MODE_LABEL, ObjectClass, STRICT_MODE, is_about_pods};
pub use probe::{PROBE_ANNOTATION, PROBE_DENIAL};
pub use request::ReviewError;
pub use response::{AdmissionResponse, parse_message};

/// The endpoint that receives a review. It determines how strictly the policy is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Enforces the mode that the policy sets for the namespace.
    Validate,
    /// Enforces mode `deny` instead of the mode in the policy. The policy's `workloadMode` still
    /// applies. The chart registers this endpoint for Pods in namespaces with the label
    /// `volcheck.io/mode: deny`.
    Strict,
    /// Enforces the mode that the policy sets for the namespace, but warns instead of denying.
    /// There is one exception: mode `deny` denies workloads and claims with errors if the policy's
    /// `workloadMode` is `deny`.
    Advise,
}

impl Endpoint {
    /// Returns the name used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Strict => "strict",
            Self::Advise => "advise",
        }
    }
}

/// The inputs of a review other than its text.
#[derive(Clone, Copy, Debug)]
pub struct ReviewContext<'p> {
    /// The policy to enforce.
    pub policy: &'p Policy,
    /// The hash of the policy, for the audit log.
    pub policy_hash: &'p str,
    /// The current date, which decides whether exemptions have expired.
    pub today: Date,
    /// The endpoint that received the review.
    pub endpoint: Endpoint,
    /// The text or link from `--message`, which ends the messages of denials. If `None`, these
    /// messages refer to `volcheck explain`.
    pub message: Option<&'p str>,
}

/// The outcome of a review, as counted in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Admitted without warnings.
    Allow,
    /// Admitted with warnings.
    Warn,
    /// Denied because of a finding, or because the object is a probing Pod.
    Deny,
    /// The object could not be checked. Mode and endpoint decide whether it is admitted.
    Error,
}

impl Outcome {
    /// Returns the name used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// The response to a review, with the details that logs and metrics report.
#[derive(Debug)]
pub struct Decision {
    /// The response for the API server.
    pub response: AdmissionResponse,
    /// The outcome for logs and metrics.
    pub outcome: Outcome,
    /// The findings, including pre-existing ones.
    pub findings: Vec<Finding>,
    /// The exempted findings, each with the index of its exemption in the policy.
    pub exempted: Vec<(Finding, ExemptionId)>,
    /// The rules of pre-existing errors in mode `deny`. Such an error is no reason to deny an
    /// UPDATE. Empty in other modes.
    pub preexisting: Vec<RuleId>,
    /// The rules because of which mode `deny` would deny the request, sorted and without
    /// duplicates. Empty if the request was denied, and if mode `deny` would also admit it.
    ///
    /// For an object that could not be checked, this is the rule with which lint reports the
    /// problem: `unanalyzed-document` or `invalid-field-value`.
    pub would_deny: Vec<RuleId>,
    /// The owner of an object that was denied, or that mode `deny` would deny. `None` if the user
    /// is not a trusted controller, or if the object has no owner.
    pub owner: Option<Owner>,
    /// The request, for the log.
    pub request: RequestInfo,
}

/// The object that controls another one, such as the ReplicaSet of a Pod, according to the owner
/// reference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// The fields of a request that logs and metrics report, with control characters escaped. Long
/// fields are truncated.
#[derive(Clone, Debug, Default)]
pub struct RequestInfo {
    pub uid: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// The plural resource name, such as `pods`.
    pub resource: String,
    /// The subresource; empty for the resource itself.
    pub subresource: String,
    /// The namespace; empty for cluster-scoped resources.
    pub namespace: String,
    /// The name of the object; empty if the API server generates it.
    pub name: String,
    /// The name of the user who sent the request to the API server.
    pub user: String,
    /// Whether the request is a dry run, which stores nothing.
    pub dry_run: bool,
}

impl RequestInfo {
    fn new(request: &Request<'_>) -> Self {
        let escape = response::shorten;
        Self {
            uid: escape(&request.uid),
            operation: escape(&request.operation),
            resource: escape(&request.resource.resource),
            subresource: escape(&request.sub_resource),
            namespace: escape(&request.namespace),
            name: escape(&request.name),
            user: escape(&request.user_info.username),
            dry_run: request.dry_run,
        }
    }
}

/// Reviews the AdmissionReview in `text`.
///
/// # Errors
///
/// Returns an error if `text` is not a valid AdmissionReview. An object that cannot be checked is
/// not an error: its review gets a response, with the outcome [`Outcome::Error`].
pub fn review(text: &str, context: &ReviewContext<'_>) -> Result<Decision, ReviewError> {
    let request = Request::parse(text)?;
    let mode = context.endpoint.mode(context.policy, &request.namespace);
    if let Some(nonce) = probe::nonce(&request, context.endpoint) {
        let evaluation = Evaluation::probe(&nonce, mode, &request.namespace);
        return Ok(decide(evaluation, &request, context));
    }
    let reviewable = if mode == Mode::Off { Reviewable::Nothing } else { request.reviewable() };
    let evaluation = match reviewable {
        Reviewable::Object(object) => verdict::evaluate(&request, object, mode, context),
        Reviewable::Nothing => Evaluation::default(),
        Reviewable::Unsupported => Evaluation::unchecked(&request),
    };
    Ok(decide(evaluation, &request, context))
}

fn decide(evaluation: Evaluation, request: &Request<'_>, context: &ReviewContext<'_>) -> Decision {
    let outcome = evaluation.verdict.outcome();
    let annotations = evaluation.audit_annotations(context);
    let Evaluation { verdict, findings, exempted, preexisting, would_deny, .. } = evaluation;
    let (status, warnings) = verdict.into_status_and_warnings();
    let response = AdmissionResponse::new(request.uid.to_string(), status, warnings, annotations);
    let has_owner = !response.is_allowed() || !would_deny.is_empty();
    let owner = if has_owner { request.trusted_owner(context.policy) } else { None };
    let request = RequestInfo::new(request);
    Decision { response, outcome, findings, exempted, preexisting, would_deny, owner, request }
}

/// Returns the maximum memory, in bytes, that the check of a review of `size` bytes needs in
/// addition to the review itself. The fuzzer `memory` searches for reviews that need more.
pub const fn max_memory(size: usize) -> usize {
    2 * size + (8 << 20)
}

/// Joins rule IDs with commas, sorted and without duplicates.
pub fn join_rules(rules: impl Iterator<Item = RuleId>) -> String {
    let mut rules: Vec<&str> = rules.map(RuleId::as_str).collect();
    rules.sort_unstable();
    rules.dedup();
    rules.join(",")
}

/// Lists the rules of findings, each with its highest severity, such as
/// `runtime-socket=error,unused-volume=warning`. The rules are sorted.
pub fn join_severities(findings: &[Finding]) -> String {
    let mut severities: BTreeMap<RuleId, Severity> = BTreeMap::new();
    for finding in findings {
        let highest = severities.entry(finding.rule).or_insert(finding.severity);
        *highest = finding.severity.max(*highest);
    }
    let listed: Vec<_> = severities.iter().map(|(rule, severity)| format!("{rule}={severity}")).collect();
    listed.join(",")
}
