//! `text`: diagnostics for people, in the style of rustc.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::{self, DEFAULT_CONTEXT_STYLE, DEFAULT_EMPHASIS_STYLE};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use rayon::prelude::*;

use super::group::{Group as FindingGroup, groups};
use super::{Style, counted, docs, shown, statistics, summary, verdicts};
use crate::finding::{Finding, Severity};
use crate::lint::{LocatedFinding, Report};
use crate::model::{ObjectId, printable};
use crate::source::{File, Span};

/// The approximate length, in bytes, of the excerpt that is shown if a line is very long. For
/// example, a JSON manifest can be a single line of a megabyte.
const MAX_LINE_LEN: usize = 240;

pub(super) fn render(report: &Report, style: Style) -> String {
    let shown: Vec<_> = report.errors.iter().chain(shown(report, style)).collect();
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let blocks: Vec<String> = groups(&shown).par_iter().map(|group| block(group, &renderer, style)).collect();
    let mut out = blocks.concat();
    if style.statistics && !shown.is_empty() {
        out.push_str(&statistics(report, style.min_severity));
        out.push('\n');
    }
    out.push_str(&verdicts::table(report, style.min_severity));
    if !style.quiet {
        out.push_str(&summary::render(report, style));
        if let Some(command) = &report.exempt_command {
            // Writing to a string never fails.
            let _ = writeln!(out, "To exempt findings: {command}");
        }
    }
    out
}

fn block(findings: &FindingGroup<'_>, renderer: &Renderer, style: Style) -> String {
    let located = findings.lead;
    let finding = &located.finding;
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(printable(&finding.message)).id(finding.rule.as_str());
    let mut group = Group::with_title(title);
    let snippet = match (&located.location.file, located.location.primary) {
        (Some(file), Some(primary)) => Some(snippet(located, file, primary)),
        _ => None,
    };
    let needs_origin = snippet.as_ref().is_none_or(|(_, is_part)| *is_part);
    if needs_origin {
        group = group.element(origin(located));
    }
    if let Some((snippet, _)) = snippet {
        group = group.element(if needs_origin { snippet } else { snippet.path(located.display_path()) });
    }
    for (related, label) in located.location.related.iter().zip(&finding.related) {
        let Some(other) = &related.other_file else { continue };
        let path = other.display_path();
        let (snippet, is_part) = related_snippet(&other.file, related.span, &label.text);
        group = if is_part {
            let start = related.span.start;
            let origin = annotate_snippets::Origin::path(path).line(start.line).char_column(start.column);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(path))
        };
    }
    let mut block = renderer.render(&[group]);
    block.push('\n');
    notes(findings, style, &mut block);
    block.push('\n');
    block
}

/// Appends the notes, one per line, in the style of the renderer. Rendering them with the renderer
/// would take longer than checking the file.
fn notes(findings: &FindingGroup<'_>, style: Style, out: &mut String) {
    let located = findings.lead;
    let finding = &located.finding;
    let (line, bold) = match style.color {
        true => (DEFAULT_CONTEXT_STYLE, DEFAULT_EMPHASIS_STYLE),
        false => (renderer::Style::new(), renderer::Style::new()),
    };
    let related = located.location.related.iter().map(|related| related.span);
    let last = located.location.primary.into_iter().chain(related).map(|span| span.start.line).max();
    let width = last.map_or(0, |last| last.to_string().len());
    // Writing to a string never fails.
    if width > 0 {
        let _ = writeln!(out, "{:width$} {line}|{line:#}", "");
    }
    let mut note = |name: &str, text: &str| {
        let text = printable(text);
        let _ = writeln!(out, "{:width$} {line}={line:#} {bold}{name}{bold:#}: {text}", "");
    };
    if let Some(template) = &located.location.template {
        let approximate = if template.is_exact { "" } else { " (approximate)" };
        let (path, line) = (&located.location.path, template.span.start.line);
        let text: String = template.text().chars().take(MAX_LINE_LEN).collect();
        note("template", &format!("{path}:{line}{approximate}: {text}"));
        if let Some(value) = &template.value {
            note("value", &format!("{}:{}: {}", value.path, value.line, value.field));
        }
    }
    if let Some(id) = &finding.object {
        let mut location = id.to_string();
        if !finding.primary.path.is_root() {
            let _ = write!(location, ", {}", finding.primary.path);
        }
        if finding.is_heuristic {
            location.push_str(" (detected by its structure)");
        }
        note("object", &location);
        if let Some(controller) = finding.controller.as_ref().filter(|_| findings.others > 0) {
            let others = counted(findings.others, &format!("other {}", id.kind));
            let controller = ObjectId {
                kind: controller.kind.clone(),
                namespace: id.namespace.clone(),
                name: controller.name.clone(),
                ..ObjectId::default()
            };
            note("also", &format!("{others} of {controller}"));
        }
    }
    for also in &findings.also {
        let Finding { rule, message, .. } = &also.finding;
        let (line, column) = also.location.primary.map_or((1, 1), |at| (at.start.line, at.start.column));
        note("also", &format!("{rule} at {line}:{column}: {message}"));
    }
    for (name, text) in [("why", &finding.why), ("help", &finding.help)] {
        if !text.is_empty() {
            note(name, text);
        }
    }
    let all = std::iter::once(located).chain(findings.also.iter().copied());
    for (fix, _) in all.filter_map(LocatedFinding::applicable_fix) {
        note("fix", &format!("{} with `{}`", fix.title, fix.safety.flags()));
    }
    if let Some(near) = &finding.near_exemption {
        note("note", &near.describe(finding));
    }
    if let Some(review) = &located.review {
        note("verdict", review.verdict().name());
    }
    if let Some(suppression) = &located.suppressed {
        note("suppressed", &suppression.to_string());
    }
    note("docs", &docs(finding.rule));
}

