//! The response to a review, within the limits of the API server (`pkg/admission/plugin/webhook` of
//! `k8s.io/apiserver`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::probe::PROBE_DENIAL;
use crate::finding::Finding;
use crate::model::{ObjectId, printable};
use crate::policy::Mode;

/// The maximum number of findings listed in a message or in the warnings. Further findings are only
/// counted.
const MAX_FINDINGS: usize = 10;

/// The maximum total length of a finding's rule, field and message in a denial, in characters.
/// Findings can contain long paths.
const MAX_PROBLEM_LEN: usize = 400;

/// The maximum length of a finding's help in a denial, in characters.
const MAX_HELP_LEN: usize = 200;

/// The maximum length of a note about an exemption in a denial, in characters. A longer note is
/// omitted.
const MAX_NOTE_LEN: usize = 200;

/// The maximum length of the text from `--message`, in characters.
const MAX_MESSAGE_LEN: usize = 1000;

/// The maximum length of a warning, in characters. If the warnings of a request total more than
/// 4096 characters, the API server truncates each to 256
/// (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const MAX_WARNING_LEN: usize = 240;

/// The maximum length of the object's kind, namespace and name in a warning, in characters. The
/// name of an object alone can have 253 characters.
const MAX_OBJECT_LEN: usize = 72;

/// The maximum length of the field in a warning, in characters. Together with the object and the
/// longest rule, the field fits in [`MAX_WARNING_LEN`].
const MAX_FIELD_LEN: usize = 88;

/// The maximum length of an entry in an audit annotation, in characters.
const MAX_ANNOTATION_LEN: usize = 240;

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

/// Parses the value of `--message`: a text of up to 1000 characters on one line.
///
/// # Errors
///
/// Returns the problem if the text is empty or too long, or contains a character that responses
/// escape.
pub fn parse_message(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        len if len > MAX_MESSAGE_LEN => Err(format!("must not have more than {MAX_MESSAGE_LEN} characters")),
        _ if printable(text) != text => Err("must be one line without control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
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
    /// The message describes each error on a line: the rule, the field, the problem and the remedy.
    /// A single error is on the first line. The message lists up to [`MAX_FINDINGS`] errors and
    /// counts the others. It ends with `advice`, which is the text from `--message`. Without
    /// `advice`, it ends with a command that explains the first rule.
    pub(super) fn forbidden(errors: &[&Finding], advice: Option<&str>) -> Option<Self> {
        let first = errors.first()?;
        let object = first.object.as_ref().map_or_else(String::new, |id| format!(" in {id}"));
        let count = match errors.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let listed = || errors.iter().take(MAX_FINDINGS);
        let mut lines: Vec<_> = listed().map(|finding| denial_line(finding)).collect();
        lines.extend(unlisted_note(errors.len()));
        lines.push(advice_or_command(first, advice));
        let (start, separator) = if errors.len() == 1 { (" ", "; ") } else { ("\n", "\n") };
        let causes = listed().map(|finding| Cause {
            reason: finding.rule.as_str(),
            message: single_line(&finding.message, MAX_PROBLEM_LEN),
            field: finding.primary.path.to_string(),
        });
        Some(Self {
            code: 403,
            reason: "Forbidden",
            message: format!("volcheck: {count}{object}:{start}{}", lines.join(separator)),
            details: Some(Details { causes: causes.collect() }),
        })
    }

    /// Returns the status that denies a probing Pod.
    pub(super) fn probe(nonce: &str, mode: Mode, namespace: &str) -> Self {
        let (namespace, mode) = (shorten(namespace), mode.as_str());
        let message = format!("{PROBE_DENIAL} `{nonce}`: the mode for namespace `{namespace}` is `{mode}`");
        Self { code: 403, reason: "Forbidden", message, details: None }
    }

    /// Returns the status that denies an object that could not be checked. `finding` describes why.
    pub(super) fn bad_request(object: &ObjectId, finding: &Finding, advice: Option<&str>) -> Self {
        let (line, advice) = (denial_line(finding), advice_or_command(finding, advice));
        let message = format!("volcheck: {object} could not be checked: {line}; {advice}");
        Self { code: 400, reason: "BadRequest", message, details: None }
    }
}

/// Describes the problem and the remedy of a finding on one line. Also names an exemption that
/// almost applies.
fn denial_line(finding: &Finding) -> String {
    let rule = finding.rule;
    let problem = match finding.primary.path.is_root() {
        true => format!("[{rule}] {}", finding.message),
        false => format!("[{rule}] {}: {}", finding.primary.path, finding.message),
    };
    let mut line = single_line(&problem, MAX_PROBLEM_LEN);
    if !finding.help.is_empty() {
        line.push_str(&format!("; help: {}", single_line(&finding.help, MAX_HELP_LEN)));
    }
    let note = finding.near_exemption.as_ref().map(|near| near.describe(finding));
    if let Some(note) = note.filter(|note| note.chars().count() <= MAX_NOTE_LEN) {
        line.push_str(&format!("; note: {}", printable(&note)));
    }
    line
}

fn advice_or_command(finding: &Finding, advice: Option<&str>) -> String {
    advice.map_or_else(|| format!("see \"volcheck explain {}\"", finding.rule), str::to_owned)
}

/// Formats findings about `object` as warnings, the highest severity first. `effect` returns the
/// effect of a finding, or an empty string. After [`MAX_FINDINGS`] findings, a last warning counts
/// the others.
///
/// kubectl shows each text only once. Therefore, each warning names its object.
pub(super) fn warnings(
    object: &ObjectId,
    mut findings: Vec<&Finding>,
    effect: impl Fn(&Finding) -> &'static str,
) -> Vec<String> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let object = shorten_middle(&object.to_string(), MAX_OBJECT_LEN);
    let listed = findings.iter().take(MAX_FINDINGS);
    let lines = listed.map(|finding| {
        let (effect, rule) = (effect(finding), finding.rule);
        let field = shorten_middle(&finding.primary.path.to_string(), MAX_FIELD_LEN);
        format!("{object}: {effect}[{rule}] {field}: {}", finding.message)
    });
    let more = unlisted_note(findings.len()).map(|note| format!("{object}: {note}"));
    lines.chain(more).map(|line| warning(&line)).collect()
}

