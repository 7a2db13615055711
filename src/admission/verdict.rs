//! The verdict on the object of a request. The steps are: decode the object, check it, compare it
//! with the old object, and enforce the mode.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Json;
use super::mode::{Effect, ObjectClass, is_about_pods};
use super::ratchet::{PriorFindings, SplitFindings};
use super::request::Request;
use super::response::{self, Status};
use super::{Endpoint, Outcome, ReviewContext, join_rules, join_severities};
use crate::engine::{check_request, judge};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{FieldError, Object, ObjectId, Origin, Workload, decode_built_in};
use crate::policy::{ExemptionId, Mode, Policy, Requester};
use crate::rules::{Subject, Unchecked};

/// The verdict on a request.
#[derive(Default)]
pub(super) enum Verdict {
    /// Admitted without a check.
    #[default]
    Skip,
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
            Self::Skip | Self::Allow => Outcome::Allow,
            Self::Warn(_) => Outcome::Warn,
            Self::Deny { .. } => Outcome::Deny,
            Self::Error { .. } => Outcome::Error,
        }
    }

    /// Returns the status, if the request is denied, and the warnings.
    pub(super) fn into_status_and_warnings(self) -> (Option<Status>, Vec<String>) {
        match self {
            Self::Skip | Self::Allow => (None, Vec::new()),
            Self::Warn(warnings) => (None, warnings),
            Self::Deny { status, warnings } => (Some(status), warnings),
            Self::Error { status, warnings } => (status, warnings),
        }
    }
}

/// A verdict and the findings that it is based on. The default admits the request without a check.
#[derive(Default)]
pub(super) struct Evaluation {
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) exempted: Vec<(Finding, ExemptionId)>,
    pub(super) preexisting: Vec<RuleId>,
    /// See [`Decision::would_deny`](super::Decision::would_deny).
    pub(super) would_deny: Vec<RuleId>,
    /// The exemptions that suppressed a finding or lowered its severity.
    used_exemptions: BTreeSet<ExemptionId>,
    /// An additional audit annotation, as key and value.
    annotation: Option<(&'static str, String)>,
}

/// The maximum number of exemptions listed in an audit annotation.
const MAX_LISTED_EXEMPTIONS: usize = 5;

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
    fn error(request: &Request<'_>, error: &FieldError, mode: Mode, context: &ReviewContext<'_>) -> Self {
        let finding = unchecked_finding(error, context);
        let object = request.object_id();
        let warning = response::unchecked_warning(&object, &finding);
        let can_deny = context.endpoint != Endpoint::Advise;
        let (status, warnings) = match mode {
            Mode::Deny if can_deny => {
                (Some(Status::bad_request(&object, &finding, context.message)), Vec::new())
            }
            Mode::Deny | Mode::Warn => (None, vec![warning.clone()]),
            Mode::Audit | Mode::Off => (None, Vec::new()),
        };
        let would_deny = if can_deny && status.is_none() { vec![finding.rule] } else { Vec::new() };
        let annotation = Some(("error", warning));
        Self { verdict: Verdict::Error { status, warnings }, would_deny, annotation, ..Self::default() }
    }

    /// Returns the audit annotations. There are none if the request needs no check. Otherwise, they
    /// include the hash of the policy. They also include the verdict, unless volcheck does not
    /// check the kind or subresource.
    pub(super) fn audit_annotations(&self, context: &ReviewContext<'_>) -> BTreeMap<&'static str, String> {
        let verdict = match &self.verdict {
            Verdict::Skip => "",
            _ if !self.would_deny.is_empty() => "would-deny",
            verdict => verdict.outcome().as_str(),
        };
        let values = [
            ("verdict", verdict.to_owned()),
            ("rules", join_rules(self.findings.iter().map(|finding| finding.rule))),
            ("severities", join_severities(&self.findings)),
            ("exempted-rules", join_rules(self.exempted.iter().map(|(finding, _)| finding.rule))),
            ("exemptions", describe_exemptions(&self.used_exemptions, context.policy)),
            ("preexisting-rules", join_rules(self.preexisting.iter().copied())),
        ];
        let mut annotations: BTreeMap<_, _> = self.annotation.iter().cloned().collect();
        annotations.extend(values.into_iter().filter(|(_, value)| !value.is_empty()));
        if !annotations.is_empty() {
            annotations.insert("policy", context.policy_hash.to_owned());
        }
        annotations
    }
}

/// Returns the finding with which lint reports an object that cannot be decoded.
fn unchecked_finding(error: &FieldError, context: &ReviewContext<'_>) -> Finding {
    let unchecked = Unchecked::InvalidField { error, kind: None, is_embedded: false };
    let reported = judge(Subject::Unchecked(&unchecked), context.policy, context.today).findings.pop();
    // Responses name the field before the message, so the message itself must not name it.
    let message = error.kind.to_string();
    match reported {
        Some(finding) => Finding { message, ..finding },
        None => {
            let rule = RuleId::new("unanalyzed-document");
            Finding::new(rule, Severity::Error, error.path.clone(), message)
        }
    }
}

/// Lists the origin and the reason of each exemption, separated by semicolons. After
/// [`MAX_LISTED_EXEMPTIONS`], the others are only counted.
fn describe_exemptions(ids: &BTreeSet<ExemptionId>, policy: &Policy) -> String {
    let listed = ids.iter().take(MAX_LISTED_EXEMPTIONS).map(|id| {
        let exemption = policy.exemption(*id);
        response::shorten(&format!("{} ({})", exemption.origin, exemption.reason))
    });
    let unlisted = ids.len().saturating_sub(MAX_LISTED_EXEMPTIONS);
    let note = (unlisted > 0).then(|| format!("and {unlisted} more"));
    listed.chain(note).collect::<Vec<_>>().join("; ")
}