/// Returns the location of a finding, for two cases in which the renderer cannot derive it from the
/// snippet. Either there is no snippet, or the snippet is only part of a long line, and the
/// renderer would count columns from the start of the snippet.
fn origin(located: &LocatedFinding) -> annotate_snippets::Origin<'_> {
    let origin = annotate_snippets::Origin::path(located.display_path());
    match located.location.primary {
        Some(Span { start, .. }) => origin.line(start.line).char_column(start.column),
        None => origin,
    }
}

/// Returns a snippet with the line of a related location in another file, and whether the snippet
/// is only part of a long line.
fn related_snippet<'a>(
    file: &'a File,
    span: Span,
    label: &'a str,
) -> (Snippet<'a, annotate_snippets::Annotation<'a>>, bool) {
    let line = file.line_range(span.start.line);
    let is_part = line.len() > MAX_LINE_LEN * 4;
    let range = if is_part { window(file, span) } else { line };
    let annotation =
        AnnotationKind::Context.span(span.start.offset - range.start..span.end.offset - range.start);
    let annotation = if label.is_empty() { annotation } else { annotation.label(printable(label)) };
    let snippet = Snippet::source(&file.text()[range]).line_start(span.start.line);
    (snippet.annotation(annotation), is_part)
}

/// Returns a snippet with the lines of all labels in `file` and the lines between them, and false.
/// If the lines of the labels are too long, returns a snippet with only a part of the line of
/// `primary`, and true.
fn snippet<'a>(
    located: &'a LocatedFinding,
    file: &'a File,
    primary: Span,
) -> (Snippet<'a, annotate_snippets::Annotation<'a>>, bool) {
    let finding = &located.finding;
    let related = located.location.related.iter().zip(&finding.related);
    let related = related.filter(|(related, _)| related.other_file.is_none());
    let labels = std::iter::once((primary, &finding.primary))
        .chain(related.map(|(related, label)| (related.span, label)));
    let spans = labels.clone().map(|(span, _)| span);
    let lines = spans.clone().map(|span| span.start.line);
    let first = lines.clone().min().unwrap_or(primary.start.line);
    let last = lines.max().unwrap_or(primary.start.line);
    let mut range = file.line_range(first).start..file.line_range(last).end;
    let is_part = range.len() > MAX_LINE_LEN * 4
        && spans.clone().any(|span| file.line_range(span.start.line).len() > MAX_LINE_LEN);
    if is_part {
        range = window(file, primary);
    }
    let inside = |span: Span| {
        let bytes = span.start.offset..span.end.offset;
        (bytes.start >= range.start && bytes.end <= range.end)
            .then(|| bytes.start - range.start..bytes.end - range.start)
    };
    let kinds = std::iter::once(AnnotationKind::Primary).chain(std::iter::repeat(AnnotationKind::Context));
    let annotations = labels.zip(kinds).filter_map(|((span, label), kind)| {
        let annotation = kind.span(inside(span)?);
        let text = label.text.as_ref();
        Some(if text.is_empty() { annotation } else { annotation.label(printable(text)) })
    });
    let start = if range.start == file.line_range(first).start { first } else { primary.start.line };
    let snippet = Snippet::source(&file.text()[range.clone()]).line_start(start);
    (snippet.annotations(annotations.collect::<Vec<_>>()), is_part)
}

/// Returns the byte range of the part of a long line that surrounds `span`.
fn window(file: &File, span: Span) -> Range<usize> {
    let line = file.line_range(span.start.line);
    let text = file.text();
    let boundary = |at: usize| (at..=line.end).find(|at| text.is_char_boundary(*at)).unwrap_or(line.end);
    let start = boundary(span.start.offset.saturating_sub(MAX_LINE_LEN / 2).max(line.start));
    let end =
        boundary((span.end.offset.min(span.start.offset + MAX_LINE_LEN) + MAX_LINE_LEN / 2).min(line.end));
    start..end.max(span.end.offset.min(line.end))
}
