//! The verdict on the object of a request. The steps are: decode the object, check it, compare it
//! with the old object, and enforce the mode.

use std::collections::BTreeMap;

use super::json::Json;
use super::ratchet::{PriorFindings, SplitFindings};
use super::request::Request;
use super::response::{self, Status};
use super::{Endpoint, Outcome, ReviewContext, join_rules};
use crate::engine::judge;
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Body, FieldError, Object, Origin, Workload, decode_built_in};
use crate::policy::{ExemptionId, Mode, Policy, WorkloadMode};
use crate::rules::Subject;

/// The verdict on a request.
#[derive(Default)]
pub(super) enum Verdict {
    #[default]
    Allow,
    Warn(Vec<String>),
    /// Denied because of errors. The warnings report other findings, such as pre-existing errors.
    Deny {
        status: Status,
        warnings: Vec<String>,
    },
    /// The object could not be checked. It is denied if there is a status.
    Error {
        status: Option<Status>,
        warnings: Vec<String>,
    },
}

impl Verdict {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Allow => Outcome::Allow,
            Self::Warn(_) => Outcome::Warn,
            Self::Deny { .. } => Outcome::Deny,
            Self::Error { .. } => Outcome::Error,
        }
    }

    /// Returns the status, if the request is denied, and the warnings.
    pub(super) fn into_status_and_warnings(self) -> (Option<Status>, Vec<String>) {
        match self {
            Self::Allow => (None, Vec::new()),
            Self::Warn(warnings) => (None, warnings),
            Self::Deny { status, warnings } => (Some(status), warnings),
            Self::Error { status, warnings } => (status, warnings),
        }
    }
}

/// A verdict and the findings that it is based on. The default admits the request without findings.
#[derive(Default)]
pub(super) struct Evaluation {
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) exempted: Vec<(Finding, ExemptionId)>,
    pub(super) preexisting: Vec<RuleId>,
    /// An additional audit annotation, as key and value.
    annotation: Option<(&'static str, String)>,
}

impl Evaluation {
    /// Admits a request for a kind or subresource that volcheck does not check. Adds an audit
    /// annotation with the resource.
    pub(super) fn unchecked(request: &Request<'_>) -> Self {
        let resource = match (&*request.resource.resource, &*request.sub_resource) {
            (resource, "") => resource.to_owned(),
            (resource, subresource) => format!("{resource}/{subresource}"),
        };
        Self { annotation: Some(("unchecked", response::shorten(&resource))), ..Self::default() }
    }

    /// Denies a probing Pod.
    pub(super) fn probe(nonce: &str, mode: Mode, namespace: &str) -> Self {
        let status = Status::probe(nonce, mode, namespace);
        let annotation = Some(("probe", nonce.to_owned()));
        Self { verdict: Verdict::Deny { status, warnings: Vec::new() }, annotation, ..Self::default() }
    }

    /// Returns the evaluation of an object that could not be checked. Mode `deny` denies the
    /// object, because admitting unchecked objects would allow users to bypass the policy. The
    /// endpoint `Advise` admits it, regardless of `workloadMode`.
    fn error(error: &FieldError, mode: Mode, endpoint: Endpoint) -> Self {
        let message = response::warning(&format!("the object could not be checked: {}", error.kind));
        let (status, warnings) = match mode {
            Mode::Deny if endpoint != Endpoint::Advise => (Some(Status::bad_request(&message)), Vec::new()),
            Mode::Deny | Mode::Warn => (None, vec![message.clone()]),
            Mode::Audit | Mode::Off => (None, Vec::new()),
        };
        let annotation = Some(("error", message));
        Self { verdict: Verdict::Error { status, warnings }, annotation, ..Self::default() }
    }

    /// Returns the audit annotations. They are empty if there is nothing to record. Otherwise, they
    /// include the hash of the policy.
    pub(super) fn audit_annotations(&self, policy_hash: &str) -> BTreeMap<&'static str, String> {
        let rules = [
            ("rules", join_rules(self.findings.iter().map(|finding| finding.rule))),
            ("exempted-rules", join_rules(self.exempted.iter().map(|(finding, _)| finding.rule))),
            ("preexisting-rules", join_rules(self.preexisting.iter().copied())),
        ];
        let mut annotations: BTreeMap<_, _> = self.annotation.iter().cloned().collect();
        annotations.extend(rules.into_iter().filter(|(_, rules)| !rules.is_empty()));
        if !annotations.is_empty() {
            annotations.insert("policy", policy_hash.to_owned());
        }
        annotations
    }
}

/// Evaluates the object of a request in the mode `mode`. Updates of objects that are being deleted
/// are admitted without a check.
pub(super) fn evaluate<'a>(
    request: &Request<'a>,
    object: Json<'a>,
    mode: Mode,
    context: &ReviewContext<'_>,
) -> Evaluation {
    if request.is_update() && request.is_terminating() {
        return Evaluation::default();
    }
    let object = match decode_object(request, object, context.policy) {
        Ok(Some(object)) => object,
        // If a controller creates Pods for this object, the webhook reviews those Pods.
        Ok(None) => return Evaluation::unchecked(request),
        Err(error) => return Evaluation::error(&error, mode, context.endpoint),
    };
    let mode = effective_mode(&object, mode, context);
    enforce(request, mode, check(request, object, context))
}

