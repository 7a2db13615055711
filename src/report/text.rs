//! `text`: diagnostics for people, in the style of rustc.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::{self, DEFAULT_CONTEXT_STYLE, DEFAULT_EMPHASIS_STYLE};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use rayon::prelude::*;

use super::{Style, counted, docs, docs_url, shown, statistics};
use crate::finding::{Severity, SuppressedBy};
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;
use crate::rules::Rule;
use crate::source::{File, Span};

/// The approximate length, in bytes, of the excerpt that is shown if a line is very long. For
/// example, a JSON manifest can be a single line of a megabyte.
const MAX_LINE_LEN: usize = 240;

pub(super) fn render(report: &Report, style: Style) -> String {
    let shown: Vec<_> = report.errors.iter().chain(shown(report, style)).collect();
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let blocks: Vec<String> = shown.par_iter().map(|located| block(located, &renderer, style)).collect();
    let mut out = blocks.concat();
    if style.statistics && !shown.is_empty() {
        out.push_str(&statistics(report, style.min_severity));
        out.push('\n');
    }
    if !style.quiet {
        out.push_str(&summary(report, style));
        if let Some(command) = &report.exempt_command {
            // Writing to a string never fails.
            let _ = writeln!(out, "To exempt findings: {command}");
        }
    }
    out
}

fn block(located: &LocatedFinding, renderer: &Renderer, style: Style) -> String {
    let finding = &located.finding;
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(printable(&finding.message)).id(finding.rule.as_str());
    let mut group = Group::with_title(match docs_url(finding.rule).filter(|_| style.links) {
        Some(url) => title.id_url(url),
        None => title,
    });
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
    notes(located, style, &mut block);
    block.push('\n');
    block
}

/// Appends the notes, one per line, in the style of the renderer. Rendering them with the renderer
/// would take longer than checking the file.
fn notes(located: &LocatedFinding, style: Style, out: &mut String) {
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
    if let Some(id) = &finding.object {
        let mut location = id.to_string();
        if !finding.primary.path.is_root() {
            let _ = write!(location, ", {}", finding.primary.path);
        }
        if finding.is_heuristic {
            location.push_str(" (recognized by structure)");
        }
        note("object", &location);
    }
    for (name, text) in [("why", &finding.why), ("help", &finding.help)] {
        if !text.is_empty() {
            note(name, text);
        }
    }
    if let Some(near) = &finding.near_exemption {
        note("note", &near.describe(finding));
    }
    if let Some(suppression) = &located.suppressed {
        let reason = match suppression.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        note("suppressed", &format!("by {} {}{reason}", article(suppression.by), suppression.by.noun()));
    }
    note("docs", &docs(finding.rule));
}

fn article(by: SuppressedBy) -> &'static str {
    match by {
        SuppressedBy::Exemption => "an",
        SuppressedBy::Annotation => "an",
        SuppressedBy::Comment => "a",
        SuppressedBy::Baseline => "the",
    }
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

/// Returns the part of the summary about files: the number of manifests with findings, and the
/// names of the policy and the baseline if there are findings about these files. Counts only
/// findings of at least the minimum severity.
fn files_with_findings(report: &Report, min_severity: Severity) -> String {
    let (mut manifests, mut config): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for LocatedFinding { finding, location, .. } in &report.findings {
        if finding.severity >= min_severity {
            let rule = report.rules.find(finding.rule.as_str());
            let files = if rule.is_some_and(Rule::checks_config) { &mut config } else { &mut manifests };
            files.push(&location.path);
        }
    }
    // The findings are in order of their files.
    manifests.dedup();
    config.dedup();
    let checked = counted(report.counts.files, "file");
    let config: Vec<_> = config.into_iter().map(printable).collect();
    match (manifests.len(), config.join(" and ")) {
        (count, config) if config.is_empty() => format!("{count} of {checked}"),
        (0, config) => format!("{config} and none in {checked}"),
        (count, config) => format!("{config} and {count} of {checked}"),
    }
}