/// Evaluates the object of a request in the mode `mode`.
///
/// Updates of objects that are being deleted are admitted without a check, because controllers
/// create no more Pods for them. Updates of subresources are checked: the API server accepts new
/// ephemeral containers until the Pod is gone, and only the kubelet decides whether they start.
/// Current kubelets start no containers of terminating Pods (`pkg/kubelet/pod_workers.go`).
pub(super) fn evaluate<'a>(
    request: &Request<'a>,
    object: Json<'a>,
    mode: Mode,
    context: &ReviewContext<'_>,
) -> Evaluation {
    if request.is_update() && request.sub_resource.is_empty() && request.is_terminating() {
        return Evaluation::default();
    }
    let object = match decode_object(request, object, context.policy) {
        Ok(Some(object)) => object,
        // If a controller creates Pods for this object, the webhook reviews those Pods.
        Ok(None) => return Evaluation::unchecked(request),
        Err(error) => return Evaluation::error(request, &error, mode, context),
    };
    let mode_for = |mode| context.endpoint.mode_for(ObjectClass::of(&object), mode, context.policy);
    let enforcement = Enforcement {
        object: object.id.clone(),
        mode: mode_for(mode),
        can_deny: mode_for(Mode::Deny) == Mode::Deny,
        denies_pods: mode == Mode::Deny && is_workload(&object),
        advice: context.message,
    };
    enforcement.apply(request, check(request, object, context))
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

/// Checks whether a controller creates Pods for the object.
fn is_workload(object: &Object<'_>) -> bool {
    ObjectClass::of(object).is_some_and(ObjectClass::is_workload)
}

/// Returns the user whose exemptions apply to the object, or `None` if no exemption for users
/// applies. Such exemptions do not apply to the Pods that controllers create, because a controller
/// creates the Pods of all users. They do not apply to workloads either: their Pods would be denied
/// nevertheless.
fn requester<'r>(request: &'r Request<'_>, object: &Object<'_>, policy: &Policy) -> Option<Requester<'r>> {
    let is_controller = request.is_from_trusted_controller(policy);
    (!is_controller && !is_workload(object)).then(|| request.requester())
}

/// Checks the object and, for an UPDATE, separates its new findings from pre-existing ones.
fn check<'a>(request: &Request<'a>, mut object: Object<'a>, context: &ReviewContext<'_>) -> SplitFindings {
    let requester = requester(request, &object, context.policy);
    let run = |object: &Object<'_>| {
        check_request(Subject::Object(object), context.policy, context.today, requester.as_ref())
    };
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

/// The enforcement of the policy for an object.
struct Enforcement<'c> {
    object: ObjectId,
    /// The mode for the object.
    mode: Mode,
    /// Whether mode `deny` can deny the object.
    can_deny: bool,
    /// Whether the object is a workload whose Pods are created in mode `deny`.
    denies_pods: bool,
    /// The text from `--message`, for denials.
    advice: Option<&'c str>,
}

impl Enforcement<'_> {
    /// Determines the verdict from the findings. Findings never lead to the denial of the mirror
    /// Pod of a static Pod (see [`Request::is_mirror_pod`]).
    fn apply(&self, request: &Request<'_>, findings: SplitFindings) -> Evaluation {
        let SplitFindings { new, preexisting, exempted, used_exemptions } = findings;
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let is_visible = |finding: &&Finding| Effect::new(finding.severity, self.mode) >= Effect::Warn;
        let errors: Vec<&Finding> = new.iter().filter(is_error).collect();
        let is_mirror_pod = self.can_deny && !errors.is_empty() && request.is_mirror_pod();
        let (status, would_deny) = match self.mode {
            _ if !self.can_deny || is_mirror_pod => (None, Vec::new()),
            Mode::Deny => (Status::forbidden(&errors, self.advice), Vec::new()),
            Mode::Warn | Mode::Audit | Mode::Off => (None, distinct_rules(&errors)),
        };
        let is_in_status = |finding: &&Finding| status.is_some() && is_error(finding);
        let warned = new.iter().filter(|finding| !is_in_status(finding)).chain(&preexisting);
        let warnings = response::warnings(&self.object, warned.filter(is_visible).collect(), |finding| {
            self.effect_on_pods(finding)
        });
        let preexisting_errors = match self.mode {
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
            would_deny,
            used_exemptions,
            annotation: (is_mirror_pod && self.mode == Mode::Deny).then(|| ("mirror-pod", "true".to_owned())),
        }
    }

    /// Returns the effect of a finding about a workload on its Pods, as the start of a warning.
    /// Returns an empty string if there is none.
    fn effect_on_pods(&self, finding: &Finding) -> &'static str {
        match self.denies_pods && is_about_pods(finding) && finding.severity == Severity::Error {
            true => "its Pods will be denied: ",
            false => "",
        }
    }
}

/// Returns the rules of the findings, sorted and without duplicates.
fn distinct_rules(findings: &[&Finding]) -> Vec<RuleId> {
    let rules: BTreeSet<RuleId> = findings.iter().map(|finding| finding.rule).collect();
    rules.into_iter().collect()
}