/// Decodes an object of the request. Returns `None` if its kind is not built in.
fn decode_object<'a>(
    request: &Request<'a>,
    object: Json<'a>,
    policy: &Policy,
) -> Result<Option<Object<'a>>, FieldError> {
    let meta = request.type_meta(object)?;
    let Some(object) = decode_built_in(object, &meta, &request.namespace, Origin::Admission) else {
        return Ok(None);
    };
    let mut object = object?;
    if !request.is_from_trusted_controller(policy) {
        // Do not trust the owner references: any user can write them.
        object.workload = Workload::without_owner(&object.id);
    }
    Ok(Some(object))
}

/// Decodes the old object of an UPDATE. Returns `None` for other operations, or if the old object
/// cannot be decoded. All findings of the new object are new in these cases.
fn decode_old_object<'a>(request: &Request<'a>, policy: &Policy) -> Option<Object<'a>> {
    let old = request.old_object().filter(|_| request.is_update())?;
    decode_object(request, old, policy).ok().flatten()
}

/// Returns the mode for the object. This is `mode`, except that `deny` is lowered to `warn` in two
/// cases:
///
/// - The object is a workload or a claim, and `workloadMode` is `warn`. Pods of a workload are
///   denied instead of the workload.
/// - The object is of another kind, and the endpoint is `Advise`.
fn effective_mode(object: &Object<'_>, mode: Mode, context: &ReviewContext<'_>) -> Mode {
    let is_workload_or_claim = match &object.body {
        Body::Pods(_) => object.id.kind != "Pod",
        Body::Claim(_) => true,
        Body::PersistentVolume(_) | Body::StorageClass(_) | Body::Other => false,
    };
    let is_advisory = match is_workload_or_claim {
        true => context.policy.workload_mode == WorkloadMode::Warn,
        false => context.endpoint == Endpoint::Advise,
    };
    if is_advisory && mode == Mode::Deny { Mode::Warn } else { mode }
}

/// Checks the object and, for an UPDATE, separates its new findings from pre-existing ones.
fn check<'a>(request: &Request<'a>, mut object: Object<'a>, context: &ReviewContext<'_>) -> SplitFindings {
    let run = |object: &Object<'_>| judge(Subject::Object(object), context.policy, context.today);
    let Some(old) = decode_old_object(request, context.policy) else {
        return SplitFindings::all_new(run(&object));
    };
    let mut split = PriorFindings::new(run(&old)).compare(run(&object));
    // Check added ephemeral containers separately, too. A finding about a volume can name only one
    // of the containers that mount it. An exemption or a pre-existing finding for this container
    // must not cover the containers that a user adds later.
    if object.retain_added_ephemeral_containers(&old) {
        split.add_ephemeral(run(&object).findings);
    }
    split
}

/// Determines the verdict from the findings and the mode. Findings never lead to the denial of the
/// mirror Pod of a static Pod (see [`Request::is_mirror_pod`]).
fn enforce(request: &Request<'_>, mode: Mode, findings: SplitFindings) -> Evaluation {
    let SplitFindings { new, preexisting, exempted } = findings;
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let is_visible = |finding: &&Finding| finding.severity >= Severity::Warning;
    let errors: Vec<&Finding> = new.iter().filter(is_error).collect();
    let is_mirror_pod = mode == Mode::Deny && !errors.is_empty() && request.is_mirror_pod();
    let status = match mode {
        Mode::Deny if !is_mirror_pod => Status::forbidden(&errors),
        Mode::Deny | Mode::Warn | Mode::Audit | Mode::Off => None,
    };
    let is_in_status = |finding: &&Finding| status.is_some() && is_error(finding);
    let warned = new.iter().filter(|finding| !is_in_status(finding)).chain(&preexisting);
    let warnings = match mode {
        Mode::Deny | Mode::Warn => response::warnings(warned.filter(is_visible).collect()),
        Mode::Audit | Mode::Off => Vec::new(),
    };
    let preexisting_errors = match mode {
        Mode::Deny => preexisting.iter().filter(is_error).map(|finding| finding.rule).collect(),
        Mode::Warn | Mode::Audit | Mode::Off => Vec::new(),
    };
    Evaluation {
        verdict: match status {
            Some(status) => Verdict::Deny { status, warnings },
            None if warnings.is_empty() => Verdict::Allow,
            None => Verdict::Warn(warnings),
        },
        findings: new.into_iter().chain(preexisting).collect(),
        exempted,
        preexisting: preexisting_errors,
        annotation: is_mirror_pod.then(|| ("mirror-pod", "true".to_owned())),
    }
}