/// Formats the warning about an object that could not be checked. `finding` describes why.
pub(super) fn unchecked_warning(object: &ObjectId, finding: &Finding) -> String {
    let object = shorten_middle(&object.to_string(), MAX_OBJECT_LEN);
    warning(&format!("{object} could not be checked: {}", denial_line(finding)))
}

/// Returns a note with the number of findings that are not listed, or `None` if all are listed.
fn unlisted_note(count: usize) -> Option<String> {
    (count > MAX_FINDINGS).then(|| format!("and {} more", count - MAX_FINDINGS))
}

/// Formats a warning. The prefix names volcheck, because kubectl does not show the source of a
/// warning. Control characters are escaped, because the API server silently drops warnings that
/// contain them. Long warnings are truncated.
fn warning(text: &str) -> String {
    single_line(&format!("volcheck: {text}"), MAX_WARNING_LEN)
}

/// Escapes control characters and truncates the text to the maximum length of an entry in an audit
/// annotation.
pub(super) fn shorten(text: &str) -> String {
    single_line(text, MAX_ANNOTATION_LEN)
}

/// Escapes control characters and truncates the text to `max_len` characters.
fn single_line(text: &str, max_len: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(max_len) {
        Some(_) => text.chars().take(max_len - 1).chain(['…']).collect(),
        None => text.into_owned(),
    }
}

/// Escapes control characters. If the text is then longer than `max_len` characters, replaces its
/// middle with `…`. Long names often differ only at the end.
fn shorten_middle(text: &str, max_len: usize) -> String {
    let text = printable(text);
    let len = text.chars().count();
    if len <= max_len {
        return text.into_owned();
    }
    let tail = max_len / 2;
    let head = text.chars().take(max_len - tail - 1);
    head.chain(['…']).chain(text.chars().skip(len - tail)).collect()
}
