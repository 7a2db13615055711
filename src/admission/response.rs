//! The response to a review, within the limits of the API server (`pkg/admission/plugin/webhook` of
//! `k8s.io/apiserver`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::probe::PROBE_DENIAL;
use crate::finding::Finding;
use crate::model::printable;
use crate::policy::Mode;

/// The maximum number of findings listed in a message or in the warnings. Further findings are only
/// counted.
const MAX_FINDINGS: usize = 10;

/// The maximum length of one finding in a message, in characters. Findings can contain long paths.
const MAX_FINDING_LEN: usize = 600;

/// The maximum length of a warning, in characters. If the warnings of a request total more than
/// 4096 characters, the API server truncates each to 256
/// (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const MAX_WARNING_LEN: usize = 240;

/// The response to a review. It serializes to an AdmissionReview.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

/// The reason for a denial (`metav1.Status`).
#[derive(Debug, Serialize)]
pub(super) struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, Serialize)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Serialize)]
struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}

impl AdmissionResponse {
    /// Creates a response, which denies the request if there is a status and allows it otherwise.
    pub(super) fn new(
        uid: String,
        status: Option<Status>,
        warnings: Vec<String>,
        audit_annotations: BTreeMap<&'static str, String>,
    ) -> Self {
        let response = Response { uid, allowed: status.is_none(), status, warnings, audit_annotations };
        Self { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response }
    }

    /// Checks whether the request is admitted.
    pub fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// Returns the reason for a denial; empty if the request is admitted.
    pub fn message(&self) -> &str {
        self.response.status.as_ref().map_or("", |status| &status.message)
    }

    /// Returns the warnings for the user.
    pub fn warnings(&self) -> &[String] {
        &self.response.warnings
    }

    /// Returns the audit annotations. The API server prefixes each key with the name of the
    /// webhook.
    pub fn audit_annotations(&self) -> &BTreeMap<&'static str, String> {
        &self.response.audit_annotations
    }
}

impl Status {
    /// Returns the status of a denial because of these errors, or `None` if there are none.
    ///
    /// The message lists up to [`MAX_FINDINGS`] errors and counts the others.
    pub(super) fn forbidden(errors: &[&Finding]) -> Option<Self> {
        let first = errors.first()?;
        let object = first.object.as_ref().map_or_else(String::new, |id| format!(" in {id}"));
        let count = match errors.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let listed = || errors.iter().take(MAX_FINDINGS);
        let mut parts: Vec<_> = listed()
            .map(|finding| {
                let part = format!("[{}] {}: {}", finding.rule, finding.primary.path, finding.message);
                single_line(&part, MAX_FINDING_LEN)
            })
            .collect();
        parts.extend(unlisted_note(errors.len()));
        let causes = listed().map(|finding| Cause {
            reason: finding.rule.as_str(),
            message: single_line(&finding.message, MAX_FINDING_LEN),
            field: finding.primary.path.to_string(),
        });
        Some(Self {
            code: 403,
            reason: "Forbidden",
            message: format!(
                "volcheck: {count}{object}: {}; see \"volcheck explain {}\"",
                parts.join("; "),
                first.rule
            ),
            details: Some(Details { causes: causes.collect() }),
        })
    }

    /// Returns the status that denies a probing Pod.
    pub(super) fn probe(nonce: &str, mode: Mode, namespace: &str) -> Self {
        let (namespace, mode) = (shorten(namespace), mode.as_str());
        let message = format!("{PROBE_DENIAL} `{nonce}`: the mode for namespace `{namespace}` is `{mode}`");
        Self { code: 403, reason: "Forbidden", message, details: None }
    }

    /// Returns the status that denies an object that could not be checked.
    pub(super) fn bad_request(message: &str) -> Self {
        Self { code: 400, reason: "BadRequest", message: message.to_owned(), details: None }
    }
}

/// Formats findings as warnings, the highest severity first. After [`MAX_FINDINGS`] findings, a
/// last warning counts the others.
pub(super) fn warnings(mut findings: Vec<&Finding>) -> Vec<String> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let listed = findings.iter().take(MAX_FINDINGS);
    let lines = listed.map(|finding| format!("[{}] {}", finding.rule, finding.message));
    lines.chain(unlisted_note(findings.len())).map(|line| warning(&line)).collect()
}

/// Returns a note with the number of findings that are not listed, or `None` if all are listed.
fn unlisted_note(count: usize) -> Option<String> {
    (count > MAX_FINDINGS).then(|| format!("and {} more", count - MAX_FINDINGS))
}

/// Formats a warning. The prefix names volcheck, because kubectl does not show the source of a
/// warning. Control characters are escaped, because the API server silently drops warnings that
/// contain them. Long warnings are truncated.
pub(super) fn warning(text: &str) -> String {
    shorten(&format!("volcheck: {text}"))
}

/// Escapes control characters and truncates the text to the maximum length of a warning.
pub(super) fn shorten(text: &str) -> String {
    single_line(text, MAX_WARNING_LEN)
}

/// Escapes control characters and truncates the text to `max_len` characters.
fn single_line(text: &str, max_len: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(max_len) {
        Some(_) => text.chars().take(max_len - 1).chain(['…']).collect(),
        None => text.into_owned(),
    }
}
