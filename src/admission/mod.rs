//! Admission: an AdmissionReview and its verdict; a pure function, without HTTP.
//!
//! The object is decoded straight into the model, by the same types as a manifest, and judged through the
//! same door. What decides is the policy of whoever runs the cluster: no label, no annotation and no comment of an
//! object excuses anything here.

mod answer;
mod ratchet;
mod request;

use std::collections::BTreeMap;

use crate::engine::{Judged, judge};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{Body, FieldError, Object, Origin, Workload, decode_built_in, printable};
use crate::policy::{Date, ExemptionId, Mode, Policy, WorkloadMode};
use crate::rules::Subject;
use answer::Status;
use ratchet::Before;
use request::{Json, Request};

pub use answer::Answer;
pub use request::ReviewError;

/// Where a review arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// What is enforced, in the mode that the policy has for the namespace.
    Validate,
    /// What is enforced in namespaces whose label asks for it: in the mode `deny`, whatever the policy has.
    Strict,
    /// What is advised: nothing is denied but workloads, where the policy denies these.
    Advise,
}

impl Endpoint {
    /// Its word, as in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Strict => "strict",
            Self::Advise => "advise",
        }
    }
}

/// What a review is judged by, beside its object.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// What names the policy in the audit log.
    pub policy_hash: &'p str,
    /// The day, for what expires.
    pub today: Date,
    /// Where the review arrived.
    pub endpoint: Endpoint,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may come in.
    Allow,
    /// It may, and the user is warned.
    Warn,
    /// It may not.
    Deny,
    /// Its object can't be read; whether it may come in is the endpoint's matter and the mode's.
    Error,
}

impl Outcome {
    /// Its word, as in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// A review's answer, and what is behind it.
#[derive(Debug)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// What became of the request.
    pub outcome: Outcome,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What the policy excuses, each with the place of its exemption in the policy's list.
    pub exempted: Vec<(Finding, ExemptionId)>,
    /// The rules of the errors that were there before, and deny nothing therefore.
    pub ratcheted: Vec<RuleId>,
    /// What the request was about.
    pub about: About,
}

/// What a request was about, in its own words.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What names the request.
    pub uid: String,
    /// `CREATE`, `UPDATE` and the like.
    pub operation: String,
    /// The resource, such as `pods`.
    pub resource: String,
    /// The subresource; empty for none.
    pub subresource: String,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// Whether nothing would be stored.
    pub dry_run: bool,
}

/// The answer to the review `text`.
pub fn review(text: &str, terms: &Terms<'_>) -> Result<Decision, ReviewError> {
    let request = Request::parse(text)?;
    let mode = match terms.endpoint {
        Endpoint::Strict => Mode::Deny,
        Endpoint::Validate | Endpoint::Advise => terms.policy.mode(&request.namespace),
    };
    let verdict = match seen(&request, mode) {
        Seen::Object(object) => verdict(&request, object, mode, terms),
        Seen::Nothing => Verdict::default(),
        Seen::Unknown => Verdict::of_unknown(&request),
    };
    Ok(verdict.decision(&request, terms))
}

/// The ids of rules in one text, in order and each once, as logs and annotations have them.
pub fn joined(rules: impl Iterator<Item = RuleId>) -> String {
    let mut rules: Vec<&str> = rules.map(RuleId::as_str).collect();
    rules.sort_unstable();
    rules.dedup();
    rules.join(",")
}

/// What there is to judge in a request.
enum Seen<'a> {
    Object(Json<'a>),
    /// What is no matter of volumes, or of the mode `off`.
    Nothing,
    /// What volcheck doesn't know.
    Unknown,
}

fn seen<'a>(request: &Request<'a>, mode: Mode) -> Seen<'a> {
    // Of a deletion there is no object, and a connection's is no object of the cluster.
    let Some(object) = request.object() else { return Seen::Nothing };
    if mode == Mode::Off || matches!(&*request.operation, "DELETE" | "CONNECT") {
        return Seen::Nothing;
    }
    match (&*request.resource.resource, &*request.sub_resource) {
        (_, "") => Seen::Object(object),
        (_, "status")
        | ("pods", "exec" | "attach" | "portforward" | "proxy" | "log" | "binding" | "eviction") => {
            Seen::Nothing
        }
        // A subresource of a later Kubernetes may carry the Pod itself, as `ephemeralcontainers` and `resize` do.
        ("pods", _) => match request.type_of(object) {
            Ok(meta) if &*meta.kind != "Pod" => Seen::Unknown,
            _ => Seen::Object(object),
        },
        _ => Seen::Unknown,
    }
}

/// What follows from what was found.
#[derive(Default)]
struct Verdict {
    status: Option<Status>,
    warnings: Vec<String>,
    annotations: BTreeMap<&'static str, String>,
    judged: Judged,
    ratcheted: Vec<RuleId>,
    is_error: bool,
}

impl Verdict {
    fn of_unknown(request: &Request<'_>) -> Self {
        let kind = [&*request.resource.resource, &*request.sub_resource].join("/");
        let kind = answer::short(kind.trim_end_matches('/'));
        let annotations = BTreeMap::from([("volcheck-unjudged", kind)]);
        Self { annotations, ..Self::default() }
    }

