//! `--changed-since`: keeps only the findings on changed lines or in changed objects.

use std::path::Path;

use super::{LocatedFinding, Report};
use crate::input::{Changes, Input, InputSource};

/// Removes the findings and errors that are outside the changes. Counts them, except for suppressed
/// findings. `revision` is the value of the flag, for the report.
///
/// The following are kept:
///
/// - findings whose primary location starts on a changed line
/// - findings about an object with changed lines
/// - findings with a related location in another file, if that location is on a changed line, or
///   in a changed rendering
/// - findings about a changed file as a whole
/// - errors in changed files, and about missing files
/// - all findings and errors in the text of a chart or a kustomization if a file changed that the
///   rendering reads, or if this is unknown
pub fn keep_changed(report: &mut Report, inputs: &[Input], revision: &str, changes: &Changes) {
    let renderings = inputs.iter().filter_map(|input| match &input.source {
        InputSource::Rendered(rendering) => Some((input.name.as_str(), rendering)),
        InputSource::File(_) | InputSource::Path(_) | InputSource::Stdin => None,
    });
    let unchanged = renderings.filter(|(_, rendering)| !rendering.may_have_changed(changes));
    let filter = Filter { changes, unchanged_renderings: unchanged.map(|(name, _)| name).collect() };
    let before = report.findings.len() + report.errors.len();
    report.findings.retain(|located| filter.keeps(located));
    report.suppressed.retain(|located| filter.keeps(located));
    report.errors.retain(|located| match located.location.is_rendered {
        true => filter.keeps_rendered(&located.location.path),
        false => {
            let mut paths = located.files().map(|path| Path::new(&**path));
            paths.any(|path| !path.exists() || changes.touches_file(path))
        }
    });
    let outside = before - report.findings.len() - report.errors.len();
    report.outside = Some((revision.to_owned(), outside));
}

struct Filter<'a> {
    changes: &'a Changes,
    /// The names of charts and kustomizations that have not changed.
    unchanged_renderings: Vec<&'a str>,
}

impl Filter<'_> {
    /// Checks whether the rendered text at `path` may have changed. The path is that of a template,
    /// a chart or a kustomization.
    fn keeps_rendered(&self, path: &str) -> bool {
        !self.unchanged_renderings.iter().any(|name| Path::new(path).starts_with(name))
    }

    fn keeps(&self, located: &LocatedFinding) -> bool {
        let LocatedFinding { location, .. } = located;
        if location.is_rendered {
            return self.keeps_rendered(&location.path);
        }
        let path = Path::new(&*location.path);
        let primary = location.primary.map(|span| span.start.line..=span.start.line);
        let object = location.file.as_ref().zip(located.object.as_ref()).map(|(file, bytes)| {
            file.line(bytes.start)..=file.line(bytes.end.saturating_sub(1).max(bytes.start))
        });
        // A finding in an unchanged file can be due to a change in another file.
        let is_elsewhere = location.related.iter().any(|related| {
            let line = related.span.start.line;
            related.other_file.as_ref().is_some_and(|other| match other.is_rendered {
                true => self.keeps_rendered(&other.path),
                false => self.changes.touches(Path::new(&*other.path), &(line..=line)),
            })
        });
        match (primary, object) {
            _ if is_elsewhere => true,
            (None, None) => self.changes.touches_file(path),
            (primary, object) => primary.iter().chain(&object).any(|lines| self.changes.touches(path, lines)),
        }
    }
}
