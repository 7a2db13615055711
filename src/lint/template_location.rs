//! Adds the locations in Helm templates to findings about rendered documents.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alignment::Alignment;
use super::chart_values::ChartValues;
use super::{LocatedFinding, Outcome, TemplateLocation, ValueLocation};
use crate::input::read_chart_file;
use crate::source::{Chunk, File, Span};

/// Adds the template locations to the findings of `outcome`, which are about the documents `chunks`
/// of the rendered text `file`. `is_from_template` checks whether a comment names the template of a
/// document. `chart` is the directory of the chart and its values files; `None` if they are
/// unknown.
pub(super) fn add(
    outcome: &mut Outcome,
    file: &File,
    chunks: &[Chunk],
    is_from_template: impl Fn(&str) -> bool,
    chart: Option<(&str, &[PathBuf])>,
) {
    let unchecked = outcome.unchecked.iter_mut().map(|unchecked| &mut unchecked.located);
    let findings = outcome.findings.iter_mut().chain(&mut outcome.suppressed).chain(unchecked);
    let mut by_chunk: HashMap<usize, Vec<&mut LocatedFinding>> = HashMap::new();
    for located in findings.filter(|located| located.location.is_rendered) {
        let Some(span) = located.location.primary else { continue };
        let following = chunks.partition_point(|chunk| chunk.range.start <= span.start.offset);
        by_chunk.entry(following.saturating_sub(1)).or_default().push(located);
    }
    let values = LazyCell::new(|| {
        chart.map_or_else(ChartValues::default, |(chart, files)| ChartValues::read(Path::new(chart), files))
    });
    let mut templates: HashMap<Arc<str>, Option<Arc<File>>> = HashMap::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let Some(findings) = by_chunk.remove(&index) else { continue };
        let document = &file.text()[chunk.range.clone()];
        let Some(path) = findings.first().map(|located| Arc::clone(&located.location.path)) else { continue };
        if !is_from_template(document) {
            continue;
        }
        let template = templates.entry(path).or_insert_with_key(|path| read_chart_file(path).map(Arc::new));
        let Some(template) = template else { continue };
        let alignment = Alignment::new(template.text(), document);
        for located in findings {
            let Some(span) = located.location.primary else { continue };
            let offset = (span.start.offset - chunk.range.start).min(document.len());
            let line = alignment.line(offset, &located.finding.primary.path);
            let value = value(located, span, file, template, &values).cloned();
            located.location.template = line.map(|line| TemplateLocation {
                span: trimmed_line(template, line.line),
                file: Arc::clone(template),
                is_exact: line.is_exact,
                value,
            });
        }
    }
}

/// Returns the location of the value that the finding is about. Returns `None` if the text is from
/// the template itself, or if the value is unknown.
fn value<'v>(
    located: &LocatedFinding,
    primary: Span,
    file: &File,
    template: &File,
    values: &'v ChartValues,
) -> Option<&'v ValueLocation> {
    let LocatedFinding { finding, location, .. } = located;
    let labels = location.related.iter().zip(&finding.related);
    let own = labels.filter(|(related, _)| related.other_file.is_none());
    let related = own.map(|(related, label)| (related.span, &label.path));
    let mut spans = std::iter::once((primary, &finding.primary.path)).chain(related);
    spans.find_map(|(span, path)| {
        let text = &file.text()[span.start.offset..span.end.offset];
        values.locate(text, path).filter(|_| !template.text().contains(text))
    })
}

/// Returns the span of the text of a line, without its indentation.
fn trimmed_line(file: &File, line: usize) -> Span {
    let range = file.line_range(line);
    let text = &file.text()[range.clone()];
    let start = range.start + text.len() - text.trim_start().len();
    file.span(start..range.start + text.trim_end().len())
}
