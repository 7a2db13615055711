//! `json`: one JSON document for programs. Within a version of the format, the schema changes only
//! by adding fields and values.

use serde::Serialize;

use super::verdicts::{self, VerdictCounts};
use super::{Style, docs, shown};
use crate::finding::{Access, Edit, EditValue, Finding, RuleId, Severity, Suppression};
use crate::lint::{Counts, Effect, LocatedFinding, ObjectVerdict, Report, TemplateLocation};
use crate::model::ObjectId;
use crate::source::edit::TextEdit;
use crate::source::{Position, Span};

/// The JSON Schema of the format.
pub const SCHEMA: &str = include_str!("../../docs/reference/output.schema.json");

/// The version of the format.
pub(super) const VERSION: u32 = 1;
/// The program that wrote the report.
pub(super) const TOOL: Tool = Tool { name: "volcheck", version: env!("CARGO_PKG_VERSION") };

#[derive(Serialize)]
struct Document<'r> {
    version: u32,
    tool: Tool,
    summary: Summary<'r>,
    findings: Vec<Entry<'r>>,
    errors: Vec<Entry<'r>>,
}

#[derive(Serialize)]
pub(super) struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
pub(super) struct Summary<'r> {
    errors: usize,
    warnings: usize,
    infos: usize,
    suppressed: usize,
    denied_in_cluster: usize,
    changed_since: Option<&'r str>,
    outside_changes: usize,
    /// `None` unless the run determines the verdicts of the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdicts: Option<VerdictCounts>,
    #[serde(flatten)]
    counts: &'r Counts,
}

#[derive(Serialize)]
pub(super) struct Entry<'r> {
    rule: RuleId,
    severity: Severity,
    message: &'r str,
    object: Option<Object<'r>>,
    field_path: Option<String>,
    volume: Option<&'r str>,
    container: Option<&'r str>,
    host_path: Option<&'r str>,
    access: Option<Access>,
    file: &'r str,
    rendered: bool,
    span: Option<SpanEntry>,
    template: Option<TemplateEntry<'r>>,
    label: &'r str,
    related: Vec<Related<'r>>,
    why: &'r str,
    help: &'r str,
    docs: String,
    fix: Option<FixEntry<'r>>,
    fingerprint: Option<String>,
    heuristic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    near_exemption: Option<NearEntry<'r>>,
    suppressed: Option<&'r Suppression>,
    /// `None` unless the run determines the verdicts of the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<AdmissionEntry>,
}

#[derive(Serialize)]
struct AdmissionEntry {
    verdict: ObjectVerdict,
    object: Option<Effect>,
    pods: Option<Effect>,
}

#[derive(Serialize)]
struct NearEntry<'r> {
    origin: &'r str,
    key: &'static str,
    expected: &'r str,
    found: &'r str,
}

#[derive(Serialize)]
pub(super) struct Object<'r> {
    group: &'r str,
    version: &'r str,
    kind: &'r str,
    namespace: &'r str,
    name: &'r str,
}

#[derive(Serialize)]
struct Related<'r> {
    /// The object; `None` if it is the object of the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object<'r>>,
    field_path: String,
    /// The file; `None` if it is the file of the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'r str>,
    /// Whether the span is in text that was rendered from `file`; `None` if there is no `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rendered: Option<bool>,
    span: Option<SpanEntry>,
    label: &'r str,
}

#[derive(Serialize)]
struct TemplateEntry<'r> {
    span: SpanEntry,
    exact: bool,
    value: Option<ValueEntry<'r>>,
}

/// A value of a chart.
#[derive(Serialize)]
struct ValueEntry<'r> {
    file: &'r str,
    line: usize,
    field_path: String,
}

#[derive(Serialize)]
struct SpanEntry {
    start: PositionEntry,
    end: PositionEntry,
}

#[derive(Serialize)]
struct PositionEntry {
    line: usize,
    column: usize,
    offset: usize,
}

#[derive(Serialize)]
struct FixEntry<'r> {
    title: &'r str,
    safety: crate::finding::Safety,
    edits: Vec<EditEntry>,
    /// The edits of the text; `None` if they cannot be applied.
    text_edits: Option<Vec<TextEditEntry<'r>>>,
    /// The reason why the edits cannot be applied; `None` if they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Serialize)]
struct TextEditEntry<'r> {
    #[serde(flatten)]
    span: SpanEntry,
    text: &'r str,
}

#[derive(Serialize)]
#[serde(tag = "edit", rename_all = "lowercase")]
enum EditEntry {
    Set { field_path: String, value: serde_json::Value },
    Rename { field_path: String, to: String },
    Remove { field_path: String },
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let document = Document {
        version: VERSION,
        tool: TOOL,
        summary: summary(report),
        findings: shown(report, style).into_iter().map(entry).collect(),
        errors: report.errors.iter().map(entry).collect(),
    };
    pretty(&document)
}