    /// What can't be read is denied where an error would be: anything else would be a way around.
    fn of_unreadable(error: &FieldError, mode: Mode, endpoint: Endpoint) -> Self {
        let message = answer::warning(&format!("the object can't be read: {}", error.kind));
        let annotations = BTreeMap::from([("volcheck-error", message.clone())]);
        let mut verdict = Self { annotations, is_error: true, ..Self::default() };
        match mode {
            Mode::Deny if endpoint != Endpoint::Advise => verdict.status = Some(Status::unreadable(&message)),
            Mode::Deny | Mode::Warn => verdict.warnings = vec![message],
            Mode::Audit | Mode::Off => {}
        }
        verdict
    }

    fn decision(mut self, request: &Request<'_>, terms: &Terms<'_>) -> Decision {
        let outcome = match (&self.status, self.warnings.is_empty()) {
            _ if self.is_error => Outcome::Error,
            (Some(_), _) => Outcome::Deny,
            (None, false) => Outcome::Warn,
            (None, true) => Outcome::Allow,
        };
        let Judged { findings, exempted, .. } = self.judged;
        let mut annotate = |key, rules: &mut dyn Iterator<Item = RuleId>| {
            let rules = joined(rules);
            if !rules.is_empty() {
                self.annotations.insert(key, rules);
            }
        };
        annotate("volcheck-rules", &mut findings.iter().map(|finding| finding.rule));
        annotate("volcheck-exempt", &mut exempted.iter().map(|(finding, _)| finding.rule));
        annotate("volcheck-ratcheted", &mut self.ratcheted.iter().copied());
        if !self.annotations.is_empty() {
            self.annotations.insert("volcheck-policy", terms.policy_hash.to_owned());
        }
        let text = |text: &str| printable(text).into_owned();
        let about = About {
            uid: text(&request.uid),
            operation: text(&request.operation),
            resource: text(&request.resource.resource),
            subresource: text(&request.sub_resource),
            namespace: text(&request.namespace),
            name: text(&request.name),
            user: text(&request.user_info.username),
            dry_run: request.dry_run,
        };
        let answer = Answer::new(request.uid.to_string(), self.status, self.warnings, self.annotations);
        Decision { answer, outcome, findings, exempted, ratcheted: self.ratcheted, about }
    }
}

fn verdict<'a>(request: &Request<'a>, object: Json<'a>, mode: Mode, terms: &Terms<'_>) -> Verdict {
    let is_update = &*request.operation == "UPDATE";
    if is_update && request.is_going() {
        return Verdict::default();
    }
    let policy = terms.policy;
    let mut object = match read(request, object, policy) {
        Ok(Some(object)) => object,
        // Other kinds end in Pods, which are judged when they come.
        Ok(None) => return Verdict::of_unknown(request),
        Err(error) => return Verdict::of_unreadable(&error, mode, terms.endpoint),
    };
    // The Pods of a workload are denied when they come.
    let is_workload = object.id.kind != "Pod" && matches!(object.body, Body::Pods(_));
    let is_advised = match is_workload {
        true => policy.workload_mode == WorkloadMode::Warn,
        false => terms.endpoint == Endpoint::Advise,
    };
    let mode = if is_advised && mode == Mode::Deny { Mode::Warn } else { mode };
    let mut judged = judge(Subject::Object(&object), policy, terms.today);
    // What can't be read before has no findings: all of them are new.
    let old = request.old_object().filter(|_| is_update);
    let old = old.and_then(|old| read(request, old, policy).ok().flatten());
    let (mut new, known) = match &old {
        Some(old) => Before::of(judge(Subject::Object(old), policy, terms.today)).split(&mut judged),
        None => (std::mem::take(&mut judged.findings), Vec::new()),
    };
    if let Some(old) = &old
        && object.retain_added_ephemeral_containers(old)
    {
        ratchet::add_reached(&mut new, judge(Subject::Object(&object), policy, terms.today).findings);
    }
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let mut annotations = BTreeMap::new();
    let mut status = None;
    let errors: Vec<&Finding> = new.iter().filter(is_error).collect();
    if mode == Mode::Deny && !errors.is_empty() {
        if request.is_mirror_pod() {
            annotations.insert("volcheck-mirror-pod", "true".to_owned());
        } else {
            status = Status::forbidden(&errors);
        }
    }
    let ratcheted = match mode {
        Mode::Deny => known.iter().filter(is_error).map(|finding| finding.rule).collect(),
        Mode::Warn | Mode::Audit | Mode::Off => Vec::new(),
    };
    let is_denied = status.is_some();
    let mut warned: Vec<&Finding> = new
        .iter()
        .filter(|finding| finding.severity == Severity::Warning || (is_error(finding) && !is_denied))
        .chain(known.iter().filter(|finding| finding.severity >= Severity::Warning))
        .collect();
    let warnings = match mode {
        Mode::Deny | Mode::Warn => answer::warnings(&mut warned),
        Mode::Audit | Mode::Off => Vec::new(),
    };
    judged.findings = new;
    judged.findings.extend(known);
    Verdict { status, warnings, annotations, ratcheted, is_error: false, judged }
}

/// An object of the request, where it is of a kind that is judged here.
fn read<'a>(
    request: &Request<'a>,
    object: Json<'a>,
    policy: &Policy,
) -> Result<Option<Object<'a>>, FieldError> {
    let meta = request.type_of(object)?;
    let namespace = if request.namespace.is_empty() { &*policy.namespace } else { &*request.namespace };
    let Some(object) = decode_built_in(object, &meta, namespace, Origin::Admission) else { return Ok(None) };
    let mut object = object?;
    if !request.is_by_controller(policy) {
        // Anybody may write an owner reference.
        object.workload = Workload::without_owner(&object.id);
    }
    Ok(Some(object))
}