/// Returns the summary of the run in sentences.
pub(super) fn summary(report: &Report, style: Style) -> String {
    if let Some(config) = report.invalid_config {
        let count = counted(report.errors.len(), "error");
        return format!("The {} has {count}; nothing was checked.\n", config.noun());
    }
    let count = |severity| report.count(severity);
    let (errors, warnings, infos) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    let shown: Vec<_> = [
        (Severity::Error, errors, "error"),
        (Severity::Warning, warnings, "warning"),
        (Severity::Info, infos, "info"),
    ]
    .into_iter()
    .filter(|(severity, count, _)| *severity >= style.min_severity && *count > 0)
    .collect();
    let hidden: Vec<_> = [(Severity::Warning, warnings, "warning"), (Severity::Info, infos, "info")]
        .into_iter()
        .filter(|(severity, count, _)| *severity < style.min_severity && *count > 0)
        .map(|(_, count, noun)| counted(count, noun))
        .collect();
    let counts = &report.counts;
    let mut out = String::new();
    let total: usize = shown.iter().map(|(_, count, _)| count).sum();
    // Writing to a string never fails.
    let _ = if total == 0 {
        let prefix = match report.errors.is_empty() {
            true => "No problems in",
            false => "Found no problems in the input that could be checked:",
        };
        write!(
            out,
            "{prefix} {} ({}, {} with volumes)",
            counted(counts.files, "file"),
            counted(counts.objects, "object"),
            counts.objects_with_volumes
        )
    } else {
        let kinds: Vec<_> = shown.iter().map(|(_, count, noun)| counted(*count, noun)).collect();
        write!(
            out,
            "Found {} ({}) in {}",
            counted(total, "problem"),
            kinds.join(", "),
            files_with_findings(report, style.min_severity)
        )
    };
    if !hidden.is_empty() {
        let _ = write!(out, "; {} not shown", hidden.join(" and "));
    }
    if let Some((reference, outside)) = report.outside.as_ref().filter(|(_, outside)| *outside > 0) {
        let _ = write!(out, "; {outside} outside the changes since {reference}");
    }
    if !report.suppressed.is_empty() {
        let _ = write!(out, "; {} suppressed", report.suppressed.len());
        match report.denied_in_cluster() {
            0 => {}
            1 => out.push_str(", including 1 error that the webhook does not suppress"),
            count => {
                let _ = write!(out, ", including {count} errors that the webhook does not suppress");
            }
        }
    }
    out.push_str(".\n");
    if !report.errors.is_empty() {
        let files = report.files_with_errors();
        let _ = writeln!(out, "{} could not be fully checked.", counted(files, "file"));
    }
    let by_noun = counts.unrendered.iter().map(|(noun, count)| (*count, noun.as_str()));
    let own = [(counts.kustomizations, "kustomization"), (counts.charts, "chart")].into_iter();
    let unrendered: Vec<_> = own.chain(by_noun).filter(|(count, _)| *count > 0).collect();
    if !unrendered.is_empty() {
        let verb = if unrendered.iter().map(|(count, _)| count).sum::<usize>() == 1 { "was" } else { "were" };
        let nouns: Vec<_> = unrendered.into_iter().map(|(count, noun)| counted(count, noun)).collect();
        let _ = writeln!(out, "{} {verb} not rendered.", nouns.join(" and "));
    }
    out.push_str(&unknown_host_paths(report));
    out
}

/// Joins one or more items to `a`, `a and b`, or `a, b and c`.
fn joined(mut items: Vec<String>) -> String {
    match (items.pop(), items.join(", ")) {
        (Some(last), rest) if rest.is_empty() => last,
        (last, rest) => format!("{rest} and {}", last.unwrap_or_default()),
    }
}

/// The maximum number of fields with possible host paths that the summary names.
const MAX_UNKNOWN_HOST_PATHS: usize = 3;

/// Returns a sentence about fields that may contain host paths, but were not checked. Returns an
/// empty string if there are no such fields.
fn unknown_host_paths(report: &Report) -> String {
    let fields = &report.unknown_host_paths;
    if fields.is_empty() {
        return String::new();
    }
    let mut named: Vec<_> = fields
        .iter()
        .take(MAX_UNKNOWN_HOST_PATHS)
        .map(|field| {
            let (object, path) = (&field.object, field.field.to_string());
            format!("{}:{}: `{}` of {object}", printable(&field.path), field.line, printable(&path))
        })
        .collect();
    if fields.len() > named.len() {
        named.push(format!("{} more", fields.len() - named.len()));
    }
    let verb = if fields.len() == 1 { "was" } else { "were" };
    format!("{} {verb} not checked ({}).\n", counted(fields.len(), "possible host path"), joined(named))
}
