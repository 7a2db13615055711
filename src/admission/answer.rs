//! volcheck's answer, within what the API server takes (`pkg/admission/plugin/webhook` of `k8s.io/apiserver`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::Finding;
use crate::model::printable;

/// At most so many findings in a message; the rest is counted.
const SHOWN: usize = 10;

/// No part of a message is longer: a path may be.
const LONGEST_PART: usize = 600;

/// So that all that are shown have fewer than the 4096 characters above which the API server cuts each to 256
/// (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const LONGEST_WARNING: usize = 240;

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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

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

impl Answer {
    pub(super) fn new(
        uid: String,
        status: Option<Status>,
        warnings: Vec<String>,
        audit_annotations: BTreeMap<&'static str, String>,
    ) -> Self {
        let response = Response { uid, allowed: status.is_none(), status, warnings, audit_annotations };
        Self { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response }
    }

    /// Whether the object may come in.
    pub fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// Why not; empty where it may.
    pub fn message(&self) -> &str {
        self.response.status.as_ref().map_or("", |status| &status.message)
    }

    /// What the user is told whether or not it may.
    pub fn warnings(&self) -> &[String] {
        &self.response.warnings
    }

    /// What the audit log gets of it, by key; the API server puts the webhook's name before that.
    pub fn audit_annotations(&self) -> &BTreeMap<&'static str, String> {
        &self.response.audit_annotations
    }
}

impl Status {
    /// The denial for errors, all in one message: of several webhooks that deny, the user sees one.
    pub(super) fn forbidden(errors: &[&Finding]) -> Option<Self> {
        let first = errors.first()?;
        let object = first.object.as_ref().map_or_else(String::new, |id| format!(" in {id}"));
        let count = match errors.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let shown = || errors.iter().take(SHOWN);
        let mut parts: Vec<_> = shown()
            .map(|finding| {
                let part = format!("[{}] {}: {}", finding.rule, finding.primary.path, finding.message);
                line(&part, LONGEST_PART)
            })
            .collect();
        if errors.len() > SHOWN {
            parts.push(format!("and {} more", errors.len() - SHOWN));
        }
        let causes = shown().map(|finding| Cause {
            reason: finding.rule.as_str(),
            message: line(&finding.message, LONGEST_PART),
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

    /// The denial of what can't be read.
    pub(super) fn unreadable(message: &str) -> Self {
        Self { code: 400, reason: "BadRequest", message: message.to_owned(), details: None }
    }
}

/// Findings as kubectl can show them: one line each, short, and not too many; the worst first.
pub(super) fn warnings(findings: &mut [&Finding]) -> Vec<String> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let shown = findings.iter().take(SHOWN);
    let mut lines: Vec<_> =
        shown.map(|finding| warning(&format!("[{}] {}", finding.rule, finding.message))).collect();
    if findings.len() > SHOWN {
        lines.push(warning(&format!("and {} more", findings.len() - SHOWN)));
    }
    lines
}

/// A text as a warning, which kubectl shows without saying whose it is; one with control characters would be dropped
/// without a word.
pub(super) fn warning(text: &str) -> String {
    short(&format!("volcheck: {text}"))
}

/// A text on one line, as long as a warning may be.
pub(super) fn short(text: &str) -> String {
    line(text, LONGEST_WARNING)
}

/// A text on one line, of so many characters at most.
fn line(text: &str, longest: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(longest) {
        Some(_) => text.chars().take(longest - 1).chain(['…']).collect(),
        None => text.into_owned(),
    }
}
