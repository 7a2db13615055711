//! Admission: an AdmissionReview and its verdict; a pure function, without HTTP.
//!
//! The object is decoded straight into the model, by the same types as a manifest, and judged through the
//! same door.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::{Case, judge};
use crate::finding::{Finding, Severity};
use crate::model::{Body, Decode, FieldError, FieldPath, Origin, Str, TypeMeta, read_built_in};
use crate::policy::{Date, Mode, Policy, WorkloadMode};

/// At most so many findings in a message; the rest is counted.
const SHOWN: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(borrow, default)]
    namespace: Str<'a>,
    #[serde(borrow, default)]
    user_info: UserInfo<'a>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Str<'a>,
}

/// Whether a user makes the Pods of workloads, so that its word is taken for who controls one
/// (`pkg/controller/serviceaccount` and `--use-service-account-credentials` of the controller manager).
fn is_controller(user: &str, policy: &Policy) -> bool {
    let built_in = match user.strip_prefix("system:serviceaccount:kube-system:") {
        Some(name) => {
            let names = ["daemon-set", "replicaset", "statefulset", "job", "replication"];
            name.strip_suffix("-controller").is_some_and(|name| names.contains(&name))
        }
        None => user == "system:kube-controller-manager",
    };
    built_in || policy.controllers.iter().any(|known| known == user)
}

/// Why a text is no review that could be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or not of the right shape.
    #[error("not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// A review of another version, or something else.
    #[error("expected an AdmissionReview of admission.k8s.io/v1, found {kind} of {api_version}")]
    Kind {
        /// What it says its version is.
        api_version: String,
        /// What it says its kind is.
        kind: String,
    },
    /// There is nothing to answer.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

/// The answer to a review: an AdmissionReview too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Answer {
    /// Whether the object may come in.
    pub fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// Why not; empty where it may.
    pub fn message(&self) -> &str {
        self.response.status.as_ref().map_or("", |status| &status.message)
    }
}

/// The object of a review, in JSON.
#[derive(Clone, Copy)]
struct Json<'a>(&'a str);

impl<'a> Decode<'a> for Json<'a> {
    fn decode<T: Deserialize<'a>>(self) -> Result<T, FieldError> {
        serde_json::from_str(self.0).map_err(|error| FieldError::new(FieldPath::root(), error.to_string()))
    }
}

/// The answer to the review `text` under `policy` on the day `today`, and the findings behind it.
pub fn review(text: &str, policy: &Policy, today: Date) -> Result<(Answer, Vec<Finding>), ReviewError> {
    let review: Review<'_> = serde_json::from_str(text)?;
    if &*review.api_version != "admission.k8s.io/v1" || &*review.kind != "AdmissionReview" {
        let (api_version, kind) = (review.api_version.to_string(), review.kind.to_string());
        return Err(ReviewError::Kind { api_version, kind });
    }
    let request = review.request.ok_or(ReviewError::NoRequest)?;
    let (verdict, warnings, findings) = match judge_request(&request, policy, today) {
        Ok((mode, findings)) => match mode {
            Mode::Deny => (deny(&findings), warnings(&findings, &[Severity::Warning]), findings),
            Mode::Warn => (None, warnings(&findings, &[Severity::Error, Severity::Warning]), findings),
            Mode::Audit | Mode::Off => (None, Vec::new(), findings),
        },
        Err(error) => {
            let message = format!("volcheck: the object can't be read: {}", error.message);
            (Some(Status { code: 400, reason: "BadRequest", message }), Vec::new(), Vec::new())
        }
    };
    let allowed = verdict.is_none();
    let response = Response { uid: request.uid.to_string(), allowed, status: verdict, warnings };
    Ok((Answer { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response }, findings))
}

/// What is found in the object of a request, and what follows from it.
fn judge_request(
    request: &Request<'_>,
    policy: &Policy,
    today: Date,
) -> Result<(Mode, Vec<Finding>), FieldError> {
    let mode = policy.mode(&request.namespace);
    // Of a deletion there is no object: nothing comes in.
    let object = request.object.filter(|object| object.get() != "null" && mode != Mode::Off);
    let Some(object) = object else { return Ok((mode, Vec::new())) };
    let json = Json(object.get());
    let meta: TypeMeta<'_> = json.decode()?;
    let believes_owner = is_controller(&request.user_info.username, policy);
    let namespace = if request.namespace.is_empty() { &*policy.namespace } else { &*request.namespace };
    match read_built_in(json, &meta, namespace, Origin::Admission) {
        Some(object) => {
            let object = object?;
            // The Pods of a workload are denied when they come.
            let warns = object.id.kind != "Pod"
                && matches!(object.body, Body::Pods(_))
                && policy.workload_mode == WorkloadMode::Warn;
            let mode = if warns && mode == Mode::Deny { Mode::Warn } else { mode };
            Ok((mode, judge(&object, policy, Case { today, believes_owner }).findings))
        }
        // Other kinds end in Pods, which are judged when they come.
        None => Ok((mode, Vec::new())),
    }
}

fn deny(findings: &[Finding]) -> Option<Status> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let first = errors.first()?;
    let object = first.object.as_ref().map_or_else(String::new, |id| format!(" in {id}"));
    let count = match errors.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let mut parts: Vec<_> = errors
        .iter()
        .take(SHOWN)
        .map(|finding| format!("[{}] {}: {}", finding.rule, finding.primary.path, finding.message))
        .collect();
    if errors.len() > SHOWN {
        parts.push(format!("and {} more", errors.len() - SHOWN));
    }
    let message =
        format!("volcheck: {count}{object}: {}; see \"volcheck explain {}\"", parts.join("; "), first.rule);
    Some(Status { code: 403, reason: "Forbidden", message })
}

/// Findings of these severities as kubectl can show them: one line each, short, and not too many
/// (the API server cuts what is longer than 256 characters once all are longer than 4096).
fn warnings(findings: &[Finding], severities: &[Severity]) -> Vec<String> {
    const LONGEST: usize = 120;
    let mut warned: Vec<_> =
        findings.iter().filter(|finding| severities.contains(&finding.severity)).collect();
    warned.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut lines: Vec<_> = warned
        .iter()
        .take(SHOWN)
        .map(|finding| {
            let line = format!("[{}] {}", finding.rule, finding.message);
            match line.char_indices().nth(LONGEST - 1) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => line,
            }
        })
        .collect();
    if warned.len() > SHOWN {
        lines.push(format!("and {} more", warned.len() - SHOWN));
    }
    lines
}