/// Renders a document with indentation.
pub(super) fn pretty(document: &impl Serialize) -> String {
    // Serializing these types never fails.
    let mut out = serde_json::to_string_pretty(document).unwrap_or_default();
    out.push('\n');
    out
}

pub(super) fn summary(report: &Report) -> Summary<'_> {
    Summary {
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        infos: report.count(Severity::Info),
        suppressed: report.suppressed.len(),
        denied_in_cluster: report.denied_in_cluster(),
        changed_since: report.outside.as_ref().map(|(reference, _)| reference.as_str()),
        outside_changes: report.outside.as_ref().map_or(0, |(_, outside)| *outside),
        verdicts: verdicts::counts(report, Severity::Info),
        counts: &report.counts,
    }
}

fn template(template: &TemplateLocation) -> TemplateEntry<'_> {
    let value = template.value.as_ref().map(|value| ValueEntry {
        file: &value.path,
        line: value.line,
        field_path: value.field.to_string(),
    });
    TemplateEntry { span: span(template.span), exact: template.is_exact, value }
}

/// Returns the edits of the text, or `None` if they cannot be applied.
fn text_edits(located: &LocatedFinding) -> Option<Vec<TextEditEntry<'_>>> {
    let (file, (_, edits)) = (located.location.file.as_ref()?, located.applicable_fix()?);
    let entry = |edit: &'_ TextEdit| {
        let at = |offset: usize| file.span(offset..offset).start;
        span(Span { start: at(edit.range.start), end: at(edit.range.end) })
    };
    Some(edits.iter().map(|edit| TextEditEntry { span: entry(edit), text: &edit.text }).collect())
}

pub(super) fn entry(located: &LocatedFinding) -> Entry<'_> {
    let finding = &located.finding;
    let Finding { fingerprint, primary, related, .. } = finding;
    let locations = located.location.related.iter().map(Some).chain(std::iter::repeat(None));
    Entry {
        rule: finding.rule,
        severity: finding.severity,
        message: &finding.message,
        object: finding.object.as_deref().map(object),
        field_path: finding.object.is_some().then(|| primary.path.to_string()),
        volume: some(&fingerprint.volume),
        container: some(&fingerprint.container),
        host_path: Some(&*fingerprint.path).filter(|_| finding.has_host_path),
        access: fingerprint.access,
        file: &located.location.path,
        rendered: located.location.is_rendered,
        span: located.location.primary.map(span),
        template: located.location.template.as_ref().map(template),
        label: &primary.text,
        related: related
            .iter()
            .zip(locations)
            .map(|(label, location)| {
                let other = location.and_then(|location| location.other_file.as_ref());
                Related {
                    object: label.object.as_deref().map(object),
                    field_path: label.path.to_string(),
                    file: other.map(|other| &*other.path),
                    rendered: other.map(|other| other.is_rendered),
                    span: location.map(|location| span(location.span)),
                    label: &label.text,
                }
            })
            .collect(),
        why: &finding.why,
        help: &finding.help,
        docs: docs(finding.rule).into_owned(),
        fix: finding.fix.as_ref().map(|fix| FixEntry {
            title: &fix.title,
            safety: fix.safety,
            edits: fix.edits.iter().map(edit).collect(),
            text_edits: text_edits(located),
            refused: located.text_edits.as_ref().and_then(|edits| Some(edits.as_ref().err()?.to_string())),
        }),
        fingerprint: finding.object.is_some().then(|| fingerprint.to_string()),
        heuristic: finding.is_heuristic,
        near_exemption: finding.near_exemption.as_deref().map(|near| NearEntry {
            origin: &near.origin,
            key: near.key,
            expected: &near.expected,
            found: near.found(finding),
        }),
        suppressed: located.suppressed.as_ref(),
        admission: located.review.map(|review| AdmissionEntry {
            verdict: review.verdict(),
            object: review.object,
            pods: review.pods,
        }),
    }
}

/// Returns `None` if the text is empty.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn object(id: &ObjectId) -> Object<'_> {
    Object {
        group: &id.group,
        version: &id.version,
        kind: &id.kind,
        namespace: &id.namespace,
        name: &id.name,
    }
}

fn span(span: Span) -> SpanEntry {
    let position = |at: Position| PositionEntry { line: at.line, column: at.column, offset: at.offset };
    SpanEntry { start: position(span.start), end: position(span.end) }
}

fn edit(edit: &Edit) -> EditEntry {
    match edit {
        Edit::Set(path, value) => EditEntry::Set {
            field_path: path.to_string(),
            value: match value {
                EditValue::Str(text) => text.as_str().into(),
                EditValue::Bool(value) => (*value).into(),
                EditValue::EmptyMapping => serde_json::Value::Object(serde_json::Map::new()),
            },
        },
        Edit::Rename(path, to) => EditEntry::Rename { field_path: path.to_string(), to: to.clone() },
        Edit::Remove(path) => EditEntry::Remove { field_path: path.to_string() },
    }
}
